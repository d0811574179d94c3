// Draws a dashboard without Grafana: `node preview.mjs PROMETHEUS DASHBOARD [FROM] > page.html`, where
// FROM is a time range such as `now-5m` in the place of the dashboard's own.
//
// Takes places, queries, units, colours and transformations from the dashboard's JSON and the data
// from the Prometheus at that address. It shows the layout and the numbers, not Grafana's rendering.

import { readFileSync } from 'node:fs';

const [prometheus, file, from] = process.argv.slice(2);
const dashboard = JSON.parse(readFileSync(file, 'utf8'));
const range = from ?? dashboard.time.from;

const CELL = { width: 66, height: 36, gap: 8 };
const PALETTE = ['#73bf69', '#f2cc0c', '#5794f2', '#ff9830', '#f2495c', '#b877d9', '#8ab8ff', '#96d98d', '#fade2a', '#ffb357'];
const NAMED = { green: '#73bf69', yellow: '#f2cc0c', red: '#f2495c', blue: '#5794f2', orange: '#ff9830', purple: '#b877d9' };

const now = Math.floor(Date.now() / 1000);
const seconds = { m: 60, h: 3600, d: 86400 };
const [, count, unitOfTime] = /^now-(\d+)([mhd])$/.exec(range);
const span = Number(count) * seconds[unitOfTime];
const start = now - span;

const chosen = new Map(dashboard.templating.list.map(({ name, current }) => [name, current?.value]));

function expand(text) {
  const values = { __rate_interval: '1m', __range: `${span}s` };
  return text.replaceAll(/\$\{?(\w+)\}?/g, (whole, name) => {
    if (name in values) return values[name];
    const value = [chosen.get(name)].flat()[0];
    return value === undefined ? whole : value === '$__all' ? '.+' : value;
  });
}

async function ask(path, parameters) {
  const response = await fetch(`${prometheus}/api/v1/${path}`, { method: 'POST', body: new URLSearchParams(parameters) });
  const answer = await response.json();
  if (answer.status !== 'success') throw new Error(`${parameters.query}: ${answer.error}`);
  return answer.data.result;
}

async function answers(panel) {
  const points = Math.max(40, Math.min(250, panel.gridPos.w * 14));
  return Promise.all(
    panel.targets.map(async (target) => {
      const query = expand(target.expr);
      const result = target.instant
        ? await ask('query', { query, time: now })
        : await ask('query_range', { query, start, end: now, step: Math.max(1, Math.round(span / points)) });
      return { target, result };
    }),
  );
}

function names({ target, result }) {
  const common = Object.entries(result[0]?.metric ?? {}).filter(([label, value]) => result.every((one) => one.metric[label] === value));
  const shared = new Set(common.map(([label]) => label));
  return result.map(({ metric }) => {
    if (target.legendFormat !== '__auto') return target.legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '');
    return Object.entries(metric)
      .filter(([label]) => !shared.has(label))
      .map(([, value]) => value)
      .join(' / ');
  });
}

// --- values --------------------------------------------------------------------------------------

function short(value, decimals) {
  const size = Math.abs(value);
  const [divisor, end] = size >= 1e9 ? [1e9, ' Bil'] : size >= 1e6 ? [1e6, ' Mil'] : size >= 1e4 ? [1e3, ' K'] : [1, ''];
  const digits = decimals ?? (divisor > 1 ? 1 : Number.isInteger(value) ? 0 : size >= 100 ? 0 : 2);
  return (value / divisor).toFixed(digits) + end;
}

function duration(value) {
  const size = Math.abs(value);
  for (const [length, name] of [[604800, 'weeks'], [86400, 'days'], [3600, 'hours'], [60, 'mins'], [1, 's']]) {
    if (size >= length) return `${(value / length).toFixed(1)} ${name}`;
  }
  return size === 0 ? '0 s' : size < 1e-3 ? `${(value * 1e6).toFixed(0)} µs` : `${(value * 1e3).toFixed(0)} ms`;
}

function format(value, { unit, decimals, mappings = [] }) {
  for (const mapping of mappings) {
    const mapped = mapping.options[String(value)];
    if (mapped) return mapped.text;
  }
  if (typeof value === 'string') return value;
  if (value === undefined || Number.isNaN(value)) return '';
  switch (unit) {
    case 'percentunit':
      return `${(value * 100).toFixed(decimals ?? 1)}%`;
    case 's':
      return duration(value);
    case 'bytes':
    case 'Bps': {
      const end = unit === 'Bps' ? '/s' : '';
      return value >= 2 ** 20 ? `${(value / 2 ** 20).toFixed(1)} MiB${end}` : `${(value / 1024).toFixed(1)} KiB${end}`;
    }
    case 'cps':
      return `${short(value)} c/s`;
    case 'dateTimeAsIso':
      return new Date(value).toISOString().slice(0, 19).replace('T', ' ');
    case 'none':
      return value.toFixed(decimals ?? (Number.isInteger(value) ? 0 : 1));
    default:
      return short(value, decimals);
  }
}

function fieldOf(panel, name) {
  const field = structuredClone(panel.fieldConfig.defaults);
  field.custom ??= {};
  for (const { matcher, properties } of panel.fieldConfig.overrides) {
    if (matcher.options !== name) continue;
    for (const { id, value } of properties) {
      if (id.startsWith('custom.')) field.custom[id.slice('custom.'.length)] = value;
      else field[id] = value;
    }
  }
  return field;
}

function colour(field, value, at) {
  if (field.color?.mode === 'fixed') return NAMED[field.color.fixedColor] ?? field.color.fixedColor;
  if (field.color?.mode === 'thresholds') {
    const reached = field.thresholds.steps.filter((step) => step.value === null || value >= step.value);
    return NAMED[reached.at(-1).color];
  }
  const mapped = field.mappings?.[0]?.options[String(value)]?.color;
  return NAMED[mapped] ?? PALETTE[at % PALETTE.length];
}

const escape = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

// --- panels --------------------------------------------------------------------------------------

// Series with their points, in the order of the queries.
function seriesOf(panel, data) {
  return data.flatMap((answer) => {
    const called = names(answer);
    return answer.result.map(({ values, value }, at) => ({
      name: called[at],
      field: fieldOf(panel, called[at]),
      points: (values ?? [value]).map(([time, text]) => [time, Number(text)]),
    }));
  });
}

function path(points, x, y) {
  return points.map(([time, value], at) => `${at ? 'L' : 'M'}${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join('');
}

function drawStat(panel, data, width, height) {
  const series = seriesOf(panel, data);
  if (series.length === 0) return `<p class="none">${escape(panel.fieldConfig.defaults.noValue)}</p>`;
  return series
    .map(({ points, field }, at) => {
      const value = points.at(-1)[1];
      const color = colour(field, value, at);
      const values = points.map(([, value]) => value);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const x = (time) => ((time - start) / span) * width;
      const y = (value) => height - 4 - (high > low ? (value - low) / (high - low) : 0.5) * height * 0.35;
      const line = path(points, x, y);
      const area = `${line}L${x(points.at(-1)[0])} ${height}L${x(points[0][0])} ${height}Z`;
      const spark = panel.options.graphMode === 'none' ? '' : `<svg width="${width}" height="${height}"><path d="${area}" fill="${color}" opacity=".18"/><path d="${line}" fill="none" stroke="${color}" stroke-width="1.2"/></svg>`;
      return `<div class="stat">${spark}<b style="color:${color}">${escape(format(value, field))}</b></div>`;
    })
    .join('');
}

function ticks(low, high, wanted) {
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= raw);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, at) => (first + at) * step);
}

// Each series on top of those before it, in per cent of their sum if `share`.
function stacked(series, share) {
  const sums = new Map();
  const totals = new Map();
  for (const { points } of series) for (const [time, value] of points) totals.set(time, (totals.get(time) ?? 0) + value);
  return series.map((one) => ({
    ...one,
    bottoms: one.points.map(([time]) => [time, sums.get(time) ?? 0]),
    points: one.points.map(([time, value]) => {
      const top = (sums.get(time) ?? 0) + (share ? value / (totals.get(time) || 1) : value);
      sums.set(time, top);
      return [time, top];
    }),
  }));
}

function drawLines(panel, data, width, height) {
  let series = seriesOf(panel, data);
  const mode = panel.fieldConfig.defaults.custom.stacking?.mode;
  const share = mode === 'percent';
  if (mode) series = stacked(series, share);
  if (series.length === 0) return '<p class="none">No data</p>';
  const field = share ? { unit: 'percentunit', decimals: 0 } : panel.fieldConfig.defaults;
  const values = series.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (field.min !== undefined || mode) low = Math.min(field.min ?? 0, low);
  if (high === low) [low, high] = [low - Math.abs(low || 1) * 0.1, high + Math.abs(high || 1) * 0.1];
  if (!share) high += (high - low) * 0.05;
  const box = { left: 52, right: 8, top: 6, bottom: 42 };
  const x = (time) => box.left + ((time - start) / span) * (width - box.left - box.right);
  const y = (value) => height - box.bottom - ((value - low) / (high - low)) * (height - box.top - box.bottom);
  const grid = ticks(low, high, 4).map((value) => `<path d="M${box.left} ${y(value)}H${width - box.right}" class="grid"/><text x="${box.left - 5}" y="${y(value) + 3.5}" text-anchor="end">${format(value, { ...field, decimals: field.unit === 'percentunit' ? (high - low < 0.05 ? 1 : 0) : high - low < 1 ? field.decimals : undefined })}</text>`);
  const days = Array.from({ length: 7 }, (_, at) => start + ((at + 0.5) * span) / 7);
  const when = (time) => (span > 2 * 86400 ? new Date(time * 1000).toISOString().slice(5, 10) : new Date(time * 1000).toISOString().slice(11, 16));
  const times = days.map((time) => `<text x="${x(time)}" y="${height - box.bottom + 14}" text-anchor="middle">${when(time)}</text>`);
  let palette = 0;
  const legend = [];
  const shapes = series.map((one) => {
    const points = one.points.filter(([, value]) => Number.isFinite(value));
    const color = colour(one.field, undefined, palette);
    if (one.field.color?.mode !== 'fixed') palette += 1;
    const line = path(points, x, y);
    const style = one.field.custom;
    const dash = style.lineStyle?.dash ? `stroke-dasharray="${style.lineStyle.dash}"` : '';
    legend.push(`<span><i style="background:${color}"></i>${escape(one.name)}</span>`);
    const under = one.bottoms ?? series.find(({ name }) => name === style.fillBelowTo)?.points;
    const area = under ? `<path d="${line}L${path([...under].reverse(), x, y).slice(1)}Z" fill="${color}" opacity="${style.fillOpacity / 100}"/>` : '';
    const drawn = style.lineWidth ? `<path d="${line}" fill="none" stroke="${color}" stroke-width="${style.lineWidth * 0.8}" ${dash}/>` : '';
    return area + drawn;
  });
  return `<svg width="${width}" height="${height}">${grid.join('')}${times.join('')}${shapes.join('')}</svg><div class="legend">${legend.join('')}</div>`;
}

// Rows of a table as Grafana's transformations leave them: columns with their names, and rows.
function rowsOf(panel, data) {
  const steps = panel.transformations.map(({ id }) => id);
  const rows = new Map();
  const columns = [];
  const column = (name) => columns.includes(name) || columns.push(name);
  data.forEach(({ target, result }) => {
    const field = data.length > 1 ? `Value #${target.refId}` : 'Value';
    for (const { metric, value } of result) {
      const labels = Object.entries(metric).filter(([label]) => label !== '__name__');
      labels.forEach(([label]) => column(label));
      const key = steps.includes('merge') ? JSON.stringify(labels.sort()) : `${rows.size}`;
      rows.set(key, { ...rows.get(key), ...Object.fromEntries(labels), [field]: Number(value[1]) });
    }
  });
  for (const { target } of data) column(data.length > 1 ? `Value #${target.refId}` : 'Value');
  return panel.transformations.reduce(transform, { columns, rows: [...rows.values()] });
}

function transform({ columns, rows }, { id, options }) {
  if (id === 'organize') {
    const index = (name) => options.indexByName[name] ?? Number.MAX_SAFE_INTEGER;
    const shown = columns.filter((name) => !options.excludeByName[name]).sort((a, b) => index(a) - index(b));
    const renamed = (name) => options.renameByName[name] ?? name;
    return {
      columns: shown.map(renamed),
      rows: rows.map((row) => Object.fromEntries(shown.map((name) => [renamed(name), row[name]]))),
    };
  }
  if (id === 'sortBy') {
    const [{ field }] = options.sort;
    return { columns, rows: [...rows].sort((a, b) => String(a[field]).localeCompare(String(b[field]))) };
  }
  if (id === 'groupingToMatrix') {
    const { columnField, rowField, valueField } = options;
    const corner = `${rowField}\\${columnField}`;
    const found = [...new Set(rows.map((row) => row[columnField]))].sort();
    const made = [...new Set(rows.map((row) => row[rowField]))].map((name) => {
      const cells = rows.filter((row) => row[rowField] === name);
      return { [corner]: name, ...Object.fromEntries(cells.map((cell) => [cell[columnField], cell[valueField]])) };
    });
    return { columns: [corner, ...found], rows: made.sort((a, b) => a[corner].localeCompare(b[corner])) };
  }
  return { columns, rows };
}

function drawTable(panel, data, _width, height) {
  const { columns, rows } = rowsOf(panel, data);
  const sort = panel.options.sortBy?.[0];
  if (sort) {
    const by = (a, b) => (typeof a[sort.displayName] === 'number' ? a[sort.displayName] - b[sort.displayName] : String(a[sort.displayName]).localeCompare(b[sort.displayName]));
    rows.sort((a, b) => (sort.desc ? by(b, a) : by(a, b)));
  }
  const head = columns.map((name) => `<th>${escape(fieldOf(panel, name).displayName ?? name)}</th>`);
  const body = rows.slice(0, Math.floor((height - 26) / 23)).map((row) => {
    const cells = columns.map((name) => {
      const field = fieldOf(panel, name);
      const value = row[name];
      const shade = field.custom.cellOptions?.type === 'color-background' && typeof value === 'number' ? ` style="background:rgb(50 110 220 / ${(0.1 + 0.75 * value).toFixed(2)})"` : '';
      return `<td${shade} class="${typeof value}">${escape(format(value, field))}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<table><tr>${head.join('')}</tr>${body.join('')}</table>`;
}

function drawBars(panel, data) {
  const series = seriesOf(panel, data);
  const most = panel.fieldConfig.defaults.max ?? Math.max(...series.map(({ points }) => points.at(-1)[1]), 1e-9);
  const bars = series.slice(0, 12).map(({ name, points, field }, at) => {
    const value = points.at(-1)[1];
    const width = Math.max(0, (value / most) * 100);
    return `<div class="bar"><span>${escape(name)}</span><div><i style="width:${width}%;background:${colour(field, value, at)}"></i></div><b>${escape(format(value, field))}</b></div>`;
  });
  return `<div class="bars">${bars.join('')}</div>`;
}

function drawColumns(panel, data, width, height) {
  const { rows } = rowsOf(panel, data);
  const field = panel.fieldConfig.defaults;
  const most = field.max ?? Math.max(...rows.map((row) => row.Value));
  const each = width / Math.max(1, rows.length);
  const columns = rows.map((row, at) => {
    const tall = (row.Value / most) * (height - 44);
    const middle = at * each + each / 2;
    return `<rect x="${at * each + each * 0.15}" y="${height - 20 - tall}" width="${each * 0.7}" height="${tall}" fill="${PALETTE[0]}" opacity=".8"/><text x="${middle}" y="${height - 24 - tall}" text-anchor="middle">${escape(format(row.Value, field))}</text><text x="${middle}" y="${height - 6}" text-anchor="middle">${escape(row[panel.options.xField])}</text>`;
  });
  return `<svg width="${width}" height="${height}">${columns.join('')}</svg>`;
}

function drawHeatMap(panel, data, width, height) {
  const buckets = data[0].result
    .map(({ metric, values }) => ({ le: Number(metric.le.replace('+Inf', 'Infinity')), values: new Map(values.map(([time, text]) => [time, Number(text)])) }))
    .sort((a, b) => a.le - b.le);
  const times = [...new Set(buckets.flatMap(({ values }) => [...values.keys()]))].sort((a, b) => a - b);
  const counts = buckets.map(({ values }, at) => times.map((time) => (values.get(time) ?? 0) - (at ? (buckets[at - 1].values.get(time) ?? 0) : 0)));
  const most = Math.max(...counts.flat(), 1e-9);
  const [left, bottom] = [52, 20];
  const tall = (height - bottom) / buckets.length;
  const x = (time) => left + ((time - start) / span) * (width - left);
  const wide = Math.max(1.5, ((width - left) / span) * ((times[1] ?? start + span) - (times[0] ?? start)));
  const cells = counts.flatMap((row, at) => row.map((count, column) => (count > 1e-9 ? `<rect x="${x(times[column])}" y="${height - bottom - (at + 1) * tall}" width="${wide}" height="${tall - 1}" fill="#5794f2" opacity="${0.15 + 0.85 * Math.sqrt(count / most)}"/>` : '')));
  const labels = buckets.map(({ le }, at) => (at % 2 ? '' : `<text x="${left - 4}" y="${height - bottom - (at + 0.3) * tall}" text-anchor="end">${Number.isFinite(le) ? duration(le) : '∞'}</text>`));
  return `<svg width="${width}" height="${height}">${labels.join('')}${cells.join('')}</svg>`;
}

const DRAW = { stat: drawStat, timeseries: drawLines, table: drawTable, bargauge: drawBars, barchart: drawColumns, heatmap: drawHeatMap };

// --- page ----------------------------------------------------------------------------------------

async function drawPanel(panel) {
  const { x, y, w, h } = panel.gridPos;
  const place = `left:${x * CELL.width}px;top:${y * CELL.height}px;width:${w * CELL.width - CELL.gap}px;height:${h * CELL.height - CELL.gap}px`;
  const title = escape(expand(panel.title));
  if (panel.type === 'row') return `<h2 style="${place}">⌄ ${title}</h2>`;
  const [width, height] = [w * CELL.width - CELL.gap - 18, h * CELL.height - CELL.gap - 34];
  const drawn = DRAW[panel.type](panel, await answers(panel), width, height);
  return `<section style="${place}"><h3>${title}</h3>${drawn}</section>`;
}

const style = `
  body { margin: 0; padding: 12px 16px; background: #111217; color: #ccccdc; font: 12px/1.35 Inter, "DejaVu Sans", sans-serif; width: ${24 * CELL.width}px }
  header { display: flex; gap: 14px; align-items: baseline; margin-bottom: 10px }
  header b { font-size: 16px; color: #fff } header span { border: 1px solid #2c3235; border-radius: 2px; padding: 3px 8px }
  header em { margin-left: auto; color: #8e8e9a } main { position: relative }
  section, h2 { position: absolute; box-sizing: border-box; margin: 0 } h2 { font-size: 14px; font-weight: 500; padding: 5px 0 }
  section { background: #181b1f; border: 1px solid #25272c; border-radius: 2px; padding: 6px 8px; overflow: hidden }
  h3 { margin: 0 0 4px; font-size: 12.5px; font-weight: 500; color: #e6e6ef; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
  .stat { position: relative; display: flex; align-items: center; justify-content: center; height: calc(100% - 26px) }
  .stat svg { position: absolute; left: 0; top: -4px } .stat b { position: relative; font-size: 30px; font-weight: 500; margin-top: -18px } .none { text-align: center; color: #8e8e9a; font-size: 18px }
  text { fill: #9a9aa6; font-size: 10.5px } .grid { stroke: #26292e } .legend { margin-top: -24px; display: flex; flex-wrap: wrap; gap: 0 12px; height: 18px; overflow: hidden }
  .legend i { display: inline-block; width: 14px; height: 3px; margin-right: 5px; vertical-align: middle }
  table { width: 100%; border-collapse: collapse } th { text-align: left; font-weight: 500; color: #6e9fff; padding: 2px 6px } td { border-top: 1px solid #25272c; padding: 2px 6px; height: 18px; white-space: nowrap }
  td.number { text-align: left } .bars { display: flex; flex-direction: column; gap: 4px; height: calc(100% - 26px); justify-content: space-evenly }
  .bar { display: grid; grid-template-columns: 170px 1fr 64px; gap: 8px; align-items: center } .bar span { text-align: right; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
  .bar div { background: #22252b; height: 14px } .bar i { display: block; height: 100% }
`;
const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * CELL.height;
const choices = dashboard.templating.list
  .filter(({ name }) => name !== 'datasource')
  .map(({ label, current }) => `<span>${escape(label)}: ${escape([current?.value].flat()[0]).replace('$__all', 'All')}</span>`);
const panels = [];
for (const panel of dashboard.panels) panels.push(await drawPanel(panel));
process.stdout.write(`<!doctype html><meta charset="utf-8"><title>${escape(dashboard.title)}</title><style>${style}</style>
<header><b>${escape(dashboard.title)}</b>${choices.join('')}<em>drawn from the dashboard's JSON and its queries, not by Grafana</em></header>
<main style="height:${bottom}px">${panels.join('\n')}</main>`);
