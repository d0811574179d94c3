//! The topic that is written to: whether it is as it must be, and making it if it is not there.
//!
//! Promises that a topic which is there is never changed.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How long the brokers may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the topic is made with. Its records are as old as what they tell of, so that by the brokers'
/// usual retention they would be deleted at once; and their timestamps are those of other topics, so
/// that whatever was taken there has to be taken here.
const SETTINGS: [(&str, &str); 3] = [
    ("retention.ms", "-1"),
    ("cleanup.policy", "delete"),
    ("message.timestamp.type", "CreateTime"),
];
/// Not known to brokers before Kafka 3.6.
const TIMESTAMPS_OF_ANY_AGE: (&str, &str) =
    ("message.timestamp.after.max.ms", "9223372036854775807");

/// Why the topic cannot be written to.
#[derive(Debug)]
pub enum Unusable {
    /// It has another number of partitions, this one.
    Partitions(usize),
    /// The client does not take its configuration.
    Client(KafkaError),
    /// It may be later: what to tell.
    NotYet(String),
}

/// Makes sure that the topic is there with so many partitions.
///
/// # Errors
/// If it has another number, or could not be looked for or made.
pub fn ensure(config: &ClientConfig, topic: &str, partitions: i32) -> Result<(), Unusable> {
    let admin: AdminClient<DefaultClientContext> = config.create().map_err(Unusable::Client)?;
    match count(&admin, topic)? {
        0 => create(&admin, topic, partitions),
        found if usize::try_from(partitions) == Ok(found) => Ok(()),
        found => Err(Unusable::Partitions(found)),
    }
}

/// How many partitions the topic has; none if it is not there.
fn count(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<usize, Unusable> {
    // Asked for all topics, as asking for one by its name may make it.
    let metadata = admin.inner().fetch_metadata(None, PATIENCE);
    let metadata = metadata.map_err(|error| Unusable::NotYet(error.to_string()))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    Ok(found.map_or(0, |found| found.partitions().len()))
}

fn create(
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
    partitions: i32,
) -> Result<(), Unusable> {
    let with = |settings: &[(&'static str, &'static str)]| {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let settings = settings.iter().chain(&SETTINGS);
        let new = settings.fold(new, |new, (name, value)| new.set(name, value));
        request(admin, &new)
    };
    let made = match with(&[TIMESTAMPS_OF_ANY_AGE])? {
        Err(RDKafkaErrorCode::InvalidConfig) => with(&[])?,
        made => made,
    };
    match made {
        Ok(()) => {
            tracing::info!(
                topic,
                partitions,
                "made the topic of the router (router.to), with unlimited retention and the \
                 brokers' default of replicas"
            );
            Ok(())
        }
        Err(RDKafkaErrorCode::TopicAlreadyExists) => Err(Unusable::NotYet(
            "somebody else made it just now, so it is looked at again".to_owned(),
        )),
        Err(code) => Err(Unusable::NotYet(format!(
            "the topic is not there and cannot be made: {code}; make it yourself, with {partitions} \
             partitions and retention.ms=-1, or grant CREATE"
        ))),
    }
}

/// The outer error is that nobody answered, the inner one a refusal.
fn request(
    admin: &AdminClient<DefaultClientContext>,
    topic: &NewTopic<'_>,
) -> Result<Result<(), RDKafkaErrorCode>, Unusable> {
    let not_yet = |reason: String| Unusable::NotYet(reason);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| not_yet(error.to_string()))?;
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let results = runtime
        .block_on(admin.create_topics([topic], &options))
        .map_err(|error| not_yet(error.to_string()))?;
    let refused = results.into_iter().find_map(Result::err);
    Ok(refused.map_or(Ok(()), |(_, code)| Err(code)))
}
