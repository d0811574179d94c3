//! The report topic itself: making it if it is not there, and whether it is as it should be.
//!
//! Promises that a topic which is there is never changed.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;

/// How long the brokers may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the topic is made with: each key keeps its newest record, and soon loses the others, so that
/// who starts reads little. Times are the brokers', as the instances' clocks differ.
const SETTINGS: [(&str, &str); 7] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "300000"),
    ("min.cleanable.dirty.ratio", "0.1"),
    ("max.compaction.lag.ms", "900000"),
    ("delete.retention.ms", "3600000"),
    ("max.message.bytes", "16777216"),
    ("message.timestamp.type", "LogAppendTime"),
];

/// What became of the topic.
#[derive(Debug)]
pub enum Found {
    /// It was there; a warning if it is not as it should be.
    There(Option<String>),
    Made,
}

/// Makes sure that the topic is there.
///
/// # Errors
/// Why it is not, and what to do: what to tell, before trying again.
pub fn ensure(config: &ClientConfig, topic: &str) -> Result<Found, String> {
    let admin: AdminClient<DefaultClientContext> =
        config.create().map_err(|error| error.to_string())?;
    let metadata = admin.inner().fetch_metadata(Some(topic), PATIENCE);
    let metadata = metadata.map_err(|error| error.to_string())?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    if found.is_some_and(|found| !found.partitions().is_empty()) {
        return Ok(Found::There(warning(&admin, topic)));
    }
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1));
    let new = SETTINGS
        .iter()
        .fold(new, |new, (name, value)| new.set(name, value));
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let results = wait(admin.create_topics([&new], &options))?;
    let results = results.map_err(|error| error.to_string())?;
    match results.into_iter().find_map(Result::err) {
        None => {
            tracing::info!(
                topic,
                "made the report topic (cluster.report_topic), compacted, with one partition and the \
                 brokers' default of replicas"
            );
            Ok(Found::Made)
        }
        Some((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(Found::There(None)),
        Some((_, code)) => Err(format!(
            "the topic is not there and cannot be made: {code}; make it yourself, with one partition \
             and cleanup.policy=compact, or grant CREATE"
        )),
    }
}

/// What the settings of a topic that is there should be otherwise. Says nothing if they may not be
/// seen.
fn warning(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Option<String> {
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let named = ResourceSpecifier::Topic(topic);
    let described = admin.describe_configs([&named], &options);
    let described = wait(described).ok()?.ok()?;
    let described = described.into_iter().find_map(Result::ok)?;
    let policy = described.get("cleanup.policy")?.value.as_deref()?;
    (policy != "compact").then(|| {
        format!(
            "the report topic (cluster.report_topic) has cleanup.policy={policy}: set it to compact, \
             or the topic grows for ever, or loses what instances need when they start"
        )
    })
}

/// Waits for an answer on a small runtime of its own.
fn wait<T>(answer: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    Ok(runtime.block_on(answer))
}
