// Numbers and instants as people read them, in the language of the browser.

const number = (options) => {
  const format = new Intl.NumberFormat(undefined, options);
  return (value) => format.format(value);
};
const decimals = (digits) => ({ minimumFractionDigits: digits, maximumFractionDigits: digits });

export const count = number({ maximumFractionDigits: 0 });
export const percent = number({ style: 'percent', ...decimals(1) });
export const score = number(decimals(1));
export const mean = number(decimals(2));
/** Any number, as exact as is useful. */
export const plain = number({ maximumSignificantDigits: 6 });

const signedCount = number({ maximumFractionDigits: 0, signDisplay: 'exceptZero' });
const signedScore = number({ ...decimals(1), signDisplay: 'exceptZero' });
const signedMean = number({ ...decimals(2), signDisplay: 'exceptZero' });
const signedPercent = number({ style: 'percent', ...decimals(1), signDisplay: 'exceptZero' });
const signedPlain = number({ maximumSignificantDigits: 4, signDisplay: 'exceptZero' });

const amounts = new Map();

/** An amount in a currency; of large ones without the small change. */
export function money(value, currency) {
  const digits = Math.abs(value) >= 1000 ? 0 : undefined;
  const name = `${currency} ${digits}`;
  if (!amounts.has(name)) amounts.set(name, moneyFormat(currency, digits));
  return amounts.get(name)(value);
}

function moneyFormat(currency, digits) {
  const options = digits === undefined ? {} : decimals(digits);
  try {
    return number({ style: 'currency', currency, ...options });
  } catch {
    // What is no code of a currency still is the name of one.
    const format = number(digits === undefined ? decimals(2) : options);
    return (value) => `${format(value)} ${currency}`;
  }
}

/** How a kind of number is shown, alone and as a change. */
export const KINDS = {
  count: { show: count, change: signedCount },
  percent: { show: percent, change: (value) => `${signedScore(value * 100)} pp` },
  score: { show: score, change: (value) => `${signedScore(value)} points` },
  mean: { show: mean, change: signedMean },
  money: { show: plain, change: signedPlain },
  plain: { show: plain, change: signedPlain },
};

/** The kind of number that a metric has, by its name. */
export function kindOf(metric) {
  if (metric.includes('_ratio')) return KINDS.percent;
  if (/nps.*score|nps_change/.test(metric)) return KINDS.score;
  if (/mean_score|orders_per_customer/.test(metric)) return KINDS.mean;
  if (/revenue|value/.test(metric)) return KINDS.money;
  if (/customers|departures|orders|responses/.test(metric)) return KINDS.count;
  return KINDS.plain;
}

/** A relative change, with its sign. */
export const relative = signedPercent;

const instants = new Map();

/** An instant in a zone; the browser's without one. */
export function instant(value, zone, options = { dateStyle: 'medium', timeStyle: 'medium' }) {
  const name = `${zone} ${JSON.stringify(options)}`;
  if (!instants.has(name)) {
    let format;
    try {
      format = new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
    } catch {
      format = new Intl.DateTimeFormat(undefined, { ...options, timeZone: 'UTC' });
    }
    instants.set(name, format);
  }
  return instants.get(name).format(value);
}

/** A length of time in one or two units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const first = units.findIndex(([, length]) => whole >= length);
  if (first < 0) return '0 s';
  const [unit, length] = units[first];
  const text = `${Math.floor(whole / length)} ${unit}`;
  const rest = units[first + 1];
  const more = rest ? Math.floor((whole % length) / rest[1]) : 0;
  return more && first < 3 ? `${text} ${more} ${rest[0]}` : text;
}

/** The name of a period as a label says it, for people. */
export function periodName(period) {
  const rolling = /^(\d+)([mhdw])$/.exec(period);
  if (!rolling) return period.replaceAll('_', ' ');
  const units = { m: 'minute', h: 'hour', d: 'day', w: 'week' };
  return `last ${rolling[1]} ${units[rolling[2]]}${rolling[1] === '1' ? '' : 's'}`;
}

/** The local time of a server's text such as "2026-11-22 11:15:23.554 +00:00", without its fraction. */
export const withoutFraction = (text) => text.replace(/\.\d+/, '');
