// One report, so that numbers are found by name and labels.

export class Report {
  constructor(body) {
    this.at = Date.parse(body.at);
    this.atText = body.at;
    this.periods = body.periods;
    this.historyStart = body.history_start ? Date.parse(body.history_start) : null;
    this.definition = body.definition_hash;
    this.settings = new Map(body.settings.map(({ key, value }) => [key, value]));
    this.measures = new Map(body.measures.map((measure) => [measure.name, measure]));
    this.withheld = new Map();
    for (const { measure, reason } of body.withheld) {
      if (!this.withheld.has(measure)) this.withheld.set(measure, []);
      this.withheld.get(measure).push(reason);
    }
  }

  /** The series of a metric that have these labels: [{ labels, value }]. */
  series(metric, labels = {}) {
    const wanted = Object.entries(labels);
    const all = this.measures.get(metric)?.series ?? [];
    return all.filter((one) => wanted.every(([name, value]) => one.labels[name] === value));
  }

  /** The number with exactly these labels, or null. */
  value(metric, labels = {}) {
    const count = Object.keys(labels).length;
    const same = (one) => Object.keys(one.labels).length === count;
    return this.series(metric, labels).find(same)?.value ?? null;
  }

  help(metric) {
    return this.measures.get(metric)?.help ?? '';
  }

  labels(metric) {
    return this.measures.get(metric)?.labels ?? [];
  }

  /** The configured dimensions, in their order. */
  get dimensions() {
    return this.labels('tenure_segment_retention_ratio').filter((name) => name !== 'period');
  }

  period(name) {
    return this.periods.find(({ period }) => period === name) ?? null;
  }

  /** The currencies of the period, that with the most orders in all periods first: so it stays the same. */
  currencies(period) {
    const orders = new Map();
    for (const { labels: { currency }, value } of this.series('tenure_orders')) {
      orders.set(currency, (orders.get(currency) ?? 0) + value);
    }
    const there = this.series('tenure_orders', { period }).map((one) => one.labels.currency);
    return there.sort((a, b) => orders.get(b) - orders.get(a));
  }
}

/** Why numbers without labels beside the period are missing, as the status tells it. */
export class Missing {
  constructor(status) {
    this.outcomes = new Map();
    for (const one of status?.missing ?? []) {
      this.outcomes.set(`${one.metric} ${one.period ?? ''}`, one);
    }
  }

  of(metric, period) {
    return this.outcomes.get(`${metric} ${period ?? ''}`) ?? this.outcomes.get(`${metric} `) ?? null;
  }
}
