//! The settings of each part, and their checks against each other.
//!
//! Owns the ranges, and the rules that take more than one setting. Promises to go through all of them
//! whatever is wrong with the first, so that one run shows every complaint. Does not know which
//! source is stronger, nor the syntax of single values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Weekday;
use tracing::Level;

use super::ReadFile;
use super::cluster::Used;
use super::complaint::{Complaint, Complaints, Place, quoted};
use super::duration::Written;
use super::keys::Key;
use super::layers::Layers;
use super::reading::{Checked, Reading};
use super::router::read_by_the_service;
use super::settings::{
    DeadLetterSettings, KafkaSettings, LogFormat, LogSettings, Origin, Origins, Settings,
};
use super::values::{self, Trouble};
use crate::event::MAX_DIMENSIONS;
use crate::event::currency::{MAX_ADDED, iso_4217};
use crate::ledger::corrections::Corrections;
use crate::ledger::settings::{Better, CesMax, CesScale, DigestKey, FoldSettings};
use crate::ledger::sources::Sources;
use crate::measure::period::Period;
use crate::measure::settings::{CustomerStart, EvaluationSettings};

const SECOND: i64 = 1000;
pub(super) const DAY: i64 = 86_400 * SECOND;

/// All instants an event can have lie within a hundred years.
const LONGEST_HISTORY: i64 = 36_500 * DAY;
/// Ten years of months; each cohort costs its months of cells.
const MOST_COHORTS: usize = 120;
/// Each period costs a walk over all customers, and its series.
const MOST_PERIODS: usize = 50;

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
const CUSTOMER_STARTS: [(&str, CustomerStart); 2] = [
    ("signup", CustomerStart::Signup),
    ("purchase", CustomerStart::Purchase),
];
const CES_MAXIMA: [(&str, CesMax); 2] = [("5", CesMax::Five), ("7", CesMax::Seven)];
const BETTER_ENDS: [(&str, Better); 2] = [("low", Better::Low), ("high", Better::High)];
const LOG_FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
const LOG_LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

/// Reads all settings; None where an error among the complaints left a hole.
pub fn settings(
    layers: Layers,
    folder: &Path,
    read_file: &ReadFile<'_>,
    complaints: &mut Complaints,
) -> Option<Settings> {
    Reading {
        layers,
        folder,
        read_file,
        complaints,
        origins: Origins::default(),
        places: BTreeMap::new(),
        checked: Checked::default(),
    }
    .settings()
}

impl Reading<'_> {
    fn settings(mut self) -> Option<Settings> {
        let listen = self.scalar(Key::Listen, values::listen);
        let interval = self.length(Key::EvaluationInterval, 100, 3600 * SECOND);
        let staleness = self.length(Key::MaxStaleness, SECOND, 365 * DAY);
        let digest_key = self.digest_key();
        let evaluation = self.evaluation();
        let key = digest_key.as_ref().map(|(key, _)| *key);
        let kafka = self.kafka();
        let topics = kafka.as_ref().map(|kafka| kafka.topics.as_slice());
        let (sources, given_sources) = self.sources(topics).unzip();
        let dead_letters = self.dead_letters(kafka.as_ref());
        let router = self.router(kafka.as_ref(), dead_letters.as_ref());
        let kafka = read_by_the_service(kafka, router.as_ref());
        let topics = kafka.as_ref().map(|kafka| kafka.topics.as_slice());
        let (corrections, corrections_files) = self.corrections(key, topics).unzip();
        let mappings = sources.map(Arc::new);
        // What is routed has been mapped, so that the state does not depend on how.
        let routed = router.as_ref().is_some_and(|router| router.to.is_some());
        let folded = mappings
            .clone()
            .map(|mappings| if routed { Arc::default() } else { mappings });
        let fold = self.fold(key, corrections, folded);
        let schema_registry = self.schema_registry();
        if let (Some(mappings), Some(registry)) = (&mappings, &schema_registry) {
            self.check_formats(mappings, registry);
        }
        let periods = evaluation.as_ref().map(|evaluation| &*evaluation.periods);
        let alerts = self.alerts(periods);
        let log = self.log();
        self.check_interval(interval, staleness);
        self.check_history();
        let own_digest_key = digest_key.as_ref().map(|(_, file)| file.is_some());
        let api = self.api(own_digest_key);
        let web = self.web();
        let state = self.state(own_digest_key);
        let used = kafka
            .as_ref()
            .zip(router.as_ref())
            .zip(dead_letters.as_ref());
        let used = used.map(|((kafka, router), letters)| Used::of(kafka, router, letters));
        let cluster = self.cluster(used.as_ref(), own_digest_key);
        let shutdown_grace = self.shutdown_grace();
        let (_, digest_key_file) = digest_key?;
        let (api, token_file) = api?;
        Some(Settings {
            listen: listen?,
            evaluation_interval: Duration::from_millis(u64::try_from(interval?).ok()?),
            max_staleness: Duration::from_millis(u64::try_from(staleness?).ok()?),
            fold: fold?,
            evaluation: evaluation?,
            api,
            web: web?,
            kafka: kafka?,
            state: state?,
            shutdown_grace: shutdown_grace?,
            dead_letters: dead_letters?,
            schema_registry: schema_registry?,
            router: router?,
            cluster: cluster?,
            alerts: alerts?,
            log: log?,
            built_in_digest_key: digest_key_file.is_none(),
            warnings: Complaints::default(),
            digest_key_file,
            token_file,
            corrections_files: corrections_files?,
            mappings: mappings?,
            sources: given_sources?,
            origins: self.origins,
        })
    }

    fn evaluation(&mut self) -> Option<EvaluationSettings> {
        let time_zone = self.scalar(Key::TimeZone, values::time_zone);
        let week_starts_on = self.choice(Key::WeekStartsOn, &WEEKDAYS);
        let periods = self.periods();
        let customer_starts_with = self.choice(Key::CustomerStartsWith, &CUSTOMER_STARTS);
        let timeout = self.optional(Key::InactivityTimeout, |text| {
            values::length(text, 1..=LONGEST_HISTORY)
        });
        let churn_events = self.optional(Key::ChurnEvents, |text| {
            values::choice(text, &[("complete", ())])
        });
        let complete_since = self.optional(Key::CustomerBaseCompleteSince, values::instant);
        let churn_reasons = self.list(Key::ChurnReasons, 1000, values::churn_reason);
        let max_label_values =
            self.scalar(Key::MaxLabelValues, |text| values::count(text, 1..=1000));
        let channels = self.list(Key::Channels, 1000, values::channel);
        let max_segments = self.scalar(Key::MaxSegments, |text| values::count(text, 1..=10_000));
        let cohorts = self.scalar(Key::Cohorts, |text| values::count(text, 1..=MOST_COHORTS));
        self.checked.cohorts = cohorts;
        self.checked.inactivity_timeout_millis = timeout.flatten();
        if let (Some(Some(timeout)), Some(churn_events)) = (timeout, churn_events) {
            self.hint_at_timeout(timeout, churn_events.is_some());
        }
        Some(EvaluationSettings {
            time_zone: time_zone?,
            week_starts_on: week_starts_on?,
            periods: periods?,
            customer_starts_with: customer_starts_with?,
            inactivity_timeout_millis: timeout?,
            churn_events_complete: churn_events?.is_some(),
            customer_base_complete_since: complete_since?,
            churn_reasons: texts(churn_reasons?),
            max_label_values: max_label_values?,
            channels: texts(channels?),
            max_segments: max_segments?,
            cohorts: cohorts?,
        })
    }

    fn fold(
        &mut self,
        digest_key: Option<DigestKey>,
        corrections: Option<Corrections>,
        sources: Option<Arc<Sources>>,
    ) -> Option<FoldSettings> {
        let history = self.length(Key::History, DAY, LONGEST_HISTORY);
        self.checked.history_millis = history;
        let late_after = self.length(Key::LateAfter, 0, 3650 * DAY);
        let duplicate_window = self.length(Key::DuplicateWindow, 0, 365 * DAY);
        let max_future_skew = self.length(Key::MaxFutureSkew, 0, 365 * DAY);
        let currencies = self.list(Key::Currencies, MAX_ADDED, values::currency);
        let dimensions = self.dimensions();
        let max = self.choice(Key::CesMax, &CES_MAXIMA);
        let better = self.choice(Key::CesBetter, &BETTER_ENDS);
        for (code, place) in currencies.iter().flatten() {
            if iso_4217(code) {
                let message = format!("`currencies`: `{code}` is a code of ISO 4217 already");
                let complaint = Complaint::warning(message).at(place.as_ref());
                self.complaints
                    .add(complaint.help("remove it: it is accepted anyway"));
            }
        }
        Some(FoldSettings {
            digest_key: digest_key?,
            history_millis: history?,
            duplicate_window_millis: duplicate_window?,
            max_future_skew_millis: max_future_skew?,
            currencies: currencies?.into_iter().map(|(code, _)| code).collect(),
            ces: CesScale {
                max: max?,
                better: better?,
            },
            dimensions: dimensions?,
            corrections: Arc::new(corrections?),
            sources: sources?,
            late_after_millis: late_after?,
        })
    }

    /// The names of attributes that become labels, each as it must be for that.
    fn dimensions(&mut self) -> Option<Vec<String>> {
        let dimensions = self.list(Key::Dimensions, MAX_DIMENSIONS, values::dimension);
        for (name, place) in dimensions.iter().flatten() {
            if let Some(Trouble { message, help }) = values::risk_of_dimension(name) {
                let message = format!("`dimensions`: {message}");
                self.complaints
                    .add(Complaint::warning(message).at(place.as_ref()).help(help));
            }
        }
        Some(texts(dimensions?))
    }

    fn kafka(&mut self) -> Option<KafkaSettings> {
        let bootstrap_servers = self.scalar(Key::BootstrapServers, values::bootstrap_servers);
        let topics = self.list(Key::Topics, 100, values::topic);
        self.not_empty(
            Key::Topics,
            topics.as_deref(),
            "name at least one topic to read",
        );
        let group_id = self.scalar(Key::GroupId, values::group_id);
        let properties = self.properties();
        Some(KafkaSettings {
            bootstrap_servers: bootstrap_servers?,
            topics: texts(topics?),
            group_id: group_id?,
            properties,
        })
    }

    fn dead_letters(&mut self, kafka: Option<&KafkaSettings>) -> Option<DeadLetterSettings> {
        let topic = self.optional(Key::DeadLettersTopic, values::topic)?;
        let read = |topic: &String| kafka.is_some_and(|kafka| kafka.topics.contains(topic));
        if let Some(topic) = topic.as_ref().filter(|topic| read(topic)) {
            let message = format!("`dead_letters.topic`: `{topic}` is one of `kafka.topics`");
            let help = "name another topic: a rejected record would be read again, rejected again \
                        and written again, for ever";
            self.error(&[Key::DeadLettersTopic], message, help);
        }
        Some(DeadLetterSettings { topic })
    }

    fn log(&mut self) -> Option<LogSettings> {
        let format = self.choice(Key::LogFormat, &LOG_FORMATS);
        let level = self.choice(Key::LogLevel, &LOG_LEVELS);
        Some(LogSettings {
            format: format?,
            level: level?,
        })
    }

    fn periods(&mut self) -> Option<Vec<Period>> {
        let periods = self.list(Key::Periods, MOST_PERIODS, values::period)?;
        self.not_empty(
            Key::Periods,
            Some(&periods),
            "name at least one, for instance 30d",
        );
        for (index, (period, place)) in periods.iter().enumerate() {
            let same = |(other, _): &&(Period, _)| same_length(*other, *period);
            let Some((twin, _)) = periods[..index].iter().find(same) else {
                continue;
            };
            let message = format!("`periods`: `{period}` is as long as `{twin}`");
            self.complaints.add(
                Complaint::warning(message)
                    .at(place.as_ref())
                    .help("remove one of them: their numbers are equal"),
            );
        }
        self.checked.periods.clone_from(&periods);
        Some(periods.into_iter().map(|(period, _)| period).collect())
    }

    fn check_interval(&mut self, interval: Option<i64>, staleness: Option<i64>) {
        let (Some(interval), Some(staleness)) = (interval, staleness) else {
            return;
        };
        if interval > staleness {
            let message = format!(
                "`max_staleness` of {} is shorter than `evaluation_interval` of {}",
                Written(staleness),
                Written(interval)
            );
            let keys = [Key::MaxStaleness, Key::EvaluationInterval];
            self.error(
                &keys,
                message,
                "numbers would be stale before the next ones come",
            );
        }
    }

    fn hint_at_timeout(&mut self, timeout: i64, churn_events_complete: bool) {
        if timeout < DAY {
            let place = self.places.get(&Key::InactivityTimeout);
            let message = format!("`inactivity_timeout` of {} is very short", Written(timeout));
            self.complaints
                .add(Complaint::warning(message).at(place).help(
                    "customers count as lost this long after a sign-up or a purchase; between two \
                     orders pass days or months",
                ));
        }
        if churn_events_complete {
            let place = self.places.get(&Key::ChurnEvents);
            let message = "`churn_events` has no effect together with `inactivity_timeout`";
            self.complaints.add(
                Complaint::warning(message)
                    .at(place)
                    .help("remove one of them: with a timeout churn is known in any case"),
            );
        }
    }

    /// The digest key and the file it is from, if one is configured.
    fn digest_key(&mut self) -> Option<(DigestKey, Option<PathBuf>)> {
        let key = Key::CustomerDigestKeyFile;
        let from_file = matches!(self.layers.origin(key), Some(Origin::File { .. }));
        let file = self.optional(key, |text| match text {
            text if is_key_text(text) => Err(Trouble {
                message: "this is a key, not the path of a file".to_owned(),
                help:
                    "write the key into a file that only Tenure can read, and its path here; make \
                       a new key, as this one has been shown"
                        .to_owned(),
            }),
            text => Ok(PathBuf::from(text)),
        })?;
        let Some(file) = file else {
            return Some((DigestKey::BUILT_IN, None));
        };
        let file = self.located(file, from_file);
        let place = self.places.get(&key).cloned();
        let bytes = self.content(key, &file, &quoted(&file.to_string_lossy()), place.as_ref())?;
        match values::digest_key(&bytes) {
            Ok(digest_key) => Some((digest_key, Some(file))),
            Err(trouble) => {
                self.trouble(key, place.as_ref(), trouble);
                None
            }
        }
    }
}

/// Items without their places.
fn texts(items: Vec<(String, Option<Place>)>) -> Vec<String> {
    items.into_iter().map(|(text, _)| text).collect()
}

/// Whether two rolling periods end and begin at the same instants, as `24h` and `1d` do.
fn same_length(a: Period, b: Period) -> bool {
    let rolling = |period| matches!(period, Period::Rolling { .. });
    rolling(a) && rolling(b) && a.longest_millis() == b.longest_millis()
}

/// Whether the text is a key in digits, of whatever length, instead of a path.
pub(super) fn is_key_text(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
