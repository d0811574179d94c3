//! `tenure check`: is the configuration right, and does the topic hold what it should?

mod findings;
mod sample;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::command::Failure;
use crate::command::check::findings::Findings;
use crate::command::check::sample::Sample;
use crate::command::configuration::{ConfigurationArgs, WebArgs};
use crate::command::schemas::KnownSchemas;
use crate::command::topics::describe;
use crate::config::Settings;
use crate::config::web::WebFile;
use crate::kafka::client::{Consumer, Context, configuration};
use crate::kafka::progress::Start;
use crate::kafka::watch::{Unreadable, starts, starts_of_any};
use crate::ledger::corrections::{Offsets, Skip};
use crate::telemetry::Telemetry;

const EXAMPLES: &str = "\
Examples:
  # Everything: configuration, brokers, topics, permissions, and a sample of records
  tenure check --config tenure.yaml

  # The configuration alone, for instance in CI
  tenure check --config tenure.yaml --offline --deny-warnings
";

const NOTES: &str = "\
Exit codes: 0 nothing is wrong, 69 Kafka or a topic is unavailable, 78 the configuration is wrong,
the topic cannot be read as it is, or there are warnings with --deny-warnings.";

/// How long the brokers may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Validate the configuration, and what is in Kafka
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct CheckArgs {
    #[command(flatten)]
    pub configuration: ConfigurationArgs,

    #[command(flatten)]
    pub web: WebArgs,

    /// Do not talk to Kafka
    #[arg(long)]
    pub offline: bool,

    /// Let warnings fail the check
    #[arg(long)]
    pub deny_warnings: bool,

    /// Records to look at, at most
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub sample: u32,
}

/// Writes what was found to stdout, one line each.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let settings = args.configuration.load_serving(&args.web, None)?;
    let mut findings = Findings::new(!settings.warnings.is_empty());
    findings.good("the configuration is valid");
    if let Some(web) = &settings.web {
        findings.good(&format!("the web config file is valid: {}", admitted(web)));
    } else if settings.api.open && !settings.listen.ip().to_canonical().is_loopback() {
        findings.note(
            "api.open is true and there are no users: whoever can connect can read all numbers",
        );
    }
    if settings.built_in_digest_key {
        findings.note(
            "customer_digest_key_file is not set: anybody can compute the digest of a customer id",
        );
    }
    if settings.tells_customers_in_the_clear() {
        findings.warning(IN_THE_CLEAR);
    }
    for correction in settings.fold.corrections.given() {
        findings.note(&format!(
            "correction `{}`: skips {correction}",
            correction.note
        ));
    }
    for sentence in settings.alert_setup().missing() {
        findings.warning(&sentence);
    }
    if let Some(to) = &settings.router.to {
        findings.note(&format!(
            "the topics are routed to {to}, so their keys and numbers of partitions do not matter"
        ));
    }
    sharing::settings_found(&settings, &mut findings);
    if !args.offline {
        look_at_kafka(args, &settings.of_the_sources(), &mut findings)?;
    }
    findings.verdict(args.deny_warnings)
}

/// What is wrong where instances ask each other without TLS.
pub(super) const IN_THE_CLEAR: &str = "other instances reach this one by plain http, so ids of \
     customers that are looked up, and the token, travel unencrypted: configure TLS \
     (web.config_file) and an https address (cluster.advertise)";

/// Whom a web config file lets in.
fn admitted(web: &WebFile) -> String {
    let settings = &web.settings;
    let tls = if settings.tls.is_some() {
        "TLS"
    } else {
        "no TLS"
    };
    let clients = if settings.clients_verified {
        "certificates of clients are needed"
    } else {
        "no certificates of clients are needed"
    };
    match settings.users.len() {
        0 => format!("{tls}, {clients}, no users"),
        1 => format!("{tls}, {clients}, one user"),
        users => format!("{tls}, {clients}, {users} users"),
    }
}

fn look_at_kafka(
    args: &CheckArgs,
    settings: &Settings,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let topics = &settings.kafka.topics;
    let telemetry = Telemetry::new().map_err(|error| Failure::work(error.to_string()))?;
    let context = Context::new(Arc::new(telemetry));
    let consumer: Consumer = configuration(&settings.kafka)
        .create_with_context(context)
        .map_err(|error| Failure::configuration(format!("kafka.properties: {error}")))?;
    let servers = &settings.kafka.bootstrap_servers;
    if let Err(error) = consumer.fetch_metadata(None, PATIENCE) {
        return Err(Failure::unavailable(format!(
            "no broker answers at {servers}: {error}; check kafka.bootstrap_servers and, for TLS or \
             SASL, kafka.properties"
        )));
    }
    findings.good(&format!("brokers answer at {servers}"));
    let routed = settings.router.to.is_some();
    let starts = if routed {
        starts_of_any(&consumer, topics)
    } else {
        starts(&consumer, topics)
    };
    let starts = starts.map_err(|error| match error {
        Unreadable::NotCopartitioned { .. } => Failure::configuration(error.to_string()),
        Unreadable::Missing { .. } | Unreadable::Client(_) => Failure::unavailable(format!(
            "{error}; check kafka.topics and the permission to READ"
        )),
    })?;
    topics_found(settings, &starts, findings);
    sources_found(settings, findings);
    dead_letters(&consumer, settings, findings);
    sharing::report_topic(&consumer, settings, findings);
    may_commit(&consumer, settings, &starts, findings);
    if !routed {
        corrections_found(settings, &starts, findings);
        retention(settings, findings);
    }
    let schemas = KnownSchemas::of(settings)?;
    let sample = Sample::read(&consumer, settings, &schemas, &starts, args.sample as usize)
        .map_err(|error| Failure::unavailable(format!("could not read a sample: {error}")))?;
    schemas.complete()?;
    sample.tell(settings, findings);
    Ok(())
}

fn topics_found(settings: &Settings, starts: &[Start], findings: &mut Findings) {
    for (topic, name) in settings.kafka.topics.iter().enumerate() {
        let of_topic = || {
            starts
                .iter()
                .filter(move |start| start.place.topic == topic)
        };
        let records: i64 = of_topic()
            .map(|start| start.end_offset - start.first_offset)
            .sum();
        let partitions = of_topic().count();
        findings.good(&format!(
            "topic {name}: {partitions} partitions, about {records} records"
        ));
        let headless = of_topic().filter(|start| start.first_offset > 0).count();
        if headless > 0 && settings.evaluation.customer_base_complete_since.is_none() {
            findings.warning(&format!(
                "topic {name}: {headless} partitions no longer hold their first records, so \
                 customers from before are unknown; retention and churn are withheld for periods \
                 that begin before customer_base_complete_since, or one inactivity_timeout after \
                 the first record"
            ));
        }
    }
}

fn sources_found(settings: &Settings, findings: &mut Findings) {
    for (topic, how) in settings.described_sources() {
        let rules = settings.fold.sources.of(topic);
        let rules = rules.map_or(0, |rules| rules.events.len());
        findings.good(&format!("source of {topic}: {how}, {rules} rules"));
    }
}

/// A correction by offsets that are not there skips nothing, or not what was meant.
fn corrections_found(settings: &Settings, starts: &[Start], findings: &mut Findings) {
    for correction in settings.fold.corrections.given() {
        let Skip::Offsets(range) = &correction.skip else {
            continue;
        };
        let Offsets {
            topic,
            partition,
            first,
            last,
        } = range;
        let place = starts
            .iter()
            .find(|start| *start.topic == **topic && start.place.partition == *partition);
        let trouble = match place {
            None => "there is no such partition".to_owned(),
            Some(start) if *first >= start.end_offset => {
                format!("the partition ends at {}", start.end_offset)
            }
            Some(start) if *last < start.first_offset => {
                format!("the partition begins at {}", start.first_offset)
            }
            Some(_) => continue,
        };
        findings.warning(&format!(
            "correction `{}` skips nothing of {topic} partition {partition}, offsets \
             {first}..{last}: {trouble}",
            correction.note
        ));
    }
}

/// Rejected records wait for their topic, and positions with them.
fn dead_letters(consumer: &Consumer, settings: &Settings, findings: &mut Findings) {
    let Some(name) = &settings.dead_letters.topic else {
        return;
    };
    let metadata = consumer.fetch_metadata(Some(name), PATIENCE);
    let exists = metadata.is_ok_and(|metadata| {
        let found = metadata.topics().iter().find(|found| found.name() == name);
        found.is_some_and(|found| found.error().is_none() && !found.partitions().is_empty())
    });
    if exists {
        findings.good(&format!("topic {name}: takes rejected records"));
    } else {
        findings.warning(&format!(
            "topic {name} (dead_letters.topic) does not exist, or may not be seen: rejected records \
             will wait for it in memory, and positions with them; create it and grant WRITE"
        ));
    }
}

fn may_commit(consumer: &Consumer, settings: &Settings, starts: &[Start], findings: &mut Findings) {
    let mut list = TopicPartitionList::new();
    for start in starts {
        list.add_partition(&start.topic, start.place.partition);
    }
    let group = &settings.kafka.group_id;
    match consumer.committed_offsets(list, PATIENCE) {
        Ok(_) => findings.good(&format!("group {group} may be used")),
        Err(error) => findings.warning(&format!(
            "group {group} cannot be used ({error}): positions will not be committed, so lag tools \
             show nothing; grant READ on the group"
        )),
    }
}

/// Topics that delete records lose what Tenure would have to read again.
fn retention(settings: &Settings, findings: &mut Findings) {
    let configs = describe(&settings.kafka, &settings.kafka.topics);
    for (topic, entries) in settings.kafka.topics.iter().zip(configs) {
        let Some(entries) = entries else {
            findings.note(&format!(
                "topic {topic}: its retention cannot be read (needs DESCRIBE_CONFIGS)"
            ));
            continue;
        };
        let value = |name: &str| {
            entries
                .iter()
                .find(|(key, _)| key == name)
                .and_then(|(_, value)| value.clone())
        };
        let millis: i64 = value("retention.ms")
            .and_then(|text| text.parse().ok())
            .unwrap_or(-1);
        let deletes = value("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
        if deletes && millis >= 0 && millis < settings.fold.history_millis {
            findings.warning(&format!(
                "topic {topic} keeps records for {} days only (retention.ms={millis}): what is \
                 older is in the checkpoints alone, and cannot be read again for changed settings or \
                 corrections; retention.ms=-1 keeps everything",
                millis / 86_400_000
            ));
        }
        if value("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
            findings.warning(&format!(
                "topic {topic} is compacted: of each key only the newest record is kept, so events \
                 are lost"
            ));
        }
    }
}
