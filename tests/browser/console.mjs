// Drives a headless Chromium over the console, as a person would, and says what is wrong with it.
//
//   node console.mjs ready      URL FOLDER    a service with numbers of every kind
//   node console.mjs withheld   URL FOLDER    one that cannot know who left
//   node console.mjs not-ready  URL FOLDER    one that reaches no Kafka
//   node console.mjs pictures   URL FOLDER    no test: the pictures of the documentation
//
// Screenshots go to FOLDER. The exit code is 0 if all is well; else the failure is on standard error.
// TENURE_BROWSER_MODULES names the folder with node_modules, TENURE_CHROMIUM the browser.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const modules = createRequire(path.join(process.env.TENURE_BROWSER_MODULES, 'package.json'));
const { chromium } = modules('playwright-core');
const axe = await readFile(modules.resolve('axe-core/axe.min.js'), 'utf8');

const LOCALE = 'en-US';
/** Generous: the machine may be busy with other things. */
const DEADLINE = 90_000;
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
];
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };
const TILES = {
  tenure_retention_ratio: 'ratio', tenure_churn_ratio: 'ratio', tenure_nps_score: 'score', tenure_csat_ratio: 'ratio',
  tenure_ces_mean_score: 'mean', tenure_customers: 'count', tenure_revenue: 'money', tenure_reorder_ratio: 'ratio',
};

const [, , scenario, base, folder] = process.argv;

// --- a browser and what it complains about -------------------------------------------------------

/** A new browser with a profile of its own, closed and removed afterwards. */
async function browsing(work, options = {}) {
  const profile = await mkdtemp(path.join(tmpdir(), 'tenure-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.TENURE_CHROMIUM, headless: true, args: FLAGS, viewport: WIDE, locale: LOCALE,
    timezoneId: 'Europe/Istanbul', reducedMotion: 'reduce', ...options,
  });
  context.setDefaultTimeout(DEADLINE);
  try {
    const page = context.pages()[0] ?? await context.newPage();
    await work(page, context);
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Notes all that must not happen on a page, and every report that it gets. */
function watched(page, { failures = false } = {}) {
  const seen = { complaints: [], requests: [], reports: new Map() };
  const origin = new URL(base).origin;
  page.on('console', (message) => {
    // A refused or failed request is told here too, where that is what is looked at.
    if (failures && message.text().startsWith('Failed to load resource')) return;
    if (['error', 'warning'].includes(message.type())) seen.complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => seen.complaints.push(`error: ${error.stack}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    seen.requests.push(url);
    if (url.protocol !== 'data:' && url.origin !== origin) seen.complaints.push(`request to ${url.origin}`);
  });
  page.on('response', async (response) => {
    const url = new URL(response.url());
    if (url.pathname !== '/api/v1/report' || url.search || !response.ok()) return;
    const body = await response.json().catch(() => null);
    if (body) seen.reports.set(body.at, body);
  });
  return seen;
}

function contented(seen) {
  assert.deepEqual(seen.complaints, []);
}

/** Waits until a function in the page returns something true, and returns that. */
async function until(page, what, condition, argument) {
  try {
    const handle = await page.waitForFunction(condition, argument, { timeout: DEADLINE, polling: 100 });
    return await handle.jsonValue();
  } catch (error) {
    const text = await page.evaluate(() => document.body.innerText.slice(0, 1500));
    await page.screenshot({ path: path.join(folder, 'failure.png') });
    throw new Error(`waited for ${what}: ${error.message}\n${text}`);
  }
}

async function accessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const violations = found.violations.map(({ id, help, nodes }) => ({
    id, help, nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary}`),
  }));
  assert.deepEqual(violations, [], `accessibility, ${what}`);
  assert.ok(found.passes.length > 20, `accessibility, ${what}: only ${found.passes.length} rules had anything to look at`);
}

const picture = (page, name, options = {}) => page.screenshot({ path: path.join(folder, `${name}.png`), ...options });

async function fitsTheWidth(page) {
  const [needed, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(needed <= there, `the page is ${needed} wide in a window of ${there}`);
}

// --- what a report says, read independently of the page ------------------------------------------

const format = (options) => new Intl.NumberFormat(LOCALE, options);
const digits = (count) => ({ minimumFractionDigits: count, maximumFractionDigits: count });

function shown(kind, value, currency) {
  if (kind === 'ratio') return format({ style: 'percent', ...digits(1) }).format(value);
  if (kind === 'score') return format(digits(1)).format(value);
  if (kind === 'mean') return format(digits(2)).format(value);
  if (kind === 'count') return format({ maximumFractionDigits: 0 }).format(value);
  const whole = Math.abs(value) >= 1000 ? digits(0) : {};
  return format({ style: 'currency', currency, ...whole }).format(value);
}

function numberOf(report, metric, labels) {
  const { series } = report.measures.find(({ name }) => name === metric);
  const same = (one) => JSON.stringify(Object.entries(one.labels).sort()) === JSON.stringify(Object.entries(labels).sort());
  return series.find(same)?.value;
}

/** What the tiles say, and of which report, at one moment. */
function tilesOf(page) {
  return page.evaluate(() => ({
    at: document.documentElement.dataset.reportAt,
    tiles: [...document.querySelectorAll('.tile')].map((tile) => ({
      metric: tile.dataset.metric,
      state: tile.dataset.state,
      labels: JSON.parse(tile.dataset.labels),
      value: tile.querySelector('.value').textContent,
      range: tile.querySelector('.range').textContent,
    })),
  }));
}

/** Every number on a tile is that of the report, as the browser's language writes it. */
async function tilesAreTheReport(page, seen, period) {
  const { at, tiles } = await tilesOf(page);
  const report = seen.reports.get(at);
  assert.ok(report, `the report of ${at} was not seen among ${[...seen.reports.keys()]}`);
  assert.deepEqual(tiles.map(({ metric }) => metric), Object.keys(TILES));
  for (const { metric, labels, value, range, state } of tiles) {
    assert.equal(state, 'published', metric);
    if (metric !== 'tenure_customers') assert.equal(labels.period, period, metric);
    const number = numberOf(report, metric, labels);
    assert.equal(value, shown(TILES[metric], number, labels.currency), metric);
    if (!['tenure_nps_score', 'tenure_csat_ratio'].includes(metric)) continue;
    const bounds = ['lower', 'upper'].map((end) => shown(TILES[metric], numberOf(report, `${metric}_${end}`, labels)));
    assert.equal(range, bounds.join(' to '), metric);
  }
  return tiles;
}

// --- a service with numbers of every kind --------------------------------------------------------

const published = () => [...document.querySelectorAll('.tile')].length === 8
  && [...document.querySelectorAll('.tile')].every((tile) => tile.dataset.state === 'published');

async function ready() {
  await browsing(async (page, context) => {
    const seen = watched(page);
    await page.goto(base);
    await until(page, 'all tiles', published);
    await tilesAreTheReport(page, seen, '30d');
    await headerIsRight(page, seen);
    await periodsSwitch(page, seen);
    await tablesAreFilled(page);
    await pipelineIsTold(page);
    await nothingFlickers(page);
    await explainsByMouse(page);
    await explainsByKeyboard(page);
    await linksOpenAnExplanation(page, context);
    await pastIsDrawn(page);
    await looksWell(page);
    await asksSparingly(seen);
    contented(seen);
  });
}

async function headerIsRight(page, seen) {
  await until(page, 'ready', () => document.querySelector('#state-text').textContent === 'Ready');
  const report = [...seen.reports.values()].at(-1);
  assert.equal(await page.textContent('#version'), report.version);
  assert.match(await page.textContent('#at'), /UTC/);
  assert.match(await page.textContent('#age'), /^\d+ (s|min) ago$/);
  assert.equal(await page.locator('.notice').count(), 0);
}

async function periodsSwitch(page, seen) {
  const before = await tilesOf(page);
  await page.locator('input[name=period][value="7d"]').check({ force: true });
  await until(page, 'the period in the address', () => location.hash.includes('period=7d'));
  await until(page, 'tiles of the period', () => document.querySelector('.tile').dataset.labels.includes('7d'));
  const after = await tilesAreTheReport(page, seen, '7d');
  assert.notEqual(after[0].value, before.tiles[0].value);
  assert.match(await page.textContent('#bounds'), /^Last 7 days: from /);
  // By keyboard to the next one, and back by the browser.
  await page.locator('input[name=period][value="7d"]').focus();
  await page.keyboard.press('ArrowRight');
  await until(page, 'the next period', () => location.hash.includes('period=30d'));
  await tilesAreTheReport(page, seen, '30d');
  await page.goBack();
  await until(page, 'the period before', () => document.querySelector('input[value="7d"]').checked);
  await page.goForward();
  await until(page, 'the period again', () => document.querySelector('input[value="30d"]').checked);
}

/** The texts of a table by row, without its heading. */
const rowsOf = (page, id) => page.evaluate((name) => [...document.querySelectorAll(`#${name} tbody tr`)]
  .map((row) => [...row.children].map((cell) => cell.textContent)), id);

async function tablesAreFilled(page) {
  const least = { cohorts: 6, segments: 12, groups: 4, reasons: 8, channels: 4, movement: 7, currencies: 5 };
  for (const [name, rows] of Object.entries(least)) {
    const found = await rowsOf(page, name);
    assert.ok(found.length >= rows, `${name} has ${found.length} rows`);
    assert.ok(found.flat().filter((text) => /\d/.test(text)).length >= rows, `${name} has hardly a number`);
  }
  const shades = await page.evaluate(() => new Set([...document.querySelectorAll('#cohorts td')].map((cell) => /heat-\d/.exec(cell.className)?.[0])).size);
  assert.ok(shades >= 4, `the heat map has ${shades} shades`);
  await segmentsSort(page);
  // What was too rare for a row of its own comes last, however many there were.
  const reasons = (await rowsOf(page, 'reasons')).map(([reason]) => reason);
  if (reasons.includes('other')) assert.equal(reasons.at(-1), 'other');
}

async function segmentsSort(page) {
  await page.click('#segments > button');
  const all = await rowsOf(page, 'segments');
  assert.ok(all.length > 12, 'all segments');
  const place = 5;
  await page.click('#segments th:nth-child(6) button');
  const sorted = await page.getAttribute('#segments th:nth-child(6)', 'aria-sort');
  assert.equal(sorted, 'descending');
  const values = (await rowsOf(page, 'segments')).map((row) => row[place]).filter((text) => /^[\d.]+%$/.test(text)).map(parseFloat);
  assert.ok(values.length > 10 && values[0] > values.at(-1));
  assert.deepEqual(values, [...values].sort((a, b) => b - a));
  await page.click('#segments > button');
}

async function pipelineIsTold(page) {
  const figures = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll('#health-figures > div')]
    .map((item) => [item.querySelector('dt').textContent, item.querySelector('dd').textContent])));
  assert.equal(figures.Kafka, 'answers');
  assert.equal(figures.Coverage, '100.0%');
  assert.match(figures.Lag, /^[\d,]+ records$/);
  assert.match(figures.Rejected, /^[\d,]+$/);
  assert.match(figures['Report (T)'], /old$/);
  assert.match(figures.Checkpoint, /old$|none yet/);
  assert.equal(figures.Shards, 'all ready');
  assert.equal((await rowsOf(page, 'partitions')).length, 12);
}

/** A new report changes texts alone: elements, focus and selection stay. */
async function nothingFlickers(page) {
  const button = page.locator('#groups tbody tr:nth-child(2) td:nth-child(2) button');
  await button.focus();
  const at = await page.evaluate(() => {
    for (const element of document.querySelectorAll('.tile, #segments td, #cohorts td, #health-figures > div')) element.known = true;
    return document.documentElement.dataset.reportAt;
  });
  await until(page, 'the next report', (before) => document.documentElement.dataset.reportAt !== before, at);
  const fresh = await page.evaluate(() => [...document.querySelectorAll('.tile, #cohorts td, #health-figures > div')].filter((element) => !element.known).length);
  assert.equal(fresh, 0, 'elements were made anew');
  assert.ok(await button.evaluate((element) => element === document.activeElement), 'the focus stays');
}

const opened = () => {
  const dialog = document.querySelector('dialog');
  return dialog.open && !dialog.querySelector('[aria-busy]') && dialog.querySelector('.answer strong')?.textContent;
};
const focused = (page) => page.evaluate(() => document.activeElement.dataset.metric ?? document.activeElement.closest('section')?.id);

async function explainsByMouse(page) {
  await page.click('.tile[data-metric=tenure_nps_score]');
  const answer = await until(page, 'an explanation', opened);
  assert.match(answer, /^-?\d+\.\d$/);
  const text = await page.textContent('#explanation-body');
  for (const part of ['latest answer', 'promoters - detractors', 'Against the window before', 'What moved it', 'Period, in UTC', 'Settings that decide it']) {
    assert.ok(text.includes(part), `${part} is missing from ${text}`);
  }
  assert.match(page.url(), /explain=tenure_nps_score/);
  await accessible(page, 'an explanation, light');
  await picture(page, 'explanation');
  await page.click('#explanation-close');
  await until(page, 'the end of the dialog', () => !document.querySelector('dialog').open);
  assert.equal(await focused(page), 'tenure_nps_score');
  assert.doesNotMatch(page.url(), /explain=/);
}

async function explainsByKeyboard(page) {
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'tenure_csat_ratio');
  await page.keyboard.press('Enter');
  await until(page, 'an explanation', opened);
  await page.keyboard.press('Escape');
  await until(page, 'the end of the dialog', () => !document.querySelector('dialog').open);
  assert.equal(await focused(page), 'tenure_csat_ratio');
  // A table is one stop; arrow keys go from number to number.
  const stops = await page.locator('#groups button.ask[tabindex="0"]').count();
  assert.equal(stops, 1);
  await page.locator('#groups tbody tr:first-child td:nth-child(2) button').focus();
  for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
  await page.keyboard.press('Enter');
  await until(page, 'an explanation', opened);
  const title = await page.textContent('#explanation-title');
  assert.equal(title, 'tenure_nps_group_retention_ratio · period 30d, group passive');
  await page.keyboard.press('Escape');
  await until(page, 'the end of the dialog', () => !document.querySelector('dialog').open);
  assert.equal(await focused(page), 'groups');
}

async function linksOpenAnExplanation(page, context) {
  for (const [hash, title] of [
    ['#explain=tenure_retention_ratio&period=7d', 'tenure_retention_ratio · period 7d'],
    ['#explain=tenure_customers&period=7d', 'tenure_customers'],
    ['#explain=tenure_segment_nps_score&period=30d&plan=free&country=DE', 'tenure_segment_nps_score · period 30d, plan free, country DE'],
  ]) {
    const other = await context.newPage();
    const seen = watched(other);
    await other.goto(`${base}${hash}`);
    await until(other, `the explanation of ${hash}`, opened);
    assert.equal(await other.textContent('#explanation-title'), title);
    contented(seen);
    await other.close();
  }
}

async function pastIsDrawn(page) {
  const lines = () => [...document.querySelectorAll('.tile')].every((tile) => (tile.querySelector('.stroke').getAttribute('d') ?? '').split('L').length > 40
    && tile.querySelector('.change').textContent !== '');
  await page.evaluate(() => scrollTo(0, 0));
  await until(page, 'the past of every tile', lines);
  await page.locator('#trend').scrollIntoViewIfNeeded();
  const points = () => Number(document.querySelector('#trend-chart').dataset.points) > 60;
  await until(page, 'the chart', points);
  const inked = () => {
    const canvas = document.querySelector('#trend-chart canvas');
    if (!canvas) return false;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const accent = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
    const [red, green, blue] = [1, 3, 5].map((place) => parseInt(accent.slice(place, place + 2), 16));
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] > 200) count += 1;
    }
    return count > 200 && count;
  };
  await until(page, 'a line in the chart', inked);
  await page.selectOption('#trend-metric', 'tenure_joined_customers');
  await until(page, 'another metric', () => location.hash.includes('metric=tenure_joined_customers')
    && document.querySelector('#trend-title').textContent === 'Trend of Joined customers');
  await until(page, 'its line', inked);
  await page.selectOption('#trend-metric', 'tenure_nps_score');
  await until(page, 'the line again', inked);
}

/** Light, dark and narrow: nothing is out of reach. */
async function looksWell(page) {
  await page.evaluate(() => scrollTo(0, 0));
  await accessible(page, 'light');
  await picture(page, 'light');
  await page.click('#theme');
  await page.click('#theme');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.shade), 'dark');
  await accessible(page, 'dark');
  await picture(page, 'dark');
  await page.click('.tile[data-metric=tenure_retention_ratio]');
  await until(page, 'an explanation', opened);
  await accessible(page, 'an explanation, dark');
  await page.keyboard.press('Escape');
  await page.setViewportSize(NARROW);
  await until(page, 'the narrow page', () => innerWidth === 360);
  await fitsTheWidth(page);
  await accessible(page, 'narrow');
  await page.click('.tile[data-metric=tenure_revenue]');
  await until(page, 'an explanation', opened);
  const dialog = await page.locator('dialog').boundingBox();
  assert.ok(dialog.x >= 0 && dialog.x + dialog.width <= NARROW.width, JSON.stringify(dialog));
  await fitsTheWidth(page);
  await accessible(page, 'an explanation, narrow');
  await picture(page, 'narrow-explanation');
  await page.keyboard.press('Escape');
  await page.setViewportSize({ ...NARROW, height: 2600 });
  await picture(page, 'narrow');
  await page.setViewportSize(WIDE);
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'the choice is remembered');
  await until(page, 'all tiles', published);
}

/** A question about the past costs a pass: no page asks one again within a minute. */
async function asksSparingly(seen) {
  const asked = new Map();
  const loads = seen.requests.filter((url) => url.pathname === '/').length;
  for (const { pathname, searchParams } of seen.requests) {
    if (pathname !== '/api/v1/series') continue;
    const name = ['metric', 'period', 'currency'].map((label) => searchParams.get(label)).join(' ');
    asked.set(name, (asked.get(name) ?? 0) + 1);
  }
  assert.ok(asked.size >= 8, `${asked.size} series`);
  for (const [name, times] of asked) assert.ok(times <= loads, `${name} was asked ${times} times`);
}

// --- a service that cannot know who left ---------------------------------------------------------

async function withheld() {
  await browsing(async (page) => {
    const seen = watched(page);
    await page.goto(base);
    await until(page, 'a withheld tile', () => document.querySelector('.tile')?.dataset.state === 'withheld');
    const notice = await page.textContent('[data-notice="held no_churn_source"]');
    for (const part of ['withheld', 'no_churn_source', 'What to do: set inactivity_timeout', 'tenure_retention_ratio']) {
      assert.ok(notice.includes(part), `${part} is missing from ${notice}`);
    }
    const { tiles } = await tilesOf(page);
    const states = Object.fromEntries(tiles.map(({ metric, state, value }) => [metric, [state, value]]));
    assert.deepEqual(states.tenure_retention_ratio, ['withheld', 'withheld']);
    assert.deepEqual(states.tenure_churn_ratio, ['withheld', 'withheld']);
    // Nobody was asked about the effort: that is nothing to divide by, and looks otherwise.
    assert.deepEqual(states.tenure_ces_mean_score, ['absent', '–']);
    assert.equal(states.tenure_customers[0], 'published');
    assert.equal(states.tenure_nps_score[0], 'published');
    const colours = await page.evaluate(() => ['withheld', 'absent'].map((state) => getComputedStyle(document.querySelector(`.tile[data-state=${state}] .value`)).color));
    assert.notEqual(colours[0], colours[1]);
    await page.click('.tile[data-metric=tenure_retention_ratio]');
    await until(page, 'why', () => document.querySelector('#explanation-body [data-state=withheld]'));
    const why = await page.textContent('#explanation-body');
    assert.ok(why.includes('What to do.') && why.includes('no_churn_source'), why);
    await accessible(page, 'why a number is withheld');
    await page.keyboard.press('Escape');
    await page.click('.tile[data-metric=tenure_ces_mean_score]');
    await until(page, 'why', () => document.querySelector('#explanation-body [data-state=absent]'));
    await page.keyboard.press('Escape');
    // A text of a customer is a text, whatever it looks like.
    const channels = await rowsOf(page, 'channels');
    assert.ok(channels.some(([channel]) => channel === '<img src=x onerror=alert(1)>'), JSON.stringify(channels));
    assert.equal(await page.locator('img').count(), 0);
    const cells = await rowsOf(page, 'groups');
    assert.ok(cells.some((row) => row.includes('withheld')), JSON.stringify(cells));
    await accessible(page, 'withheld');
    await picture(page, 'withheld');
    contented(seen);
  });
}

// --- a service that reaches no Kafka, and one that goes away -------------------------------------

/** A way to the service that can be closed. */
async function gate(port) {
  const open = new Set();
  const server = net.createServer((client) => {
    const onward = net.connect(Number(new URL(base).port), '127.0.0.1');
    for (const socket of [client, onward]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket));
    }
    client.pipe(onward).pipe(client);
    client.on('close', () => onward.destroy());
    onward.on('close', () => client.destroy());
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    close: () => new Promise((resolve) => {
      server.close(resolve);
      for (const socket of open) socket.destroy();
    }),
  };
}

async function notReady() {
  await browsing(async (page) => {
    const seen = watched(page, { failures: true });
    await page.goto(base);
    await until(page, 'what is waited for', () => document.querySelector('[data-notice=waiting]'));
    const notice = await page.textContent('[data-notice=waiting]');
    assert.ok(notice.includes('Kafka does not answer') && notice.includes('Nothing was evaluated yet'), notice);
    assert.equal(await page.textContent('#state-text'), 'Not ready');
    const { tiles } = await tilesOf(page);
    assert.deepEqual([...new Set(tiles.map(({ state, value }) => `${state} ${value}`))], ['waiting …']);
    const kafka = await page.textContent('#health-figures dd');
    assert.equal(kafka, 'silent');
    await accessible(page, 'not ready');
    await picture(page, 'not-ready');
    contented(seen);
  });
  let way = await gate(0);
  await browsing(async (page) => {
    await page.goto(`http://127.0.0.1:${way.port}/`);
    await until(page, 'what is waited for', () => document.querySelector('[data-notice=waiting]'));
    await way.close();
    await until(page, 'that the service is away', () => document.querySelector('[data-notice=unreached]'));
    assert.equal(await page.textContent('#state-text'), 'Not reached');
    assert.match(await page.textContent('[data-notice=unreached]'), /Trying again every 5 seconds/);
    await accessible(page, 'not reached');
    way = await gate(way.port);
    await until(page, 'the service again', () => !document.querySelector('[data-notice=unreached]')
      && document.querySelector('#state-text').textContent === 'Not ready');
  });
  await way.close();
}

// --- the pictures of the documentation -----------------------------------------------------------

async function pictures() {
  for (const [colorScheme, name] of [['light', 'console'], ['dark', 'console-dark']]) {
    await browsing(async (page) => {
      await page.goto(base);
      await until(page, 'all tiles', published);
      await pastIsDrawn(page);
      await page.evaluate(() => {
        scrollTo(0, 0);
        document.activeElement.blur();
      });
      await page.mouse.move(0, 0);
      const height = await page.evaluate(() => Math.ceil(document.querySelector('#cohorts').getBoundingClientRect().bottom) + 12);
      await picture(page, name, { clip: { x: 0, y: 0, width: 1200, height } });
    }, { colorScheme, viewport: { width: 1200, height: 1400 } });
  }
}

const scenarios = { ready, withheld, 'not-ready': notReady, pictures };
await scenarios[scenario]();
