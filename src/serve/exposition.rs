//! The text of a metrics page, in the two formats that Prometheus asks for.
//!
//! Owns the encoding of families and samples as text 0.0.4 and as OpenMetrics 1.0.0. Promises that
//! what it writes can be parsed whatever the label values hold, that there is no NaN, no timestamp,
//! and no family without samples, and that a histogram's bounds read the same in both formats. Does
//! not know which metrics there are, nor HTTP.
//!
//! ```text
//! text 0.0.4                               OpenMetrics 1.0.0
//! # HELP tenure_received_bytes_total ...   # TYPE tenure_received_bytes counter
//! # TYPE tenure_received_bytes_total ...   # UNIT tenure_received_bytes bytes
//! tenure_received_bytes_total 17           # HELP tenure_received_bytes ...
//!                                          tenure_received_bytes_total 17
//!                                          # EOF
//! ```

use std::fmt::{Display, Write};

use prometheus::proto::{Histogram, Metric, MetricFamily, MetricType};

use crate::measure::report::Report;
use crate::telemetry::catalogue::{Instrument, Kind};

/// A text format of the metrics page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// What every Prometheus and every person can read.
    Text004,
    /// With units, and counters named apart from their samples.
    OpenMetrics100,
}

impl Format {
    /// The value of the header `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics100 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page in the making: families one after the other, each once.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
}

/// The family being written; its metadata comes with its first sample.
struct Family<'a> {
    exposition: &'a mut Exposition,
    /// Of the metadata.
    name: &'a str,
    kind: Kind,
    help: &'a str,
    described: bool,
}

impl Exposition {
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            text: String::new(),
        }
    }

    /// Writes the families of a report, all of them gauges.
    pub fn report(&mut self, report: &Report) {
        for family in &report.families {
            let measure = family.measure;
            let mut block = self.family(measure.name, Kind::Gauge, measure.help);
            for sample in &family.samples {
                block.sample(measure.name, family.labelled(sample), sample.value);
            }
        }
    }

    /// Writes a gauge of the catalogue, with the label values of each sample in its order.
    pub fn gauge<'v, const N: usize>(
        &mut self,
        instrument: &Instrument,
        samples: impl IntoIterator<Item = ([&'v str; N], f64)>,
    ) {
        debug_assert_eq!(instrument.labels.len(), N, "{}", instrument.name);
        let mut block = self.family(instrument.name, instrument.kind, instrument.help);
        for (values, value) in samples {
            let labels = instrument.labels.iter().copied().zip(values);
            block.sample(instrument.name, labels, value);
        }
    }

    /// Writes gathered families. Counters, gauges and histograms are all there is: nothing here
    /// registers a summary or an untyped metric, and such a family would be left out.
    pub fn gathered(&mut self, families: &[MetricFamily]) {
        for family in families {
            match family.get_field_type() {
                MetricType::COUNTER => self.counters(family),
                MetricType::GAUGE => self.gauges(family),
                MetricType::HISTOGRAM => self.histograms(family),
                MetricType::SUMMARY | MetricType::UNTYPED => {
                    debug_assert!(false, "{} has no place on the page", family.name());
                }
            }
        }
    }

    /// The families written so far, without an end: parts of a page can be put together.
    #[must_use]
    pub fn into_part(self) -> String {
        self.text
    }

    /// Appends a part that was written before in the same format.
    pub fn part(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The whole page.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics100 {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn counters(&mut self, family: &MetricFamily) {
        let name = family.name();
        let base = name.strip_suffix("_total").unwrap_or(name);
        let (described_as, sampled_as) = match self.format {
            Format::Text004 => (name, name.to_owned()),
            Format::OpenMetrics100 => (base, format!("{base}_total")),
        };
        let mut block = self.family(described_as, Kind::Counter, family.help());
        for metric in family.get_metric() {
            let value = metric.get_counter().get_value();
            block.sample(&sampled_as, labels(metric), value);
        }
    }

    fn gauges(&mut self, family: &MetricFamily) {
        let mut block = self.family(family.name(), Kind::Gauge, family.help());
        for metric in family.get_metric() {
            let value = metric.get_gauge().get_value();
            block.sample(family.name(), labels(metric), value);
        }
    }

    fn histograms(&mut self, family: &MetricFamily) {
        let name = family.name();
        let mut block = self.family(name, Kind::Histogram, family.help());
        for metric in family.get_metric() {
            block.histogram(name, metric, metric.get_histogram());
        }
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &'a str) -> Family<'a> {
        Family {
            exposition: self,
            name,
            kind,
            help,
            described: false,
        }
    }
}

impl Family<'_> {
    /// Writes one line, unless the value is NaN, which must not stand for "missing".
    fn sample<'l>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: f64,
    ) {
        if value.is_nan() {
            return;
        }
        self.describe();
        let text = &mut self.exposition.text;
        text.push_str(name);
        push_labels(text, labels);
        text.push(' ');
        push_value(text, value);
        text.push('\n');
    }

    fn histogram(&mut self, name: &str, metric: &Metric, histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        let buckets = histogram
            .get_bucket()
            .iter()
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            .filter(|(bound, _)| bound.is_finite())
            .chain([(f64::INFINITY, histogram.get_sample_count())]);
        for (bound, count) in buckets {
            let bound = canonical(bound);
            let labels = labels(metric).chain([("le", bound.as_str())]);
            self.sample(&bucket, labels, count as f64);
        }
        let sum = histogram.get_sample_sum();
        let count = histogram.get_sample_count() as f64;
        self.sample(&format!("{name}_sum"), labels(metric), sum);
        self.sample(&format!("{name}_count"), labels(metric), count);
    }

    fn describe(&mut self) {
        if self.described {
            return;
        }
        self.described = true;
        let name = self.name;
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let text = &mut self.exposition.text;
        match self.exposition.format {
            Format::Text004 => {
                push(text, format_args!("# HELP {name} "));
                push_escaped(text, self.help, Quotes::AsTheyAre);
                push(text, format_args!("\n# TYPE {name} {kind}\n"));
            }
            Format::OpenMetrics100 => {
                push(text, format_args!("# TYPE {name} {kind}\n"));
                if let Some(unit) = unit(name) {
                    push(text, format_args!("# UNIT {name} {unit}\n"));
                }
                push(text, format_args!("# HELP {name} "));
                push_escaped(text, self.help, Quotes::Escaped);
                text.push('\n');
            }
        }
    }
}

fn labels(metric: &Metric) -> impl Iterator<Item = (&str, &str)> {
    metric
        .get_label()
        .iter()
        .map(|pair| (pair.name(), pair.value()))
}

/// The units that names here end in.
fn unit(name: &str) -> Option<&'static str> {
    ["seconds", "bytes", "ratio"].into_iter().find(|unit| {
        name.strip_suffix(unit)
            .is_some_and(|rest| rest.ends_with('_'))
    })
}

fn push_labels<'l>(text: &mut String, labels: impl IntoIterator<Item = (&'l str, &'l str)>) {
    let mut before = '{';
    for (name, value) in labels {
        text.push(before);
        text.push_str(name);
        text.push_str("=\"");
        push_escaped(text, value, Quotes::Escaped);
        text.push('"');
        before = ',';
    }
    if before == ',' {
        text.push('}');
    }
}

/// Whether a quote is written with a backslash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Escaped,
    AsTheyAre,
}

/// Other control characters than the line feed have no escape and upset terminals and editors: they
/// become their pictures, so that a NUL is shown as `␀`.
fn push_escaped(text: &mut String, raw: &str, quotes: Quotes) {
    for character in raw.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes == Quotes::Escaped => text.push_str("\\\""),
            '\0'..='\x1f' => text.push(picture(character)),
            '\x7f' => text.push('\u{2421}'),
            _ => text.push(character),
        }
    }
}

fn picture(control: char) -> char {
    char::from_u32(0x2400 + u32::from(control)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Digits where a person can read them, an exponent elsewhere; the shortest text that reads back as
/// the same number.
fn push_value(text: &mut String, value: f64) {
    let size = value.abs();
    if value == 0.0 {
        text.push('0');
    } else if (1e-5..1e15).contains(&size) {
        push(text, value);
    } else {
        text.push_str(&shortest(value));
    }
}

/// A bound of a bucket as OpenMetrics wants it: `0.5`, `1.0`, `1e+06`, `+Inf`.
///
/// Text 0.0.4 would take `1` too, but then the label, and with it the series, would change with the
/// format of the scrape.
fn canonical(bound: f64) -> String {
    let mut text = shortest(bound);
    if bound.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

/// A number as Go prints it with `%g` and as few digits as it takes.
fn shortest(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// Writing to a string cannot fail.
fn push(text: &mut String, what: impl Display) {
    let written = write!(text, "{what}");
    debug_assert!(written.is_ok());
}

#[cfg(test)]
pub(super) mod tests;
