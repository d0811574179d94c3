//! The identity of a topic: it changes when a topic is deleted and made anew under its old name.

use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use rdkafka::bindings::{
    self, rd_kafka_AdminOptions_t, rd_kafka_TopicDescription_t, rd_kafka_admin_op_t,
    rd_kafka_event_t, rd_kafka_queue_t, rd_kafka_resp_err_t,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::owned::Owned;

/// The identity of a topic, as the cluster gave it when the topic was made.
pub type TopicId = [u8; 16];

/// The identities of topics could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicIdsError {
    #[error("topic `{topic}` does not exist")]
    UnknownTopic { topic: String },
    #[error("topic `{topic}` cannot be described: {code}")]
    Refused {
        topic: String,
        code: RDKafkaErrorCode,
    },
    #[error("the brokers did not describe the topics: {0}")]
    Client(KafkaError),
}

/// How much longer than the request its answer is waited for: the client's own timeout comes first.
const SLACK: Duration = Duration::from_millis(500);

/// A topic as the brokers describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Nothing where the broker has none, as brokers before Kafka 2.8 do.
    pub id: Option<TopicId>,
    pub partitions: usize,
}

/// The identity of each topic, in the order of the names; nothing where the broker has none, as
/// brokers before Kafka 2.8 do. See [`describe_topics`].
///
/// # Errors
/// If a topic does not exist or may not be described, or if no broker answers.
pub fn topic_ids<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> Result<Vec<Option<TopicId>>, TopicIdsError> {
    let described = describe_topics(client, topics, timeout)?;
    Ok(described.iter().map(|topic| topic.id).collect())
}

/// The identity of each topic and how many partitions it has, in the order of the names.
///
/// Waits for an answer, but not much longer than `timeout` (1 ms to an hour). Needs DESCRIBE on the
/// topics. A consumer's `client()` serves, as does a producer's.
///
/// # Errors
/// If a topic does not exist or may not be described, or if no broker answers.
pub fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> Result<Vec<Described>, TopicIdsError> {
    // The library refuses names that come twice, and lists without names.
    let mut asked: Vec<&str> = topics.to_vec();
    asked.sort_unstable();
    asked.dedup();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let answer = describe(client, &asked, timeout)?;
    let described = described(&answer)?;
    let of = |name: &&str| {
        let found = described.iter().find(|(topic, _)| topic == name);
        found
            .map(|(_, topic)| *topic)
            .ok_or_else(|| TopicIdsError::UnknownTopic {
                topic: (*name).to_owned(),
            })
    };
    topics.iter().map(of).collect()
}

/// Asks for the topics and waits for the answer.
fn describe<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> Result<Owned<rd_kafka_event_t>, TopicIdsError> {
    let names: Result<Vec<CString>, _> = topics.iter().map(|name| CString::new(*name)).collect();
    let names = names.map_err(|error| TopicIdsError::Client(error.into()))?;
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names end with a NUL, there are as many pointers as is said, and the library
    // copies the names.
    let collection = unsafe {
        bindings::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len())
    };
    // SAFETY: the collection was just made for us, and this is how it is destroyed.
    let collection = unsafe { Owned::new(collection, bindings::rd_kafka_TopicCollection_destroy) }
        .ok_or(failed())?;
    let options = options(client, timeout)?;
    // SAFETY: the client is borrowed and therefore alive.
    let queue = unsafe { bindings::rd_kafka_queue_new(client.native_ptr()) };
    // SAFETY: the queue was just made for us, and this is how our hold of it ends; an answer that
    // comes later finds it closed and is destroyed by the library.
    let queue: Owned<rd_kafka_queue_t> =
        unsafe { Owned::new(queue, bindings::rd_kafka_queue_destroy) }.ok_or(failed())?;
    // SAFETY: all four are alive; the library copies what it needs of names and options, and holds
    // the queue itself.
    unsafe {
        bindings::rd_kafka_DescribeTopics(
            client.native_ptr(),
            collection.as_ptr(),
            options.as_ptr(),
            queue.as_ptr(),
        );
    }
    let deadline = Instant::now() + timeout + SLACK;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // SAFETY: the queue is ours and alive.
        let event = unsafe { bindings::rd_kafka_queue_poll(queue.as_ptr(), millis(left)) };
        // SAFETY: an event that is not null is the poller's to destroy, with this function.
        let event = unsafe { Owned::new(event, bindings::rd_kafka_event_destroy) };
        let Some(event) = event else {
            return Err(TopicIdsError::Client(KafkaError::AdminOp(
                RDKafkaErrorCode::OperationTimedOut,
            )));
        };
        // SAFETY: the event is ours and alive.
        let kind = unsafe { bindings::rd_kafka_event_type(event.as_ptr()) };
        if kind == bindings::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT {
            return Ok(event);
        }
    }
}

fn options<C: ClientContext>(
    client: &Client<C>,
    timeout: Duration,
) -> Result<Owned<rd_kafka_AdminOptions_t>, TopicIdsError> {
    // SAFETY: the client is borrowed and therefore alive.
    let options = unsafe {
        bindings::rd_kafka_AdminOptions_new(
            client.native_ptr(),
            rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        )
    };
    // SAFETY: the options were just made for us, and this is how they are destroyed.
    let options =
        unsafe { Owned::new(options, bindings::rd_kafka_AdminOptions_destroy) }.ok_or(failed())?;
    // SAFETY: the options are ours and alive; no text of an error is asked for, so no room is given.
    let outcome = unsafe {
        bindings::rd_kafka_AdminOptions_set_request_timeout(
            options.as_ptr(),
            millis(timeout).max(1),
            std::ptr::null_mut(),
            0,
        )
    };
    match outcome {
        rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(options),
        code => Err(TopicIdsError::Client(KafkaError::AdminOp(code.into()))),
    }
}

/// The names and identities in an answer.
fn described(answer: &Owned<rd_kafka_event_t>) -> Result<Vec<(String, Described)>, TopicIdsError> {
    // SAFETY: the event is ours and alive.
    let code = unsafe { bindings::rd_kafka_event_error(answer.as_ptr()) };
    if code != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(TopicIdsError::Client(KafkaError::AdminOp(code.into())));
    }
    // SAFETY: the event is ours and alive, and of the kind that has this result.
    let result = unsafe { bindings::rd_kafka_event_DescribeTopics_result(answer.as_ptr()) };
    if result.is_null() {
        return Err(failed());
    }
    let mut count = 0;
    // SAFETY: the result lives as long as its event, and `count` is ours to be written to.
    let topics = unsafe { bindings::rd_kafka_DescribeTopics_result_topics(result, &raw mut count) };
    if topics.is_null() || count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the library says that there are so many, and they live as long as the event.
    let topics = unsafe { std::slice::from_raw_parts(topics, count) };
    let read = |topic: &*const _| {
        // SAFETY: it is one of the descriptions of an event that is alive.
        unsafe { description(*topic) }
    };
    topics.iter().map(read).collect()
}

/// The name and the identity in a description.
///
/// # Safety
/// `topic` is a description inside of an event that is alive.
unsafe fn description(
    topic: *const rd_kafka_TopicDescription_t,
) -> Result<(String, Described), TopicIdsError> {
    // SAFETY: the description is alive, as the caller says.
    let name = unsafe { bindings::rd_kafka_TopicDescription_name(topic) };
    // SAFETY: the name of a description is never null, ends with a NUL and lives as long as it.
    let name = unsafe { CStr::from_ptr(name) };
    let name = name.to_string_lossy().into_owned();
    // SAFETY: the description is alive, as the caller says.
    let error = unsafe { bindings::rd_kafka_TopicDescription_error(topic) };
    // SAFETY: the function takes null for "no error", and the error lives as long as the description.
    let code = unsafe { bindings::rd_kafka_error_code(error) };
    match RDKafkaErrorCode::from(code) {
        RDKafkaErrorCode::NoError => {}
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
            return Err(TopicIdsError::UnknownTopic { topic: name });
        }
        code => return Err(TopicIdsError::Refused { topic: name, code }),
    }
    let mut partitions = 0;
    // SAFETY: the description is alive, as the caller says, and the count is ours to be written to; the
    // partitions themselves are not looked at.
    unsafe { bindings::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions) };
    // SAFETY: the description is alive, as the caller says.
    let id = unsafe { bindings::rd_kafka_TopicDescription_topic_id(topic) };
    if id.is_null() {
        let id = None;
        return Ok((name, Described { id, partitions }));
    }
    // SAFETY: the identity is not null, and lives as long as the description.
    let most = unsafe { bindings::rd_kafka_Uuid_most_significant_bits(id) };
    // SAFETY: as above.
    let least = unsafe { bindings::rd_kafka_Uuid_least_significant_bits(id) };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&most.to_be_bytes());
    bytes[8..].copy_from_slice(&least.to_be_bytes());
    let none = bytes == [0; 16];
    let id = (!none).then_some(bytes);
    Ok((name, Described { id, partitions }))
}

/// The library could not make one of its objects, for which it names no reason.
fn failed() -> TopicIdsError {
    TopicIdsError::Client(KafkaError::AdminOp(RDKafkaErrorCode::Fail))
}

fn millis(length: Duration) -> i32 {
    i32::try_from(length.as_millis()).unwrap_or(i32::MAX)
}
