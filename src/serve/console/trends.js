// The past of numbers: what is asked for, and the large chart.

import uPlot from './uplot/uPlot.esm.js';

import { element, say, set, show } from './dom.js';
import { instant, kindOf, money, periodName } from './format.js';
import { past } from './service.js';

const HOUR = 3600;
const DAY = 24 * HOUR;
const UNITS = { m: 60, h: HOUR, d: DAY, w: 7 * DAY };
const STEPS = [60, 300, 900, 1800, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY];
const POINTS = 84;

/** Of calendar periods: seconds between two points, how many, and how long a period can be. */
const CALENDAR = {
  today: [2 * HOUR, 84, DAY],
  yesterday: [DAY, 60, 2 * DAY],
  this_week: [12 * HOUR, 84, 7 * DAY],
  last_week: [7 * DAY, 52, 14 * DAY],
  this_month: [DAY, 92, 31 * DAY],
  last_month: [7 * DAY, 60, 62 * DAY],
  this_quarter: [2 * DAY, 92, 92 * DAY],
  last_quarter: [7 * DAY, 104, 184 * DAY],
  this_year: [7 * DAY, 104, 366 * DAY],
  last_year: [28 * DAY, 40, 732 * DAY],
};

function grid(period) {
  if (CALENDAR[period]) return CALENDAR[period];
  const [, number, unit] = /^(\d+)([mhdw])$/.exec(period) ?? [null, 30, 'd'];
  const length = Number(number) * UNITS[unit];
  const step = STEPS.findLast((candidate) => candidate <= length / 12) ?? STEPS[0];
  return [step, POINTS, length];
}

/** What was is asked for again after so long: late events and a new instant are all that change it. */
const FRESH = 300_000;

/**
 * The past of one number: { points, withheld, error }; points are seconds and values, null while unknown.
 *
 * The instants are multiples of the step, so that those of one number are those of another; the last
 * point is the report's own.
 */
export function history(metric, labels, { report, period }, changed) {
  const query = () => {
    const [step, points, length] = grid(period);
    const end = Math.floor(report.at / 1000 / step) * step;
    // Before that, something would have to be known that is no longer kept.
    const kept = report.historyStart === null ? 0 : report.historyStart / 1000 + 2 * length;
    const earliest = Math.ceil(kept / step) * step;
    const start = Math.max(end - points * step, Math.min(earliest, end));
    return { metric, ...labels, start, end, step: `${step}s` };
  };
  const name = ['series', metric, period, ...Object.values(labels), report.definition].join(' ');
  const known = past(name, 'series', query, changed, FRESH);
  const value = report.value(metric, labels);
  const now = value === null ? [] : [[report.at / 1000, value]];
  return {
    points: known.body && [...(known.body.series[0]?.points ?? []), ...now],
    withheld: known.body?.withheld ?? [],
    error: known.error,
  };
}

/** What the chart can show. */
const METRICS = [
  ['tenure_retention_ratio', 'Retention'],
  ['tenure_churn_ratio', 'Churn'],
  ['tenure_nps_score', 'NPS, with its bounds'],
  ['tenure_csat_ratio', 'CSAT, with its bounds'],
  ['tenure_ces_mean_score', 'CES, mean'],
  ['tenure_customers', 'Customers'],
  ['tenure_joined_customers', 'Joined customers'],
  ['tenure_departure_ratio', 'Departures, share'],
  ['tenure_revenue', 'Revenue'],
  ['tenure_orders_per_customer', 'Orders by customer'],
  ['tenure_repeat_purchase_ratio', 'Repeat purchases, share'],
  ['tenure_reorder_ratio', 'Reorder ratio'],
];
const BOUNDED = ['tenure_nps_score', 'tenure_csat_ratio'];

export const DEFAULT_METRIC = 'tenure_nps_score';
export const known = (metric) => METRICS.some(([name]) => name === metric);

/** The large chart of one metric. */
export class Trend {
  constructor(section, chosen) {
    const find = (name) => section.querySelector(`#trend-${name}`);
    this.section = section;
    this.parts = { title: find('title'), help: find('help'), chart: find('chart'), summary: find('summary'), metric: find('metric') };
    this.parts.metric.append(...METRICS.map(([value, text]) => element('option', { value }, text)));
    this.parts.metric.addEventListener('change', () => chosen(this.parts.metric.value));
    this.seen = false;
    new IntersectionObserver(([entry]) => {
      this.seen = entry.isIntersecting;
      if (this.seen && this.view) this.draw(this.view);
    }).observe(section);
    new ResizeObserver(() => this.resize()).observe(this.parts.chart);
    matchMedia('print').addEventListener('change', () => this.recolour());
  }

  draw(view) {
    this.view = view;
    const { report, period, metric } = view;
    const name = METRICS.find(([known]) => known === metric)?.[1] ?? metric;
    show(this.section, true);
    if (this.parts.metric.value !== metric) this.parts.metric.value = metric;
    const currency = metric === 'tenure_revenue' ? view.currencies[0] : null;
    say(this.parts.title, `Trend of ${name}${currency ? ` in ${currency}` : ''}`);
    say(this.parts.help, meaning(metric, period) + report.help(metric));
    if (!this.seen) return;
    const labels = metric === 'tenure_customers' ? {} : { period, ...(currency ? { currency } : {}) };
    const ask = (which) => history(which, labels, view, () => this.draw(this.view));
    const lines = [ask(metric)];
    if (BOUNDED.includes(metric)) lines.push(ask(`${metric}_lower`), ask(`${metric}_upper`));
    this.plot(lines, currency ? (value) => money(value, currency) : kindOf(metric).show, metric);
  }

  plot(lines, text, metric) {
    const [main] = lines;
    const scale = [metric, this.view.period, lines.length].join(' ');
    const error = main.error && !main.points ? main.error.message : null;
    if (!main.points?.length || lines.some((line) => !line.points)) {
      this.clear();
      say(this.parts.summary, error ?? (main.points?.length === 0 ? empty(main) : 'The past is being evaluated.'));
      return;
    }
    const data = aligned(lines.map((line) => line.points));
    const same = JSON.stringify([scale, data]);
    if (same === this.plotted) return;
    this.plotted = same;
    if (this.chart && this.scale === scale) {
      this.chart.setData(data);
    } else {
      this.clear();
      Object.assign(this, { scale, plotted: same });
      this.chart = new uPlot(options(this.size(), lines.length > 1, text, this.view.zone, metric), data, this.parts.chart);
    }
    say(this.parts.summary, summary(main.points, text, this.view.zone));
    set(this.parts.chart, { 'data-points': data[0].length });
  }

  clear() {
    this.chart?.destroy();
    this.chart = null;
    this.plotted = null;
    set(this.parts.chart, { 'data-points': null });
  }

  /** Draws anew, in the colours of now. */
  recolour() {
    this.clear();
    if (this.view) this.draw(this.view);
  }

  size() {
    return { width: Math.max(200, this.parts.chart.clientWidth), height: 240 };
  }

  resize() {
    const size = this.size();
    if (this.chart && this.chart.width !== size.width) this.chart.setSize(size);
  }
}

function meaning(metric, period) {
  if (metric === 'tenure_customers') return '';
  return /^\d/.test(period) ? `Each point is of the ${periodName(period)} up to it. ` : `Each point is of the period “${periodName(period)}” as of then. `;
}

function empty(line) {
  const [first] = line.withheld;
  return first ? `Withheld at every instant: ${first.reason}.` : 'There is no number at any of the instants.';
}

/** The instants of the first line, and the values of each line at them. */
function aligned(lines) {
  const instants = lines[0].map(([at]) => at);
  return [instants, ...lines.map((points) => {
    const values = new Map(points);
    return instants.map((at) => values.get(at) ?? null);
  })];
}

function summary(points, text, zone) {
  const day = (at) => instant(at * 1000, zone, { dateStyle: 'medium' });
  const values = points.map(([, value]) => value);
  const [from, to] = [points[0], points.at(-1)];
  return `${points.length} points from ${day(from[0])}, ${text(from[1])}, to ${day(to[0])}, ${text(to[1])}; `
    + `lowest ${text(Math.min(...values))}, highest ${text(Math.max(...values))}.`;
}

function options(size, bounded, text, zone, metric) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const line = { stroke: colour('accent'), width: 2, points: { show: false }, spanGaps: false };
  const edge = { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: false };
  const readable = (_, value) => (value === null || value === undefined ? '–' : text(value));
  const axis = { stroke: colour('soft'), font: '12px system-ui, sans-serif', grid: { stroke: colour('line'), width: 1 }, ticks: { show: false } };
  const day = { timeZone: zone };
  return {
    ...size,
    tzDate: zoned(zone),
    hooks: { ready: [restful], setData: [restful], setCursor: [(chart) => chart.cursor.idx === null && restful(chart)] },
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    scales: { y: { range: (_, low, high) => room(low, high, metric) } },
    axes: [
      { ...axis, space: 70, values: (_, splits, place, space, step) => dated(splits, step, zone) },
      { ...axis, size: (_, values) => 18 + 7.2 * Math.max(4, ...(values ?? []).map((value) => value.length)), values: (_, splits) => splits.map((value) => (value === null ? '' : text(value))) },
    ],
    series: [
      { label: 'At', value: (_, at) => (at ? instant(at * 1000, day.timeZone, { dateStyle: 'medium', timeStyle: 'short' }) : '–') },
      { ...line, label: 'Value', value: readable },
      ...(bounded ? [
        { ...edge, label: 'Lower bound', value: readable },
        { ...edge, label: 'Upper bound', value: readable },
      ] : []),
    ],
    bands: bounded ? [{ series: [3, 2], fill: colour('band') }] : [],
  };
}

/** The labels of instants: days, or times with a day where it changes. */
function dated(splits, step, zone) {
  const day = (at) => instant(at * 1000, zone, { month: 'short', day: 'numeric' });
  if (step >= DAY) return splits.map(day);
  return splits.map((at, place) => {
    const time = instant(at * 1000, zone, { hour: 'numeric', minute: '2-digit' });
    return place === 0 || day(splits[place - 1]) !== day(at) ? `${time}\n${day(at)}` : time;
  });
}

/** Where nobody points, the legend tells of the last point. */
function restful(chart) {
  chart.setLegend({ idx: chart.data[0].length - 1 });
}

const zoned = (zone) => (at) => {
  try {
    return uPlot.tzDate(new Date(at * 1000), zone);
  } catch {
    return new Date(at * 1000);
  }
};

/** Some air around the line, within what the number can be. */
function room(low, high, metric) {
  if (low === null || high === null) return [0, 1];
  const ratio = metric.endsWith('_ratio');
  const air = Math.max((high - low) * 0.1, ratio ? 0.005 : Math.abs(high) * 0.005 || 1);
  const floor = ratio || !metric.includes('nps') ? 0 : -100;
  const ceiling = ratio ? 1 : metric.includes('nps') ? 100 : Infinity;
  return [Math.max(floor, low - air), Math.min(ceiling, high + air)];
}

