// The tables: cohorts as a heat map, and the numbers of the period by segment, NPS group, reason,
// channel and currency. Every number in them can be asked about.
//
// A table is one stop of the Tab key: arrow keys go from number to number, Enter asks.

import { element, keyed, say, set, show } from './dom.js';
import { count, money, percent, score, mean } from './format.js';

/** So many rows are shown before "Show all" is asked for. */
const FIRST = 12;
const OTHER = 'other';

/**
 * A cell: a number with what it is about, or a text.
 * `{ metric, labels, show }` is a number of the report; `{ text }` is none.
 */
class Table {
  constructor({ name, title, note, columns, rows, corner, wide }) {
    Object.assign(this, { name, columns, rows });
    this.sort = null;
    this.all = false;
    this.body = element('tbody');
    this.head = element('tr');
    this.note = element('p', { class: 'soft' }, note);
    this.empty = element('p', { class: 'soft empty', hidden: true });
    this.more = element('button', { type: 'button', class: 'quiet', hidden: true, on: { click: () => this.toggle() } });
    this.table = element('table', { class: corner ?? 'plain', 'aria-labelledby': `${name}-title` }, element('thead', {}, this.head), this.body);
    this.scroll = element('div', { class: 'scroll' }, this.table);
    this.section = element(
      'section',
      { class: `card${wide ? ' wide' : ''}`, 'aria-labelledby': `${name}-title`, id: name },
      element('div', { class: 'card-head' }, element('h2', { id: `${name}-title` }, title)),
      this.note, this.scroll, this.empty, this.more,
    );
    this.table.addEventListener('keydown', (event) => walk(event, this.table));
    this.table.addEventListener('focusin', (event) => stop(this.table, event.target));
  }

  toggle() {
    this.all = !this.all;
    this.draw(this.view);
  }

  draw(view) {
    this.view = view;
    const columns = this.columns(view);
    const rows = this.sorted(this.rows(view), columns);
    const some = this.all ? rows : rows.slice(0, FIRST);
    show(this.scroll, rows.length > 0);
    show(this.empty, rows.length === 0);
    say(this.empty, this.emptyText ? this.emptyText(view) : 'Nothing of this kind in the period.');
    show(this.more, rows.length > FIRST);
    say(this.more, this.all ? `Show the first ${FIRST}` : `Show all ${count(rows.length)}`);
    this.header(columns);
    keyed(this.body, some, (row) => row.key, () => element('tr'), (line, row) => this.row(line, row, columns, view));
    if (!this.table.querySelector('button[tabindex="0"]')) stop(this.table, this.table.querySelector('tbody button'));
  }

  header(columns) {
    keyed(this.head, columns, (column) => column.key, (column) => this.heading(column), (cell, column) => {
      say(cell.label, column.title);
      set(cell, { class: column.text ? 'text' : 'number', title: column.help ?? null });
      if (!column.sortable) return;
      const way = this.sort?.key === column.key ? this.sort.way : 0;
      set(cell, { 'aria-sort': way ? (way > 0 ? 'ascending' : 'descending') : null });
      say(cell.arrow, way > 0 ? '▲' : way < 0 ? '▼' : '');
    });
  }

  heading(column) {
    const label = element('span');
    const cell = element('th', { scope: 'col' });
    cell.label = label;
    cell.arrow = element('span', { class: 'arrow', 'aria-hidden': 'true' });
    cell.append(column.sortable
      ? element('button', { type: 'button', class: 'sort', on: { click: () => this.by(column) } }, label, cell.arrow)
      : label);
    return cell;
  }

  by({ key, text }) {
    const first = text ? 1 : -1;
    const same = this.sort?.key === key;
    this.sort = same && this.sort.way !== first ? null : { key, way: same ? -first : first };
    this.draw(this.view);
  }

  /** By the column that was chosen; what was too rare for a row of its own comes last. */
  sorted(rows, columns) {
    const chosen = columns.find((column) => column.key === this.sort?.key);
    const order = (a, b) => {
      if (a.last !== b.last) return a.last ? 1 : -1;
      if (!chosen) return 0;
      const [one, two] = [chosen.rank(a), chosen.rank(b)];
      if (one === null || two === null) return (one === null) - (two === null);
      return this.sort.way * (typeof one === 'string' ? one.localeCompare(two) : one - two);
    };
    return rows.toSorted(order);
  }

  row(line, row, columns, view) {
    const make = (column) => (column.head ? element('th', { scope: 'row', class: 'text' }) : element('td'));
    keyed(line, columns, (column) => column.key, make, (cell, column) => fill(cell, column.cell(row), column, row, view));
  }
}

function fill(cell, content, column, row, view) {
  if (content.text !== undefined) {
    cell.button = null;
    set(cell, { class: column.text || column.head ? 'text' : 'number', title: content.title ?? null });
    bar(cell, content);
    return;
  }
  const value = view.report.value(content.metric, content.labels);
  if (!cell.button) {
    cell.button = element('button', { type: 'button', class: 'ask', tabindex: '-1', 'aria-haspopup': 'dialog' });
    cell.button.addEventListener('click', () => cell.ask());
    cell.replaceChildren(cell.button);
  }
  cell.ask = () => view.explain(content.metric, content.labels, cell.button);
  const withheld = value === null && view.report.withheld.has(content.metric);
  set(cell, { class: `number ${content.class?.(value) ?? ''}`.trim() });
  say(cell.button, value === null ? (withheld ? 'withheld' : '–') : content.show(value));
  set(cell.button, {
    'data-state': value === null ? (withheld ? 'withheld' : 'absent') : null,
    'aria-label': value === null && !withheld ? `none, ${content.about ?? column.title}` : null,
  });
}

/** A text, with a bar behind it where it is a share. */
function bar(cell, { text, share }) {
  if (share === undefined) {
    say(cell, text);
    return;
  }
  if (!cell.bar) {
    cell.words = element('span');
    cell.bar = element('span', { class: 'bar', 'aria-hidden': 'true' });
    cell.replaceChildren(cell.words, cell.bar);
  }
  say(cell.words, text);
  cell.bar.style.setProperty('--share', share.toFixed(4));
}

/** Makes one number of a table the one that Tab goes to. */
function stop(table, target) {
  if (!target?.matches?.('button.ask')) return;
  for (const button of table.querySelectorAll('button.ask[tabindex="0"]')) set(button, { tabindex: '-1' });
  set(target, { tabindex: '0' });
}

/** Arrow keys, Home and End. */
function walk(event, table) {
  const from = event.target.closest('tbody td');
  if (!from || event.altKey || event.ctrlKey || event.metaKey) return;
  const line = from.parentElement;
  const asks = (row) => [...row.children].filter((cell) => cell.querySelector('button.ask'));
  const goes = {
    ArrowRight: () => asks(line)[asks(line).indexOf(from) + 1],
    ArrowLeft: () => asks(line)[asks(line).indexOf(from) - 1],
    ArrowDown: () => beside(line, 'nextElementSibling', from),
    ArrowUp: () => beside(line, 'previousElementSibling', from),
    Home: () => asks(line)[0],
    End: () => asks(line).at(-1),
  };
  const next = goes[event.key]?.();
  if (!goes[event.key]) return;
  event.preventDefault();
  next?.querySelector('button.ask').focus();
}

function beside(line, way, from) {
  const place = [...line.children].indexOf(from);
  for (let row = line[way]; row; row = row[way]) {
    if (row.children[place]?.querySelector('button.ask')) return row.children[place];
  }
  return null;
}

// --- what stands in them -------------------------------------------------------------------------

const text = (key, title, of) => ({
  key, title, text: true, head: true, sortable: true, cell: (row) => ({ text: of(row) }), rank: of,
});

/** A column of numbers of one metric; `labels` of a row are those that the metric has beside. */
function numbers(view, title, metric, show, { more = {}, key = metric } = {}) {
  const labels = (row) => ({ period: view.period, ...row.labels, ...more });
  return {
    key,
    title,
    help: view.report.help(metric),
    sortable: true,
    cell: (row) => ({ metric, labels: labels(row), show }),
    rank: (row) => view.report.value(metric, labels(row)),
  };
}

const segments = {
  name: 'segments',
  title: 'Segments',
  note: 'Retained and lost by the segment at the start of the period, all else by the one at its end.',
  wide: true,
  columns: (view) => [
    ...view.report.dimensions.map((name) => text(name, name, (row) => row.labels[name])),
    numbers(view, 'Retained', 'tenure_segment_customers', count, { more: { status: 'retained' }, key: 'retained' }),
    numbers(view, 'Lost', 'tenure_segment_customers', count, { more: { status: 'lost' }, key: 'lost' }),
    numbers(view, 'New', 'tenure_segment_customers', count, { more: { status: 'new' }, key: 'new' }),
    numbers(view, 'Retention', 'tenure_segment_retention_ratio', percent),
    numbers(view, 'NPS', 'tenure_segment_nps_score', score),
    moneyColumn(view, 'Revenue', 'tenure_segment_revenue'),
  ],
  rows: (view) => {
    const { report, period } = view;
    const names = report.dimensions;
    const rows = new Map();
    for (const metric of ['tenure_segment_customers', 'tenure_segment_nps_customers', 'tenure_segment_orders']) {
      for (const { labels, value } of report.series(metric, { period })) {
        const own = Object.fromEntries(names.map((name) => [name, labels[name]]));
        const key = JSON.stringify(Object.values(own));
        const row = rows.get(key) ?? { key, labels: own, size: 0, last: names.every((name) => own[name] === OTHER) };
        if (metric === 'tenure_segment_customers') row.size += value;
        rows.set(key, row);
      }
    }
    return [...rows.values()].sort((a, b) => b.size - a.size);
  },
};

/** Of several currencies that of the most revenue here, since they cannot be added. */
function moneyColumn(view, title, metric) {
  const { report, period } = view;
  const first = (row) => {
    const all = report.series(metric, { period, ...row.labels });
    return all.reduce((most, one) => (!most || one.value > most.value ? one : most), null);
  };
  return {
    key: metric,
    title,
    help: report.help(metric),
    sortable: true,
    rank: (row) => first(row)?.value ?? null,
    cell: (row) => {
      const found = first(row);
      if (!found) return { text: report.withheld.has(metric) ? 'withheld' : '–' };
      return { metric, labels: found.labels, show: (value) => money(value, found.labels.currency) };
    },
  };
}

const fixed = (name, values) => () => values.map((value) => ({ key: value, labels: { [name]: value }, last: false }));

const groups = {
  name: 'groups',
  title: 'Retention by NPS group',
  note: 'Customers at the start of the period, by their latest answer until then.',
  columns: (view) => {
    const [currency] = view.currencies;
    return [
      text('group', 'Group', (row) => row.labels.group),
      numbers(view, 'Retained', 'tenure_nps_group_customers', count, { more: { status: 'retained' }, key: 'retained' }),
      numbers(view, 'Lost', 'tenure_nps_group_customers', count, { more: { status: 'lost' }, key: 'lost' }),
      numbers(view, 'Retention', 'tenure_nps_group_retention_ratio', percent),
      ...(currency ? [numbers(view, `${currency} each`, 'tenure_nps_group_revenue_per_customer', (value) => money(value, currency), { more: { currency }, key: 'each' })] : []),
    ];
  },
  rows: (view) => (view.report.series('tenure_nps_group_customers', { period: view.period }).length
    ? fixed('group', ['promoter', 'passive', 'detractor', 'none'])() : []),
};

const reasons = {
  name: 'reasons',
  title: 'Departures by reason',
  note: 'Spells that ended in the period; who came back counts too.',
  columns: (view) => [
    text('reason', 'Reason', (row) => row.labels.reason),
    numbers(view, 'Departures', 'tenure_departures', count),
    {
      key: 'share',
      title: 'Share',
      cell: (row) => ({ text: percent(row.share), share: row.share }),
    },
  ],
  rows: ({ report, period }) => {
    const all = report.series('tenure_departures', { period });
    const sum = all.reduce((total, one) => total + one.value, 0);
    return all
      .toSorted((a, b) => b.value - a.value)
      .map(({ labels: { reason }, value }) => ({ key: reason, labels: { reason }, share: sum ? value / sum : 0, last: reason === OTHER }));
  },
};

const channels = {
  name: 'channels',
  title: 'Answers by channel',
  note: 'Every answer counts here, not each customer once.',
  columns: (view) => [
    text('channel', 'Channel', (row) => row.labels.channel),
    ...['nps', 'csat', 'ces'].map((survey) => numbers(view, `${survey.toUpperCase()} answers`, 'tenure_channel_responses', count, { more: { survey }, key: survey })),
    numbers(view, 'NPS', 'tenure_channel_nps_response_score', score),
    numbers(view, 'CSAT', 'tenure_channel_csat_ratio', percent),
    numbers(view, 'CES', 'tenure_channel_ces_mean_score', mean),
  ],
  rows: ({ report, period }) => {
    const sizes = new Map();
    for (const { labels: { channel }, value } of report.series('tenure_channel_responses', { period })) {
      sizes.set(channel, (sizes.get(channel) ?? 0) + value);
    }
    return [...sizes]
      .sort(([, a], [, b]) => b - a)
      .map(([channel]) => ({ key: channel, labels: { channel }, last: channel === OTHER }));
  },
};

const currencies = {
  name: 'currencies',
  title: 'Orders by currency',
  note: 'Currencies are never converted and never added up.',
  columns: (view) => {
    const inOwn = (title, metric, labels = true) => ({
      key: metric,
      title,
      help: view.report.help(metric),
      sortable: false,
      cell: ({ labels: { currency } }) => ({
        metric, labels: labels ? { period: view.period, currency } : { currency }, show: (value) => money(value, currency),
      }),
    });
    return [
      text('currency', 'Currency', (row) => row.labels.currency),
      numbers(view, 'Orders', 'tenure_orders', count),
      inOwn('Revenue', 'tenure_revenue'),
      inOwn('By order', 'tenure_average_order_value'),
      numbers(view, 'From repeats', 'tenure_repeat_revenue_ratio', percent),
      inOwn('Lifetime value', 'tenure_customer_lifetime_value', false),
    ];
  },
  rows: (view) => view.currencies.map((currency) => ({ key: currency, labels: { currency }, last: false })),
};

const movement = {
  name: 'movement',
  title: 'Customers of the period',
  note: 'At the start, minus lost, plus new and reactivated, is at the end.',
  columns: (view) => [
    { key: 'what', title: 'Customers', text: true, head: true, cell: (row) => ({ text: row.title }) },
    {
      key: 'value',
      title: 'Number',
      cell: (row) => ({ metric: row.metric, labels: { ...(row.timeless ? {} : { period: view.period }), ...row.labels }, show: count }),
    },
  ],
  rows: ({ report, period }) => (report.series('tenure_customers_at_start', { period }).length ? [
    { title: 'at the start', metric: 'tenure_customers_at_start' },
    { title: 'lost', metric: 'tenure_period_customers', labels: { status: 'lost' } },
    { title: 'new', metric: 'tenure_period_customers', labels: { status: 'new' } },
    { title: 'reactivated', metric: 'tenure_period_customers', labels: { status: 'reactivated' } },
    { title: 'at the end', metric: 'tenure_customers_at_end' },
    { title: 'joined in it, and gone by its end', metric: 'tenure_early_churn_customers' },
    { title: 'without an order for 90 days', metric: 'tenure_dormant_customers', labels: { for: '90d' }, timeless: true },
  ].map((row) => ({ labels: {}, last: false, ...row, key: row.title })) : []),
};

const STEPS = 8;
const CELLS = 'tenure_cohort_retention_ratio';

/** The number of a calendar month such as 2026-11. */
function monthOf(text) {
  const [year, month] = text.split('-').map(Number);
  return year * 12 + month;
}

/** The month in which T lies: those before it have ended. */
function present({ report, zone }) {
  return monthOf(new Date(report.at).toLocaleDateString('sv-SE', { timeZone: zone }));
}

/** From the value of a cell to its shade: the palest is the lowest of the table. */
function shades(report) {
  const values = report.series(CELLS).map((one) => one.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return (value) => {
    if (value === null) return 'none';
    const place = high > low ? (value - low) / (high - low) : 1;
    return `heat-${Math.round(place * (STEPS - 1))}`;
  };
}

const cohorts = {
  name: 'cohorts',
  title: 'Cohorts',
  note: 'Of the customers who began in a month, the share that is active at the end of that month (+0) and of those after it.',
  wide: true,
  corner: 'heat',
  columns: (view) => {
    const { report } = view;
    const now = present(view);
    const shade = shades(report);
    const ages = report.series('tenure_cohort_customers').map((one) => now - monthOf(one.labels.cohort));
    const cell = (after) => ({ key }) => {
      // A month that has not ended is no gap: nothing can be asked about it.
      if (monthOf(key) + after >= now) return { text: '' };
      const labels = { cohort: key, months_after: String(after).padStart(2, '0') };
      return { metric: CELLS, labels, show: percent, class: shade };
    };
    return [
      { key: 'cohort', title: 'Began in', text: true, head: true, cell: (row) => ({ text: row.key }) },
      { key: 'size', title: 'Customers', cell: (row) => ({ metric: 'tenure_cohort_customers', labels: row.labels, show: count }) },
      ...Array.from({ length: Math.max(0, ...ages) }, (_, after) => ({ key: String(after), title: `+${after}`, cell: cell(after) })),
    ];
  },
  rows: ({ report }) => report.series('tenure_cohort_customers')
    .map(({ labels: { cohort } }) => ({ key: cohort, labels: { cohort }, last: false }))
    .sort((a, b) => b.key.localeCompare(a.key)),
};

/** All tables of a place on the page. */
export class Tables {
  constructor(place) {
    this.place = place;
    const made = (kinds) => kinds.map((kind) => new Table(kind));
    const sections = (tables) => tables.map((table) => table.section);
    const [above, left, right] = [made([cohorts, segments]), made([movement, groups, channels]), made([reasons, currencies])];
    const column = (tables) => element('div', { class: 'column' }, ...sections(tables));
    place.append(...sections(above), column(left), column(right));
    this.tables = [...above, ...left, ...right];
    above[1].emptyText = ({ report }) => (report.dimensions.length
      ? 'Nobody is in a segment in the period.'
      : 'There are no segments: set dimensions to the attributes that split your customers.');
  }

  draw(view) {
    show(this.place, true);
    for (const table of this.tables) table.draw(view);
  }
}
