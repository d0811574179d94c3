// The past of a running Tenure as Prometheus would have scraped it:
// `node history.mjs TENURE INSTANCE SPAN STEP` prints the reports of the last SPAN seconds, one every
// STEP seconds, as OpenMetrics with time stamps, for `promtool tsdb create-blocks-from openmetrics`.

const [tenure, instance, span, step] = process.argv.slice(2);
const now = Math.floor(Date.now() / 1000);
const families = new Map();

const quoted = (text) => JSON.stringify(String(text)).replaceAll('\\\\', '\\\\');

for (let at = now - Number(span); at < now - 60; at += Number(step)) {
  const when = new Date(at * 1000).toISOString();
  const response = await fetch(`${tenure}/api/v1/report?at=${when}`);
  if (!response.ok) throw new Error(`${when}: ${response.status} ${await response.text()}`);
  const { measures } = await response.json();
  for (const { name, series } of measures) {
    const lines = families.get(name) ?? [];
    families.set(name, lines);
    for (const { labels, value } of series) {
      const all = Object.entries({ ...labels, job: 'tenure', instance });
      lines.push(`${name}{${all.map(([label, text]) => `${label}=${quoted(text)}`).join(',')}} ${value} ${at}`);
    }
  }
}
for (const [name, lines] of families) process.stdout.write(`# TYPE ${name} gauge\n${lines.join('\n')}\n`);
process.stdout.write('# EOF\n');
