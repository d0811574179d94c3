// The health of the pipeline: what is read, what is in the numbers, what was refused, what is durable.

import { element, keyed, say, set, show } from './dom.js';
import { count, duration, instant, percent } from './format.js';

/** So many partitions are listed: the worst ones. */
const LISTED = 24;
const ORDER = ['degraded', 'restoring', 'catching_up', 'ready'];

export class Health {
  constructor(section) {
    this.section = section;
    this.figures = section.querySelector('#health-figures');
    this.rejected = small('rejected', 'Rejected records by reason', ['Reason', 'Records']);
    this.partitions = small('partitions', 'Partitions', ['Partition', 'State', 'Lag', 'Complete until']);
    section.querySelector('#health-tables').append(this.rejected.place, this.partitions.place);
  }

  draw(status, now) {
    show(this.section, true);
    keyed(this.figures, figures(status, now), (one) => one.name, blank, (item, one) => {
      say(item.value, one.value);
      say(item.more, one.more ?? '');
      set(item, { 'data-mood': one.mood ?? null });
    });
    const rejected = Object.entries(status.records.rejected).sort(([, a], [, b]) => b - a);
    this.rejected.draw(rejected.map(([reason, records]) => [reason, count(records)]), 'No record was rejected.');
    const ranked = status.partitions.toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || (b.lag_records ?? 0) - (a.lag_records ?? 0));
    const rows = ranked.slice(0, LISTED).map((one) => [
      `${one.topic} ${one.partition}`,
      one.because ? `${words(one.state)}: ${words(one.because)}` : words(one.state),
      one.lag_records === null ? 'unknown' : count(one.lag_records),
      one.complete_until ? instant(Date.parse(one.complete_until), status.time_zone) : 'unknown',
    ]);
    this.partitions.draw(rows, 'No partition is known yet.');
    const rest = ranked.length - rows.length;
    this.partitions.say(rest > 0 ? `${count(rest)} more are not listed; /metrics has all.` : '');
  }
}

const words = (name) => name.replaceAll('_', ' ');

function blank(one) {
  const item = element('div', {}, element('dt', {}, one.name));
  item.value = element('dd', { class: 'value' });
  item.more = element('dd', { class: 'soft' });
  item.append(item.value, item.more);
  return item;
}

function figures(status, now) {
  const { report, records, checkpoint, partitions } = status;
  const age = report ? (now - Date.parse(report.at)) / 1000 : null;
  const rejected = Object.values(records.rejected).reduce((sum, value) => sum + value, 0);
  const saved = checkpoint.last_success_at;
  return [
    { name: 'Kafka', value: status.kafka_up ? 'answers' : 'silent', mood: status.kafka_up ? 'good' : 'bad' },
    {
      name: 'Report (T)',
      value: age === null ? 'none yet' : `${duration(age)} old`,
      more: report ? instant(Date.parse(report.at), status.time_zone) : '',
      mood: age !== null && age > 300 ? 'bad' : null,
    },
    {
      name: 'Lag',
      value: status.lag_records === null ? 'unknown' : `${count(status.lag_records)} records`,
      more: 'in Kafka, not yet counted',
    },
    {
      name: 'Coverage',
      value: report ? percent(report.coverage) : '–',
      more: 'of the partitions are in the numbers',
      mood: report && report.coverage < 1 ? 'bad' : null,
    },
    {
      name: 'Records',
      value: count(records.read),
      more: `${count(records.applied)} applied, ${count(records.repeated)} repeated, ${count(records.late)} late`,
    },
    {
      name: 'Rejected',
      value: count(rejected),
      more: records.read ? `${percent(rejected / records.read)} of what was read` : '',
      mood: rejected > records.read / 100 ? 'bad' : null,
    },
    {
      name: 'Checkpoint',
      value: saved ? `${duration((now - Date.parse(saved)) / 1000)} old` : 'none yet',
      more: saved ? instant(Date.parse(saved), status.time_zone) : 'a restart reads the topic again',
      mood: checkpoint.failures > 0 && !saved ? 'bad' : null,
    },
    { name: 'Shards', value: states(partitions), more: `${count(partitions.length)} partitions`, mood: partitions.some((one) => one.state === 'degraded') ? 'bad' : null },
    ...(status.cluster ? [sharing(status.cluster)] : []),
    ...(report?.split_customers ? [{ name: 'Split customers', value: count(report.split_customers), more: 'found in two partitions', mood: 'bad' }] : []),
    ...(status.dead_letters_pending ? [{ name: 'Dead letters', value: count(status.dead_letters_pending), more: 'wait for their topic' }] : []),
  ];
}

/** The instances that share the work, and what nobody has. */
function sharing({ instance, instances, unowned, report_topic_read: read }) {
  const own = instances.find((one) => one.name === instance);
  const missing = unowned?.length ? `, ${count(unowned.length)} partitions are nobody’s` : '';
  return {
    name: 'Instances',
    value: count(instances.length),
    more: read ? `this is ${instance}, with ${count(own?.partitions.length ?? 0)} partitions${missing}` : 'the report topic is not read yet',
    mood: !read || missing ? 'bad' : null,
  };
}

function states(partitions) {
  const counts = ORDER.map((state) => [state, partitions.filter((one) => one.state === state).length]);
  const there = counts.filter(([, number]) => number > 0);
  if (there.length === 1) return `all ${words(there[0][0])}`;
  return there.map(([state, number]) => `${count(number)} ${words(state)}`).join(', ') || 'none';
}

/** A small table of texts: the first column names the row, the last two are numbers. */
function small(name, title, columns) {
  const body = element('tbody');
  const empty = element('p', { class: 'soft' });
  const heading = (column, place) => element('th', { scope: 'col', class: place === 0 || column === 'State' ? 'text' : 'number' }, column);
  const table = element('table', { class: 'plain', 'aria-labelledby': `${name}-title` }, element('thead', {}, element('tr', {}, ...columns.map(heading))), body);
  const scroll = element('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': title }, table);
  const place = element('div', { id: name }, element('h3', { id: `${name}-title` }, title), scroll, empty);
  return {
    place,
    say: (text) => text && say(empty, text),
    draw(rows, none) {
      show(scroll, rows.length > 0);
      say(empty, rows.length ? '' : none);
      keyed(body, rows, ([first]) => first, () => line(columns), (row, texts) => {
        texts.forEach((text, place) => say(row.children[place], text));
      });
    },
  };
}

function line(columns) {
  const cells = columns.map((column, place) => (place === 0
    ? element('th', { scope: 'row', class: 'text' })
    : element('td', { class: column === 'State' ? 'text' : 'number' })));
  return element('tr', {}, ...cells);
}
