//! What a check says of instances that share the work: what would be refused, what is of no use, and
//! whether the report topic is there or can be made. Changes nothing.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;

use super::PATIENCE;
use crate::command::check::findings::Findings;
use crate::command::topics::describe;
use crate::config::{ClusterSettings, Ownership, Settings, StateUrl};
use crate::kafka::client::{Consumer, configuration};

/// What the settings alone tell.
pub(super) fn settings_found(settings: &Settings, findings: &mut Findings) {
    let cluster = &settings.cluster;
    if cluster.ownership == Ownership::All {
        of_no_use(cluster, findings);
    }
    if cluster.report_topic.is_none() {
        return;
    }
    if cluster.token.is_none() {
        findings.warning(
            "cluster.token_file is not set: instances refuse each other's questions, so the past, \
             series and customers cannot be asked for while an instance does not have all partitions; \
             `openssl rand -hex 32` makes a token, the same for all of them",
        );
    }
    reached_at(settings, findings);
    state_seen_by_all(settings, findings);
}

fn of_no_use(cluster: &ClusterSettings, findings: &mut Findings) {
    if cluster.instance_id.is_some() {
        findings.warning(
            "cluster.instance_id names a member of the group, and with cluster.ownership all there is \
             no group: remove one of them",
        );
    }
    if cluster.report_topic.is_some() {
        findings.warning(
            "cluster.report_topic is for instances that have some of the partitions, and with \
             cluster.ownership all each has all of them: remove one of them",
        );
    }
}

/// Whether others come to this instance as it expects them.
fn reached_at(settings: &Settings, findings: &mut Findings) {
    let web = settings.web.as_ref();
    let encrypted = web.is_some_and(|web| web.settings.tls.is_some());
    let advertised = settings.cluster.advertise.as_deref();
    if encrypted && advertised.is_some_and(|url| url.starts_with("http://")) {
        findings.warning(
            "cluster.advertise says http, and web.config_file has TLS: others will not reach this \
             instance; write https",
        );
    }
}

/// Whoever is given a partition goes on from the checkpoints of whoever had it.
fn state_seen_by_all(settings: &Settings, findings: &mut Findings) {
    match &settings.state.url {
        None => findings.note(
            "state.url is null: each partition that changes hands is read again from its first record",
        ),
        Some(StateUrl::Folder(folder)) if folder.is_relative() => findings.warning(
            "state.url is a relative folder: every instance needs to see the same one, or whoever is \
             given a partition reads it again from where its own folder ends; name a folder that all \
             of them mount, or a bucket",
        ),
        Some(StateUrl::Folder(folder)) => findings.note(&format!(
            "state.url is the folder {}: if instances do not all mount the same, whoever is given a \
             partition reads it again from where its own folder ends",
            folder.display()
        )),
        Some(_) => {}
    }
}

/// Whether the report topic is there, and is as it should be; else whether it can be made.
pub(super) fn report_topic(consumer: &Consumer, settings: &Settings, findings: &mut Findings) {
    let Some(name) = &settings.cluster.report_topic else {
        return;
    };
    let Ok(metadata) = consumer.fetch_metadata(None, PATIENCE) else {
        // The brokers have answered before; who asks again will see.
        return;
    };
    let found = metadata.topics().iter().find(|found| found.name() == name);
    match found.map_or(0, |found| found.partitions().len()) {
        0 => can_be_made(settings, name, findings),
        partitions => {
            if partitions > 1 {
                findings.warning(&format!(
                    "topic {name} (cluster.report_topic) has {partitions} partitions, and the first \
                     one alone is used"
                ));
            }
            is_compacted(settings, name, findings);
        }
    }
}

fn is_compacted(settings: &Settings, name: &String, findings: &mut Findings) {
    let configs = describe(&settings.kafka, std::slice::from_ref(name));
    let entries = configs.into_iter().next().flatten();
    let Some(entries) = entries else {
        findings.note(&format!(
            "topic {name} (cluster.report_topic): whether it is compacted cannot be read (needs \
             DESCRIBE_CONFIGS)"
        ));
        return;
    };
    let policy = entries.iter().find(|(key, _)| key == "cleanup.policy");
    match policy.and_then(|(_, value)| value.as_deref()) {
        Some("compact") | None => findings.good(&format!("topic {name}: takes parts of reports")),
        Some(policy) => findings.warning(&format!(
            "topic {name} (cluster.report_topic) has cleanup.policy={policy}: set it to compact, or it \
             grows for ever, or loses what instances need when they start"
        )),
    }
}

/// Asks the brokers whether they would make the topic, which they do not.
fn can_be_made(settings: &Settings, name: &str, findings: &mut Findings) {
    let refused = match would_be_made(settings, name) {
        Ok(None) => {
            findings.note(&format!(
                "topic {name} (cluster.report_topic) is not there yet: the first instance makes it"
            ));
            return;
        }
        Ok(Some(code)) => code.to_string(),
        Err(reason) => reason,
    };
    findings.warning(&format!(
        "topic {name} (cluster.report_topic) is not there, and cannot be made: {refused}; make it \
         yourself, with one partition and cleanup.policy=compact, or grant CREATE; until then \
         instances withhold their numbers"
    ));
}

/// The refusal of the brokers, if they answer with one.
fn would_be_made(settings: &Settings, name: &str) -> Result<Option<RDKafkaErrorCode>, String> {
    let admin: AdminClient<DefaultClientContext> = configuration(&settings.kafka)
        .create()
        .map_err(|error| error.to_string())?;
    let topic =
        NewTopic::new(name, 1, TopicReplication::Fixed(-1)).set("cleanup.policy", "compact");
    let options = AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .validate_only(true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let results = runtime.block_on(admin.create_topics([&topic], &options));
    let results = results.map_err(|error| error.to_string())?;
    let refused = results.into_iter().find_map(Result::err);
    Ok(refused.map(|(_, code)| code))
}
