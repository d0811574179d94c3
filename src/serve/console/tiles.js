// The tiles: the headline numbers of the period, each with what it means, how it moved against the
// window before, and its past as a line.

import { drawn, element, keyed, say, set, show } from './dom.js';
import { KINDS, count, money, periodName, score, percent } from './format.js';

/** `better` says which way is good; a change without it is neither. */
export const TILES = [
  { name: 'Retention', metric: 'tenure_retention_ratio', meaning: 'of the start stayed on', better: 1 },
  { name: 'Churn', metric: 'tenure_churn_ratio', meaning: 'of the start are gone', better: -1 },
  { name: 'NPS', metric: 'tenure_nps_score', meaning: 'promoters minus detractors', better: 1, bounds: true },
  { name: 'CSAT', metric: 'tenure_csat_ratio', meaning: 'of the ratings are 4 or 5', better: 1, bounds: true },
  { name: 'CES', metric: 'tenure_ces_mean_score', meaning: 'mean effort', survey: 'ces' },
  { name: 'Customers', metric: 'tenure_customers', meaning: 'are active at this moment', timeless: true, better: 1 },
  { name: 'Revenue', metric: 'tenure_revenue', meaning: 'ordered, refunds not deducted', currency: true, better: 1 },
  { name: 'Reorder ratio', metric: 'tenure_reorder_ratio', meaning: 'of earlier buyers ordered again', better: 1 },
];

/** The labels of the number on a tile; null where there is none to point at. */
function labelsOf(tile, { period, currencies }) {
  if (tile.timeless) return {};
  if (!tile.currency) return { period };
  return currencies.length ? { period, currency: currencies[0] } : null;
}

export function kindOfTile(tile) {
  if (tile.metric.endsWith('_ratio')) return KINDS.percent;
  if (tile.metric.endsWith('nps_score')) return KINDS.score;
  if (tile.metric.endsWith('mean_score')) return KINDS.mean;
  return tile.currency ? KINDS.money : KINDS.count;
}

/**
 * Draws all tiles. `view` has the report, the period, its currencies, `before` (a report or null),
 * `line(tile, labels)` for the past of a number, and `explain`.
 */
export function tiles(list, view) {
  const make = (tile) => blank(tile, view.explain);
  keyed(list, TILES, (tile) => tile.metric, make, (item, tile) => fill(item, tile, view));
}

function blank(tile, explain) {
  const parts = {
    value: element('span', { class: 'value' }),
    bounds: element('span', { class: 'range' }),
    meaning: element('span', { class: 'meaning' }),
    change: element('span', { class: 'change' }),
    more: element('span', { class: 'more' }),
    line: drawn('svg', { class: 'line', viewBox: '0 0 100 28', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' }),
  };
  parts.area = drawn('path', { class: 'area' });
  parts.stroke = drawn('path', { class: 'stroke' });
  parts.line.append(parts.area, parts.stroke);
  const button = element(
    'button',
    { type: 'button', class: 'tile', 'data-metric': tile.metric, 'aria-haspopup': 'dialog' },
    element('span', { class: 'name' }, tile.name),
    element('span', { class: 'row' }, parts.value, parts.bounds),
    parts.meaning,
    parts.more,
    parts.change,
    parts.line,
  );
  const item = element('li', {}, button);
  Object.assign(item, { parts, button });
  button.addEventListener('click', () => explain(tile.metric, item.labels ?? {}, button));
  return item;
}

function fill(item, tile, view) {
  const { report, period } = view;
  const { parts, button } = item;
  const labels = labelsOf(tile, view);
  item.labels = labels ?? { period };
  const value = report && labels ? report.value(tile.metric, labels) : null;
  const state = value === null ? gap(tile, view) : 'published';
  set(button, { 'data-state': state, 'data-value': value, 'data-labels': JSON.stringify(item.labels) });
  say(parts.value, value === null ? WORDS[state] : shown(tile, value, labels));
  say(parts.bounds, value === null ? '' : range(tile, view));
  say(parts.meaning, value === null ? why(tile, state, view) : meaning(tile, view));
  say(parts.more, others(tile, view));
  change(parts.change, tile, value, labels, view);
  draw(item, value !== null && labels ? view.line(tile, labels) : null);
}

/** What stands where a number would. */
const WORDS = { withheld: 'withheld', absent: '–', waiting: '…' };

function gap(tile, { report, missing, period }) {
  if (!report) return 'waiting';
  const known = missing.of(tile.metric, tile.timeless ? null : period);
  if (known) return known.state;
  return report.withheld.has(tile.metric) ? 'withheld' : 'absent';
}

function why(tile, state, { missing, period }) {
  const known = missing.of(tile.metric, tile.timeless ? null : period);
  if (known?.state === 'absent') return `${known.why}`;
  if (known?.state === 'withheld') return known.reasons.map((reason) => reason.meaning).join('; ');
  if (state === 'waiting') return 'comes with the first report';
  return state === 'withheld' ? 'open it to see why' : 'nothing of this kind in the period';
}

function shown(tile, value, labels) {
  if (tile.currency) return money(value, labels.currency);
  return kindOfTile(tile).show(value);
}

function range(tile, { report, period }) {
  if (!tile.bounds) return '';
  const lower = report.value(`${tile.metric}_lower`, { period });
  const upper = report.value(`${tile.metric}_upper`, { period });
  if (lower === null || upper === null) return '';
  const show = tile.metric.endsWith('_ratio') ? percent : score;
  return `${show(lower)} to ${show(upper)}`;
}

function meaning(tile, { report }) {
  if (!tile.survey) return tile.meaning;
  const scale = scaleOf(report, tile.survey);
  return scale ? `${tile.meaning}, ${scale.min} to ${scale.max}, ${scale.better} is good` : tile.meaning;
}

function scaleOf(report, survey) {
  return report.series('tenure_survey_scale_info', { survey })[0]?.labels ?? null;
}

/** The further currencies of the revenue. */
function others(tile, { report, period, currencies }) {
  if (!tile.currency || currencies.length < 2) return '';
  const amount = (currency) => money(report.value(tile.metric, { period, currency }) ?? 0, currency);
  const named = currencies.slice(1, 3).map(amount).join(' · ');
  const rest = currencies.length - 3;
  return rest > 0 ? `${named} · ${count(rest)} more` : named;
}

function change(target, tile, value, labels, { report, before, period }) {
  const earlier = value === null || !before ? null : before.value(tile.metric, labels);
  if (earlier === null) {
    say(target, '');
    set(target, { 'data-way': null });
    return;
  }
  const moved = amount(tile, value - earlier, earlier);
  // What is too little to be shown is no change.
  const sign = /[1-9]/.test(moved) ? Math.sign(value - earlier) : 0;
  const way = direction(tile, report) * sign;
  say(target, `${['▼', '■', '▲'][sign + 1]} ${moved} vs ${versus(tile, period)}`);
  set(target, { 'data-way': way > 0 ? 'good' : way < 0 ? 'bad' : null });
}

const UNITS = { day: 'day', today: 'day', yesterday: 'day', week: 'week', month: 'month', quarter: 'quarter', year: 'year' };

/** What a number is compared with, by the period. */
function versus(tile, period) {
  if (/^\d/.test(period)) {
    const length = periodName(period).replace('last ', '');
    return tile.timeless ? `${length} ago` : `the ${length} before`;
  }
  const unit = UNITS[period.replace(/^(this|last)_/, '')];
  if (/^(today|this_)/.test(period)) return `this far into the ${unit} before`;
  return tile.timeless ? `the start of that ${unit}` : `the ${unit} before`;
}

function amount(tile, moved, earlier) {
  const kind = kindOfTile(tile);
  const relative = kind === KINDS.count || kind === KINDS.money;
  if (!relative || !earlier) return kind.change(moved);
  const share = moved / Math.abs(earlier);
  return `${share > 0 ? '+' : ''}${percent(share)}`;
}

function direction(tile, report) {
  if (!tile.survey) return tile.better ?? 0;
  return { high: 1, low: -1 }[scaleOf(report, tile.survey)?.better] ?? 0;
}

/** The past as a line: points of seconds and values. */
function draw(item, points) {
  const { line, area, stroke } = item.parts;
  show(line, true);
  const drawnAs = points && points.length > 1 ? path(points) : null;
  set(line, { 'data-empty': drawnAs === null });
  set(stroke, { d: drawnAs?.stroke ?? null });
  set(area, { d: drawnAs?.area ?? null });
}

function path(points) {
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (at) => ((at - first) / (last - first || 1)) * 100;
  const y = (value) => (high > low ? 25 - ((value - low) / (high - low)) * 22 : 14);
  const steps = points.map(([at, value]) => `${x(at).toFixed(2)} ${y(value).toFixed(2)}`);
  const stroke = `M${steps.join('L')}`;
  return { stroke, area: `${stroke}V28H0Z` };
}
