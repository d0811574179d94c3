// The console: asks the service every few seconds, and draws what has changed.
//
//   address  ->  period, metric, number to explain
//   service  ->  status and report, every few seconds; the past, seldom
//   view     ->  tiles, trend, tables, health, explanation

import * as address from './address.js';
import { element, keyed, say, set, show } from './dom.js';
import { Explanation } from './explanation.js';
import { count, duration, instant, percent, periodName } from './format.js';
import { Health } from './health.js';
import { Missing, Report } from './report.js';
import * as service from './service.js';
import { Tables } from './tables.js';
import { tiles } from './tiles.js';
import { DEFAULT_METRIC, Trend, history, known } from './trends.js';

const EVERY = 5000;
/** The period that is shown if the address names none. */
const USUAL = '30d';

const at = (id) => document.getElementById(id);
const places = {
  version: at('version'), state: at('state'), stateText: at('state-text'), instant: at('instant'), at: at('at'),
  age: at('age'), notices: at('notices'), periods: at('periods'), bounds: at('bounds'), tiles: at('tiles'),
  identity: at('identity'), theme: at('theme'), themeName: at('theme-name'),
};

/** What is known at present. */
const state = { status: null, now: 0, heard: 0, report: null, error: null, refused: null };

const trend = new Trend(at('trend'), (metric) => go({ ...address.read(), metric, explain: null }));
const tables = new Tables(at('tables'));
const health = new Health(at('health'));
const explanation = new Explanation(at('explanation'), () => closed());

// --- the loop ------------------------------------------------------------------------------------

let timer = null;
let started = false;
/** Of several that overlap, the last one goes on. */
let round = 0;

async function refresh() {
  clearTimeout(timer);
  round += 1;
  const mine = round;
  const [status, report] = await Promise.allSettled([service.status(), service.report()]);
  if (mine !== round) return;
  if (status.status === 'fulfilled') {
    state.status = status.value.body;
    state.now = status.value.now;
    state.heard = performance.now();
    state.error = null;
  } else {
    state.error = status.reason;
  }
  if (report.status === 'fulfilled') {
    state.report = new Report(report.value.body);
    state.refused = null;
  } else {
    state.refused = report.reason;
    // Numbers of a service that has started anew and is not ready are no longer its numbers.
    if (report.reason.code === 'not_ready') state.report = null;
  }
  const first = !started;
  started = true;
  if (first) follow();
  else draw();
  if (!document.hidden) timer = setTimeout(refresh, EVERY);
}

// A page that nobody sees asks nothing.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});

/** The service's present, in milliseconds. */
const present = () => state.now + (performance.now() - state.heard);

// --- the view ------------------------------------------------------------------------------------

function period() {
  const asked = address.read().period;
  const names = state.report?.periods.map((one) => one.period) ?? [];
  if (names.includes(asked)) return asked;
  return names.includes(USUAL) ? USUAL : (names[0] ?? asked ?? USUAL);
}

function go(shown) {
  address.write(shown);
  follow();
}

/** Shows what the address says. */
function follow() {
  draw();
  const { explain } = address.read();
  if (explain && heard()) explanation.open(meant(explain), document.activeElement);
  else if (!explain) explanation.close();
}

/** Whether it is known what there is to explain. */
const heard = () => state.report !== null || state.refused !== null;

/** The period in the address is that of the page, too: not every number has one. */
function meant({ metric, labels }) {
  const { period: asked, ...others } = labels;
  const name = metric.startsWith('tenure_') ? metric : `tenure_${metric}`;
  const takes = state.report?.labels(name).includes('period') ?? true;
  return { metric, labels: takes && asked ? { period: asked, ...others } : others };
}

function closed() {
  address.write({ ...address.read(), period: period(), explain: null }, true);
  draw();
}

function explain(metric, labels, opener) {
  address.write({ ...address.read(), period: period(), explain: { metric, labels } });
  explanation.open({ metric, labels }, opener);
}

function draw() {
  header();
  notices();
  const { report, status } = state;
  set(document.documentElement, { 'data-report-at': report?.atText ?? null, 'data-reachable': String(state.error === null) });
  if (status) health.draw(status, present());
  const view = viewed();
  tiles(places.tiles, view);
  if (!report) return;
  periods(report, view.period);
  tables.draw(view);
  trend.draw(view);
}

function viewed() {
  const { report, status } = state;
  const chosen = period();
  const metric = address.read().metric;
  const view = {
    report,
    missing: new Missing(status),
    period: chosen,
    currencies: report?.currencies(chosen) ?? [],
    zone: status?.time_zone ?? 'UTC',
    metric: known(metric) ? metric : DEFAULT_METRIC,
    before: null,
    explain,
  };
  view.before = report ? earlier(view) : null;
  view.line = (tile, labels) => history(tile.metric, labels, view, draw).points;
  return view;
}

/** The report that has the window before. */
function earlier({ report, period }) {
  const query = () => ({ at: (state.report ?? report).period(period)?.compared_with ?? report.atText });
  const answer = service.past(`before ${period} ${report.definition}`, 'report', query, draw);
  if (!answer.body) return null;
  if (answer.of !== answer.body) Object.assign(answer, { of: answer.body, report: new Report(answer.body) });
  return answer.report;
}

function header() {
  const { status, report, error } = state;
  if (status) {
    say(places.version, status.version);
    say(places.identity, `Revision ${status.revision} · settings ${status.definition_hash}`);
  }
  const [mood, text] = mooded(status, error);
  set(places.state, { class: `state ${mood}` });
  say(places.stateText, text);
  show(places.instant, report !== null);
  if (!report) return;
  const zone = status?.time_zone ?? 'UTC';
  say(places.at, zone === 'UTC'
    ? `${instant(report.at, 'UTC')} UTC`
    : `${instant(report.at, zone)} ${zone} (${instant(report.at, 'UTC', { timeStyle: 'medium' })} UTC)`);
  set(places.at, { datetime: report.atText, title: 'T: exactly the events before this instant are in the numbers' });
  aged();
}

/** The age goes on between two answers. */
function aged() {
  if (state.report && state.now) say(places.age, `${duration((present() - state.report.at) / 1000)} ago`);
}
setInterval(aged, 1000);

function mooded(status, error) {
  if (error) return ['bad', error.status ? 'Refused' : 'Not reached'];
  if (!status) return ['waiting', 'Connecting'];
  if (!status.alive) return ['bad', 'Failed'];
  if (status.ready) return ['good', 'Ready'];
  const done = progress(status.partitions);
  return ['waiting', done === null ? 'Not ready' : `Not ready, ${percent(done)} read`];
}

/** How much of what there is has been read, over all partitions. */
function progress(partitions) {
  const known = partitions.map((one) => one.percent).filter((one) => one !== null);
  if (known.length === 0 || known.length < partitions.length) return null;
  return known.reduce((sum, one) => sum + one, 0) / known.length / 100;
}

/** What a reader has to know before any number. */
function notices() {
  const { status, error, refused, report } = state;
  const all = [];
  if (error) {
    const last = report ? ` The numbers are those of ${instant(report.at, status?.time_zone)}.` : '';
    all.push({ key: 'unreached', mood: 'bad', title: capital(error.message), lines: [`Trying again every ${EVERY / 1000} seconds.${last}`] });
  } else if (refused && refused.code !== 'not_ready') {
    all.push({ key: 'refused', mood: 'bad', title: 'The report is not to be had', lines: [`${capital(refused.message)}.`] });
  }
  if (!error && status && !status.alive) {
    all.push({ key: 'failed', mood: 'bad', title: 'A thread of the pipeline has ended', lines: ['The process must be restarted; its log says why.'] });
  }
  if (!error && status && !status.ready) {
    const lines = status.waiting_for.map((one) => one.sentence);
    all.push({ key: 'waiting', mood: 'held', title: 'Not ready yet', lines: shortened(lines) });
  }
  for (const held of error ? [] : (status?.withheld ?? [])) {
    all.push({
      key: `held ${held.reason}`,
      mood: 'held',
      title: `${held.measures.length === 1 ? '1 measure is' : `${count(held.measures.length)} measures are`} withheld${PARTLY.has(held.reason) ? ' for some periods or cohorts' : ''}`,
      lines: [`${capital(held.meaning)}.`, `What to do: ${held.way_out}.`],
      names: held.measures,
      code: held.reason,
    });
  }
  keyed(places.notices, all, (one) => one.key, () => notice(), fillNotice);
}

/** Reasons that are about how far back a number looks. */
const PARTLY = new Set(['base_incomplete', 'history_too_short']);

const capital = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

/** A list of partitions can be long. */
function shortened(lines) {
  const most = 6;
  return lines.length > most ? [...lines.slice(0, most), `And ${count(lines.length - most)} more.`] : lines;
}

function notice() {
  const made = element('section', { class: 'notice' });
  made.heading = element('strong');
  made.code = element('code');
  made.lines = element('div', { class: 'lines' });
  made.names = element('p', { class: 'soft' });
  made.summary = element('summary');
  made.details = element('details', {}, made.summary, made.names);
  made.append(element('p', {}, made.heading, ' ', made.code), made.lines, made.details);
  return made;
}

function fillNotice(made, one) {
  set(made, { class: `notice ${one.mood}`, 'data-notice': one.key });
  say(made.heading, one.title);
  say(made.code, one.code ?? '');
  show(made.code, Boolean(one.code));
  keyed(made.lines, one.lines.map((text, place) => ({ text, place })), (line) => String(line.place), () => element('p'), (line, { text }) => say(line, text));
  show(made.details, Boolean(one.names));
  say(made.summary, 'Which ones');
  say(made.names, one.names?.join(', ') ?? '');
}

// --- choices -------------------------------------------------------------------------------------

function periods(report, chosen) {
  show(places.periods, true);
  const items = report.periods.map((one) => one.period);
  const existing = [...places.periods.querySelectorAll('input')].map((input) => input.value);
  if (existing.join() !== items.join()) {
    for (const label of places.periods.querySelectorAll('label')) label.remove();
    places.periods.append(...items.map(radio));
  }
  for (const input of places.periods.querySelectorAll('input')) {
    const checked = input.value === chosen;
    if (input.checked !== checked) input.checked = checked;
  }
  const { start, end } = report.period(chosen);
  const zone = state.status?.time_zone ?? 'UTC';
  const day = (text) => instant(Date.parse(text), zone, { dateStyle: 'medium', timeStyle: 'short' });
  say(places.bounds, `${capital(periodName(chosen))}: from ${day(start)} to ${day(end)}, ${zone}`);
}

function radio(name) {
  const input = element('input', { type: 'radio', name: 'period', value: name });
  input.addEventListener('change', () => go({ ...address.read(), period: name, explain: null }));
  return element('label', {}, input, element('span', {}, name.replaceAll('_', ' ')));
}

const THEMES = ['auto', 'light', 'dark'];

function theme() {
  const chosen = document.documentElement.dataset.theme ?? 'auto';
  say(places.themeName, chosen);
  const dark = chosen === 'dark' || (chosen === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.shade = dark ? 'dark' : 'light';
  trend.recolour();
}

places.theme.addEventListener('click', () => {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? 'auto') + 1) % THEMES.length];
  if (next === 'auto') delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    if (next === 'auto') localStorage.removeItem('tenure.theme');
    else localStorage.setItem('tenure.theme', next);
  } catch {
    // Storage can be forbidden; then the choice lasts as long as the page.
  }
  theme();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', theme);

theme();
address.watch(follow);
draw();
refresh();
