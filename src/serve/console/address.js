// The part of the address behind #: what is shown, so that links and the way back work.
//
//   #period=30d                               the period
//   #period=30d&metric=tenure_nps_score       the trend
//   #explain=tenure_nps_score&period=30d      the explanation of a number; other names are its labels

const OWN = ['explain', 'metric'];

/** What the address says: the period, the metric of the trend, and which number to explain. */
export function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const explain = given.get('explain');
  const labels = {};
  for (const [name, value] of given) if (!OWN.includes(name)) labels[name] = value;
  return {
    period: given.get('period'),
    metric: given.get('metric'),
    explain: explain ? { metric: explain, labels } : null,
  };
}

/** Goes to what `shown` says. With `stay`, without a step in the history. */
export function write({ period, metric, explain }, stay = false) {
  const given = new URLSearchParams();
  if (explain) {
    given.set('explain', explain.metric);
    for (const [name, value] of Object.entries(explain.labels)) given.set(name, value);
  }
  if (period && !given.has('period')) given.set('period', period);
  if (metric) given.set('metric', metric);
  const hash = `#${given}`;
  if (hash === location.hash) return;
  if (stay) history.replaceState(null, '', hash);
  else history.pushState(null, '', hash);
}

/** Calls when the address changes by a link or by going back. */
export function watch(changed) {
  addEventListener('hashchange', changed);
  addEventListener('popstate', changed);
}
