// Questions to the service: what is known at once, and questions about the past, which cost it a pass
// over all customers and are therefore asked one after the other, seldom, and only for what is seen.

/** An answer that is no number: why, and whether asking again may help. */
export class Refused extends Error {
  constructor(message, { code = '', status = 0, again = false } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.again = again;
  }
}

const PATIENCE = { quick: 10_000, past: 80_000 };

/** The JSON at a path of the API, and when the service says it is. */
async function ask(path, patience, signal) {
  const signals = [AbortSignal.timeout(patience)];
  if (signal) signals.push(signal);
  let answer;
  try {
    answer = await fetch(path, { signal: AbortSignal.any(signals), cache: 'no-store' });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused('The service cannot be reached', { again: true });
  }
  const date = Date.parse(answer.headers.get('date') ?? '');
  const text = await answer.text().catch(() => '');
  const body = parsed(text);
  if (!answer.ok) throw refusal(answer.status, body, text);
  if (!body) throw new Refused('The service gave no whole answer', { again: true });
  return { body, now: Number.isNaN(date) ? Date.now() : date };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What the service says when it refuses; a proxy may say it in words of its own. */
function refusal(status, body, text) {
  const words = body?.error?.message ?? (/^\s*</.test(text) ? '' : text.trim().slice(0, 300));
  const message = words || `The service answers with status ${status}`;
  return new Refused(message, { code: body?.error?.code ?? '', status, again: status === 503 });
}

export const status = () => ask('api/v1/status', PATIENCE.quick);
export const report = () => ask('api/v1/report', PATIENCE.quick);

/** The explanations that are being waited for: what nobody waits for stands back. */
const awaited = new Set();
const TRIES = 8;

/** An explanation is asked for by a person: at once, and again while the service has others to answer. */
export async function explanation({ metric, labels }, signal) {
  const query = new URLSearchParams({ metric, ...labels });
  const answer = persistently(`api/v1/explain?${query}`, signal);
  const settled = answer.catch(() => {}).then(() => awaited.delete(settled));
  awaited.add(settled);
  return answer;
}

async function persistently(path, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return (await ask(path, PATIENCE.past, signal)).body;
    } catch (error) {
      if (error.code !== 'busy' || tries === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      signal.throwIfAborted();
    }
  }
}

/** A question about the past is asked again after so long at the earliest. */
const FRESH = 60_000;
/** And after so many times what all those in view took: a page takes this part of a core at most. */
const REST = 30;
/** Whoever still wants an answer says so at each refresh. */
const WANTED = 12_000;
/** Answers that are kept, those not in view too: so a switch back shows them at once. */
const KEPT = 120;

const answers = new Map();
let line = Promise.resolve();

/**
 * What is known about `name`: { body, error }, both null at first. If that is too old, the question is
 * put in line, with the query of the moment when its turn comes, and `changed` is called afterwards.
 */
export function past(name, path, query, changed, fresh = FRESH) {
  const known = answers.get(name) ?? { body: null, error: null, ended: -Infinity, took: 0, waits: false };
  known.wanted = performance.now();
  answers.delete(name);
  answers.set(name, known);
  if (answers.size > KEPT) answers.delete(answers.keys().next().value);
  if (!known.waits && known.wanted >= due(known, fresh)) {
    known.waits = true;
    line = line.then(() => renew(known, path, query, changed));
  }
  return known;
}

/** When it may be asked again. What may succeed soon is tried soon, but not at every refresh. */
function due({ ended, error }, fresh) {
  const now = performance.now();
  const inView = [...answers.values()].filter((one) => now - one.wanted < WANTED);
  const took = inView.reduce((sum, one) => sum + one.took, 0);
  return ended + Math.max(error?.again ? FRESH / 4 : fresh, REST * took);
}

async function renew(known, path, query, changed) {
  await Promise.all(awaited);
  known.waits = false;
  const begun = performance.now();
  if (begun - known.wanted > WANTED) return;
  try {
    known.body = (await ask(`api/v1/${path}?${new URLSearchParams(query())}`, PATIENCE.past)).body;
    known.error = null;
  } catch (error) {
    known.error = error;
  }
  known.ended = performance.now();
  known.took = known.ended - begun;
  changed();
}
