//! A strict reader of both formats, and what it makes of the writer's pages.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::event::Timestamp;
use crate::measure::report::{Family, Report, Sample};
use crate::measure::{MEASURES, Measure};
use crate::telemetry::Telemetry;
use crate::telemetry::catalogue::CATALOGUE;

/// Name, labels and value of a line.
pub type ReadSample = (String, Vec<(String, String)>, f64);

/// A family as it was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadFamily {
    pub kind: String,
    pub unit: Option<String>,
    pub help: String,
    pub samples: Vec<ReadSample>,
}

/// Reads a page and panics at the first thing that its format does not allow.
pub fn read(page: &str, format: Format) -> BTreeMap<String, ReadFamily> {
    let body = match format {
        Format::Text004 => page,
        Format::OpenMetrics100 => page.strip_suffix("# EOF\n").expect("ends with # EOF"),
    };
    assert!(
        body.is_empty() || body.ends_with('\n'),
        "the last line is whole"
    );
    let mut reader = Reader {
        format,
        ..Reader::default()
    };
    for line in body.lines() {
        reader.line(line);
    }
    reader.close();
    reader.families
}

struct Reader {
    format: Format,
    families: BTreeMap<String, ReadFamily>,
    open: Option<(String, ReadFamily)>,
    metadata: Vec<String>,
    series: BTreeSet<(String, Vec<(String, String)>)>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            format: Format::Text004,
            families: BTreeMap::new(),
            open: None,
            metadata: Vec::new(),
            series: BTreeSet::new(),
        }
    }
}

impl Reader {
    fn line(&mut self, line: &str) {
        match line.strip_prefix("# ") {
            Some(metadata) => self.metadata(metadata),
            None => self.sample(line),
        }
    }

    fn metadata(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let keyword = words.next().expect("a keyword");
        let name = words.next().expect("a name").to_owned();
        let rest = words.next().expect("a text");
        assert!(metric_name(&name), "{name:?}");
        if self.open.as_ref().is_none_or(|(open, _)| *open != name) {
            self.close();
            self.open = Some((name, ReadFamily::default()));
        }
        let (_, family) = self.open.as_mut().expect("just opened");
        assert!(
            family.samples.is_empty(),
            "metadata stands before samples: {line}"
        );
        match keyword {
            "TYPE" => family.kind = rest.to_owned(),
            "UNIT" => family.unit = Some(rest.to_owned()),
            "HELP" => family.help = unescape(rest, self.format == Format::OpenMetrics100),
            _ => panic!("unknown metadata: {line}"),
        }
        self.metadata.push(keyword.to_owned());
    }

    fn sample(&mut self, line: &str) {
        let format = self.format;
        let (name, labels, value) = sample(line);
        let (family_name, family) = self.open.as_mut().expect("metadata comes first");
        let suffix = name
            .strip_prefix(family_name.as_str())
            .expect("of the open family");
        let le = labels.iter().any(|(label, _)| label == "le");
        match (family.kind.as_str(), format) {
            ("gauge", _) | ("counter", Format::Text004) => assert_eq!(suffix, "", "{line}"),
            ("counter", Format::OpenMetrics100) => assert_eq!(suffix, "_total", "{line}"),
            ("histogram", _) => {
                assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}");
                assert_eq!(suffix == "_bucket", le, "{line}");
            }
            (kind, _) => panic!("unknown type {kind}: {line}"),
        }
        assert!(
            self.series.insert((name.clone(), labels.clone())),
            "a series stands once: {line}"
        );
        family.samples.push((name, labels, value));
    }

    fn close(&mut self) {
        let metadata = std::mem::take(&mut self.metadata).join(" ");
        let Some((name, family)) = self.open.take() else {
            return;
        };
        match (self.format, &family.unit) {
            (Format::Text004, _) => assert_eq!(metadata, "HELP TYPE", "{name}"),
            (Format::OpenMetrics100, None) => assert_eq!(metadata, "TYPE HELP", "{name}"),
            (Format::OpenMetrics100, Some(unit)) => {
                assert_eq!(metadata, "TYPE UNIT HELP", "{name}");
                assert!(name.ends_with(&format!("_{unit}")), "{name} {unit}");
            }
        }
        assert!(!family.samples.is_empty(), "{name} has no samples");
        let earlier = self.families.insert(name.clone(), family);
        assert!(earlier.is_none(), "{name} stands once");
    }
}

fn sample(line: &str) -> ReadSample {
    let end = line.find(['{', ' ']).expect("a name and a value");
    let (name, mut rest) = line.split_at(end);
    assert!(metric_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inside.split_once("=\"").expect("a label");
            assert!(label_name(label), "{line}");
            let end = closing_quote(after).expect("a closed value");
            labels.push((label.to_owned(), unescape(&after[..end], true)));
            inside = &after[end + 1..];
            match inside.strip_prefix(',') {
                Some(more) => inside = more,
                None => break,
            }
        }
        rest = inside.strip_prefix('}').expect("closed labels");
    }
    let value = rest.strip_prefix(' ').expect("one blank");
    assert!(!value.contains(' '), "no timestamp: {line}");
    (name.to_owned(), labels, number(value))
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ => {
            let plain = text.bytes().all(|byte| b"0123456789+-.e".contains(&byte));
            assert!(plain, "a number: {text:?}");
            text.parse().expect("a number")
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => assert!(!character.is_ascii_control(), "{text:?}"),
        }
    }
    None
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut characters = text.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        if character != '\\' {
            assert!(!quotes || character != '"', "a bare quote: {text:?}");
            plain.push(character);
            continue;
        }
        plain.push(match characters.next() {
            Some('\\') => '\\',
            Some('n') => '\n',
            Some('"') if quotes => '"',
            other => panic!("no such escape: {other:?} in {text:?}"),
        });
    }
    plain
}

fn label_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn metric_name(name: &str) -> bool {
    label_name(&name.replace(':', "_"))
}

/// A report of the catalogue's families with the given samples; the others have none.
pub fn report(samples: &[(&str, &[&'static str], f64)]) -> Report {
    let family = |measure: &'static Measure| {
        let samples = samples.iter().filter(|(name, _, _)| *name == measure.name);
        let family = Family::empty(measure, &["plan".to_owned()]);
        let sample = |(_, values, value): &(&str, &[&'static str], f64)| {
            assert_eq!(family.label_names.len(), values.len(), "{}", measure.name);
            let labels: Vec<_> = values.iter().map(|value| Cow::Borrowed(*value)).collect();
            Sample::new(labels, *value)
        };
        let samples = samples.map(sample).collect();
        Family { samples, ..family }
    };
    Report {
        families: MEASURES.iter().map(family).collect(),
        ..Report::empty(Timestamp::from_millis(1_795_000_000_123))
    }
}

fn page(format: Format, write: impl FnOnce(&mut Exposition)) -> String {
    let mut exposition = Exposition::new(format);
    write(&mut exposition);
    exposition.finish()
}

const FORMATS: [Format; 2] = [Format::Text004, Format::OpenMetrics100];

fn small_report() -> Report {
    report(&[
        ("tenure_customers", &[], 900.0),
        ("tenure_retention_ratio", &["30d"], 0.7),
        ("tenure_retention_ratio", &["last_month"], 1.0 / 3.0),
        ("tenure_departures", &["30d", "too \"dear\"\nC:\\"], 300.0),
        ("tenure_nps_score", &["30d"], -100.0),
    ])
}

#[test]
fn a_report_reads_as_text_004() {
    let expected = r#"# HELP tenure_customers Customers active at the instant of the report.
# TYPE tenure_customers gauge
tenure_customers 900
# HELP tenure_retention_ratio Share of the customers active at the start of the period who are active at its end, 0 to 1.
# TYPE tenure_retention_ratio gauge
tenure_retention_ratio{period="30d"} 0.7
tenure_retention_ratio{period="last_month"} 0.3333333333333333
# HELP tenure_departures Spells that ended in the period, by reason: that of the churn event, unspecified, or inactivity (inactivity_timeout).
# TYPE tenure_departures gauge
tenure_departures{period="30d",reason="too \"dear\"\nC:\\"} 300
# HELP tenure_nps_score Net Promoter Score by each customer's latest answer in the period, -100 to 100.
# TYPE tenure_nps_score gauge
tenure_nps_score{period="30d"} -100
"#;
    let page = page(Format::Text004, |page| page.report(&small_report()));
    assert_eq!(page, expected);
}

#[test]
fn a_report_reads_as_openmetrics() {
    let expected = r#"# TYPE tenure_customers gauge
# HELP tenure_customers Customers active at the instant of the report.
tenure_customers 900
# TYPE tenure_retention_ratio gauge
# UNIT tenure_retention_ratio ratio
# HELP tenure_retention_ratio Share of the customers active at the start of the period who are active at its end, 0 to 1.
tenure_retention_ratio{period="30d"} 0.7
tenure_retention_ratio{period="last_month"} 0.3333333333333333
# TYPE tenure_departures gauge
# HELP tenure_departures Spells that ended in the period, by reason: that of the churn event, unspecified, or inactivity (inactivity_timeout).
tenure_departures{period="30d",reason="too \"dear\"\nC:\\"} 300
# TYPE tenure_nps_score gauge
# HELP tenure_nps_score Net Promoter Score by each customer's latest answer in the period, -100 to 100.
tenure_nps_score{period="30d"} -100
# EOF
"#;
    let page = page(Format::OpenMetrics100, |page| page.report(&small_report()));
    assert_eq!(page, expected);
}

/// A counter, a gauge and a histogram of a registry, with a help that needs its escapes.
fn registry() -> prometheus::Registry {
    let registry = prometheus::Registry::new();
    let counter = prometheus::IntCounter::new("read_bytes_total", "A \"quoted\" \\ help.");
    let gauge = prometheus::Gauge::new("width", "Wide.");
    let buckets = prometheus::HistogramOpts::new("wait_seconds", "Waited.").buckets(vec![
        0.0001,
        0.5,
        1.0,
        1_000_000.0,
    ]);
    let histogram = prometheus::Histogram::with_opts(buckets).expect("a histogram");
    let (counter, gauge) = (counter.expect("a counter"), gauge.expect("a gauge"));
    counter.inc_by(17);
    gauge.set(f64::INFINITY);
    histogram.observe(0.75);
    histogram.observe(2.0);
    registry.register(Box::new(counter)).expect("registered");
    registry.register(Box::new(gauge)).expect("registered");
    registry.register(Box::new(histogram)).expect("registered");
    registry
}

#[test]
fn counters_gauges_and_histograms_read_as_text_004() {
    let expected = r#"# HELP read_bytes_total A "quoted" \\ help.
# TYPE read_bytes_total counter
read_bytes_total 17
# HELP wait_seconds Waited.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.0001"} 0
wait_seconds_bucket{le="0.5"} 0
wait_seconds_bucket{le="1.0"} 1
wait_seconds_bucket{le="1e+06"} 2
wait_seconds_bucket{le="+Inf"} 2
wait_seconds_sum 2.75
wait_seconds_count 2
# HELP width Wide.
# TYPE width gauge
width +Inf
"#;
    let page = page(Format::Text004, |page| page.gathered(&registry().gather()));
    assert_eq!(page, expected);
}

#[test]
fn counters_gauges_and_histograms_read_as_openmetrics() {
    let expected = r#"# TYPE read_bytes counter
# UNIT read_bytes bytes
# HELP read_bytes A \"quoted\" \\ help.
read_bytes_total 17
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
# HELP wait_seconds Waited.
wait_seconds_bucket{le="0.0001"} 0
wait_seconds_bucket{le="0.5"} 0
wait_seconds_bucket{le="1.0"} 1
wait_seconds_bucket{le="1e+06"} 2
wait_seconds_bucket{le="+Inf"} 2
wait_seconds_sum 2.75
wait_seconds_count 2
# TYPE width gauge
# HELP width Wide.
width +Inf
# EOF
"#;
    let page = page(Format::OpenMetrics100, |page| {
        page.gathered(&registry().gather());
    });
    assert_eq!(page, expected);
}

#[test]
fn bounds_of_buckets_are_canonical() {
    for (bound, expected) in [
        (0.0, "0.0"),
        (0.001, "0.001"),
        (1e-10, "1e-10"),
        (0.00002, "2e-05"),
        (0.0001, "0.0001"),
        (1.0, "1.0"),
        (1.7, "1.7"),
        (10.0, "10.0"),
        (100_000.0, "100000.0"),
        (1e6, "1e+06"),
        (2_592_000.0, "2.592e+06"),
        (1e10, "1e+10"),
        (f64::INFINITY, "+Inf"),
    ] {
        assert_eq!(canonical(bound), expected);
    }
}

#[test]
fn a_value_that_is_not_a_number_and_a_family_without_samples_leave_nothing_behind() {
    let report = report(&[("tenure_nps_score", &["30d"], f64::NAN)]);
    assert_eq!(page(Format::Text004, |page| page.report(&report)), "");
    assert_eq!(
        page(Format::OpenMetrics100, |page| page.report(&report)),
        "# EOF\n"
    );
}

#[test]
fn no_two_metrics_clash_in_openmetrics() {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let telemetry = Telemetry::new().expect("registered");
    let gathered = telemetry.families();
    let process = gathered
        .iter()
        .filter(|family| family.name().starts_with("process_"))
        .map(|family| match family.get_field_type() {
            MetricType::COUNTER => (family.name(), Kind::Counter),
            _ => (family.name(), Kind::Gauge),
        });
    let all = CATALOGUE
        .iter()
        .map(|instrument| (instrument.name, instrument.kind))
        .chain(MEASURES.iter().map(|measure| (measure.name, Kind::Gauge)))
        .chain(process);
    for (name, kind) in all {
        let base = name.strip_suffix("_total").unwrap_or(name);
        let suffixes: &[&str] = match kind {
            Kind::Gauge => &[""],
            Kind::Counter => &["", "_total", "_created"],
            Kind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
        };
        for suffix in suffixes {
            let earlier = taken.insert(format!("{base}{suffix}"), name);
            assert_eq!(earlier, None, "{name} takes {base}{suffix}");
        }
    }
    assert!(taken.len() > MEASURES.len() + CATALOGUE.len());
}

/// Texts made of what breaks text formats.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\\".to_owned()),
        Just("\"".to_owned()),
        Just("\n".to_owned()),
        Just("\\n".to_owned()),
        Just("\r".to_owned()),
        Just("\0".to_owned()),
        Just("\u{7f}\u{2028}".to_owned()),
        Just("} 1\nx{a=\"".to_owned()),
        Just("# EOF\n".to_owned()),
        "[a-z ,={}#]{0,4}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// What a reader sees of a text: control characters that have no escape come as their pictures.
fn seen(raw: &str) -> String {
    raw.chars()
        .map(|character| match character {
            '\n' => '\n',
            '\u{7f}' => '␡',
            control if control < ' ' => char::from_u32(control as u32 + 0x2400).expect("a picture"),
            other => other,
        })
        .collect()
}

fn number_of_any_kind() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("never NaN", |value| !value.is_nan()),
        (-1000i32..1000).prop_map(f64::from),
        (0i64..4_000_000_000_000).prop_map(|millis| millis as f64 / 1000.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
    ]
}

proptest! {
    #[test]
    fn whatever_labels_and_values_hold_is_read_back(
        departures in prop::collection::btree_map(hostile().prop_map(|raw| seen(&raw)), (hostile(), number_of_any_kind()), 1..6),
    ) {
        // Keys that differ after mapping keep the series apart; the periods are the raw texts.
        let mut report = report(&[]);
        let family = report
            .families
            .iter_mut()
            .find(|family| family.measure.name == "tenure_departures")
            .expect("in the catalogue");
        family.samples = departures
            .iter()
            .map(|(reason, (period, value))| {
                Sample::new([period.clone().into(), reason.clone().into()], *value)
            })
            .collect();
        for format in FORMATS {
            let families = read(&page(format, |page| page.report(&report)), format);
            let expected: Vec<_> = departures
                .iter()
                .map(|(reason, (period, value))| {
                    let labels = vec![
                        ("period".to_owned(), seen(period)),
                        ("reason".to_owned(), seen(reason)),
                    ];
                    ("tenure_departures".to_owned(), labels, *value)
                })
                .collect();
            prop_assert_eq!(&families["tenure_departures"].samples, &expected);
            prop_assert_eq!(families.len(), 1);
        }
    }

    #[test]
    fn whatever_a_help_and_a_registry_hold_is_read_back(
        help in hostile().prop_filter("a help is required", |help| !help.is_empty()),
        label in hostile(),
        observed in prop::collection::vec(number_of_any_kind(), 0..20),
        bounds in prop::collection::btree_set(1i64..10_000_000, 1..8),
        counted in 0u64..1 << 53,
    ) {
        let registry = prometheus::Registry::new();
        let counter = prometheus::IntCounterVec::new(
            prometheus::Opts::new("seen_total", &help), &["what"]).expect("a counter");
        let bounds: Vec<f64> = bounds.iter().map(|bound| *bound as f64 / 1000.0).collect();
        let histogram = prometheus::Histogram::with_opts(
            prometheus::HistogramOpts::new("wait_seconds", &help).buckets(bounds.clone())).expect("a histogram");
        registry.register(Box::new(counter.clone())).expect("registered");
        registry.register(Box::new(histogram.clone())).expect("registered");
        counter.with_label_values(&[label.as_str()]).inc_by(counted);
        for value in &observed {
            histogram.observe(*value);
        }
        for format in FORMATS {
            let families = read(&page(format, |page| page.gathered(&registry.gather())), format);
            let seen_family = match format {
                Format::Text004 => &families["seen_total"],
                Format::OpenMetrics100 => &families["seen"],
            };
            prop_assert_eq!(&seen_family.help, &seen(&help));
            prop_assert_eq!(&seen_family.samples, &vec![(
                "seen_total".to_owned(), vec![("what".to_owned(), seen(&label))], counted as f64)]);
            let buckets: Vec<(f64, f64)> = families["wait_seconds"]
                .samples
                .iter()
                .filter(|(name, _, _)| name.ends_with("_bucket"))
                .map(|(_, labels, count)| (number(&labels[0].1), *count))
                .collect();
            let expected: Vec<(f64, f64)> = bounds
                .iter()
                .copied()
                .chain([f64::INFINITY])
                .map(|bound| (bound, observed.iter().filter(|value| **value <= bound).count() as f64))
                .collect();
            prop_assert_eq!(buckets, expected);
        }
    }
}
