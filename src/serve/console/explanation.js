// The dialog that says where one number comes from. All its words are the service's.

import { element, say } from './dom.js';
import { kindOf, money, percent, plain, withoutFraction } from './format.js';
import { explanation } from './service.js';

export class Explanation {
  constructor(dialog, closed) {
    this.dialog = dialog;
    this.title = dialog.querySelector('#explanation-title');
    this.body = dialog.querySelector('#explanation-body');
    this.opener = null;
    this.shown = null;
    dialog.querySelector('#explanation-close').addEventListener('click', () => dialog.close());
    // A click beside the dialog closes it, as people expect.
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener('close', () => {
      this.asking?.abort();
      this.shown = null;
      if (this.opener?.isConnected) this.opener.focus();
      this.opener = null;
      closed();
    });
  }

  /** Opens it for a number; `opener` has the focus again afterwards. */
  open(number, opener) {
    const name = JSON.stringify(number);
    if (this.shown === name) return;
    this.shown = name;
    this.opener = opener ?? this.opener;
    this.asking?.abort();
    this.asking = new AbortController();
    say(this.title, named(number.metric, Object.entries(number.labels)));
    this.body.replaceChildren(element('p', { class: 'soft', role: 'status' }, 'Looking it up. The window before is evaluated for it.'));
    this.body.setAttribute('aria-busy', 'true');
    if (!this.dialog.open) this.dialog.showModal();
    this.fill(number, this.asking.signal);
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  async fill(number, signal) {
    let parts;
    try {
      const told = await explanation(number, signal);
      say(this.title, named(told.metric, told.labels));
      parts = content(told);
    } catch (error) {
      if (signal.aborted) return;
      parts = [element('p', { class: 'notice bad', role: 'alert' }, sentence(error.message))];
    }
    if (signal.aborted) return;
    this.body.removeAttribute('aria-busy');
    this.body.replaceChildren(...parts.filter(Boolean));
    this.dialog.scrollTop = 0;
  }
}

function named(metric, labels) {
  const values = labels.map(([name, value]) => `${name} ${value}`).join(', ');
  return values ? `${metric} · ${values}` : metric;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

/** How the values of this number are shown. */
function shower(told) {
  const currency = told.labels.find(([name]) => name === 'currency')?.[1];
  const kind = kindOf(told.metric);
  if (currency && !/orders$|ratio/.test(told.metric)) return { show: (value) => money(value, currency), change: kind.change };
  return kind;
}

function content(told) {
  const kind = shower(told);
  return [
    outcome(told.now.outcome, kind),
    element('p', {}, told.definition || told.help),
    told.formula ? element('p', { class: 'formula' }, element('code', {}, told.formula)) : null,
    comparison(told, kind),
    ...told.breakdowns.map((breakdown) => moved(breakdown, kind)),
    ...told.notes.map((note) => element('p', { class: 'soft' }, sentence(note))),
    windows(told),
    settings(told),
  ];
}

function outcome(outcome, kind) {
  if (outcome.state === 'published') {
    return element(
      'p',
      { class: 'answer', 'data-state': 'published' },
      element('strong', {}, kind.show(outcome.value)),
      element('span', { class: 'soft' }, parts(outcome.parts)),
    );
  }
  if (outcome.state === 'absent') {
    return element('p', { class: 'notice', 'data-state': 'absent' }, element('strong', {}, 'No value. '), sentence(outcome.why));
  }
  const reasons = outcome.reasons.map((reason) => element(
    'div',
    {},
    element('p', {}, element('strong', {}, 'Withheld. '), sentence(reason.meaning), ' ', element('code', {}, reason.reason)),
    element('p', {}, element('strong', {}, 'What to do. '), sentence(reason.way_out)),
  ));
  return element('div', { class: 'notice held', 'data-state': 'withheld' }, ...reasons);
}

function parts(all) {
  if (all.length === 0) return '';
  const each = all.map(({ name, value }) => `${plain(value)} ${name}`);
  return all.length === 2 ? ` = ${each.join(' / ')}` : ` from ${each.join(', ')}`;
}

function table(heads, rows, caption) {
  const cell = (text, place) => (place === 0
    ? element('th', { scope: 'row', class: 'text' }, text)
    : element('td', { class: 'number' }, text));
  return element(
    'div',
    { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': caption },
    element(
      'table',
      { class: 'plain' },
      element('caption', { class: 'unseen' }, caption),
      element('thead', {}, element('tr', {}, ...heads.map((head, place) => element('th', { scope: 'col', class: place ? 'number' : 'text' }, head)))),
      element('tbody', {}, ...rows.map((row) => element('tr', {}, ...row.map(cell)))),
    ),
  );
}

function comparison(told, kind) {
  const title = element('h3', {}, 'Against the window before');
  if (told.before.unknown) return element('section', {}, title, element('p', {}, `Not known: ${sentence(told.before.unknown.why)}`));
  const before = told.before.known;
  if (before.outcome.state === 'absent') return element('section', {}, title, element('p', {}, `No value then: ${sentence(before.outcome.why)}`));
  if (before.outcome.state === 'withheld') {
    const reasons = before.outcome.reasons.map((reason) => element('p', {}, `Withheld then: ${sentence(reason.meaning)}`));
    return element('section', {}, title, ...reasons);
  }
  const now = told.now.outcome.state === 'published' ? told.now.outcome : null;
  const rows = [['value', kind.show(before.outcome.value), now ? kind.show(now.value) : '–', told.change === null ? '–' : kind.change(told.change)]];
  before.outcome.parts.forEach(({ name, value }, place) => {
    const later = now?.parts[place]?.value;
    rows.push([name, plain(value), later === undefined ? '–' : plain(later), later === undefined ? '–' : signed(later - value)]);
  });
  return element('section', {}, title, table(['figure', 'before', 'now', 'change'], rows, 'Before and now'));
}

const signed = (value) => `${value > 0 ? '+' : ''}${plain(value)}`;

function moved(breakdown, kind) {
  const rates = breakdown.kind === 'rates';
  const show = (value) => (value === null ? '–' : kind.show(value));
  const rows = breakdown.movers.map((mover) => [
    mover.slice.join(', '),
    show(mover.before),
    show(mover.now),
    ...(rates ? [mover.weight_now === null ? '–' : percent(mover.weight_now)] : []),
    kind.change(mover.effect),
  ]);
  if (breakdown.others) rows.push([`${plain(breakdown.others.slices)} others`, '', '', ...(rates ? [''] : []), kind.change(breakdown.others.effect)]);
  const heads = [breakdown.by, 'before', 'now', ...(rates ? ['weight'] : []), 'effect'];
  const title = `What moved it, by ${breakdown.by}`;
  return element('section', {}, element('h3', {}, title), table(heads, rows, title));
}

function windows(told) {
  const rows = [['now', told.now], ['before', told.before.known]]
    .filter(([, one]) => one?.period)
    .map(([name, { period }]) => [name, withoutFraction(period.start.local), withoutFraction(period.end.local)]);
  if (rows.length === 0) return element('p', { class: 'soft' }, `As of ${withoutFraction(told.now.at.local)} (${told.time_zone}).`);
  const title = `Period, in ${told.time_zone}`;
  return element('section', {}, element('h3', {}, title), table(['window', 'from', 'to'], rows, title));
}

function settings(told) {
  if (told.settings.length === 0) return null;
  const rows = told.settings.map(({ key, value, origin }) => [key, value, origin]);
  const title = 'Settings that decide it';
  return element('details', {}, element('summary', {}, title), table(['setting', 'value', 'from'], rows, title));
}
