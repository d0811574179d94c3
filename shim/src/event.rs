//! Events: what the library says one at a time.
//!
//! The same is done with them as the client does in its own `poll`.

use std::ffi::{CStr, c_char};
use std::time::Duration;

use rdkafka::bindings::{
    self, rd_kafka_event_t, rd_kafka_message_t, rd_kafka_queue_t, rd_kafka_resp_err_t,
    rd_kafka_topic_partition_list_t,
};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::owned::Owned;

/// An event, given back to the library when it is dropped.
pub(crate) struct Event(Owned<rd_kafka_event_t>);

/// What is left of an event once the context has been told.
pub(crate) enum Heard {
    Nothing,
    Error(KafkaError),
    /// A record, alive as long as the event. It is given out once.
    Message(*mut rd_kafka_message_t),
}

impl Event {
    /// The next event of a queue, if one comes within `wait`.
    pub(crate) fn next(queue: &Owned<rd_kafka_queue_t>, wait: Duration) -> Option<Self> {
        let millis = wait.as_millis().try_into().unwrap_or(i32::MAX);
        // SAFETY: the queue is alive.
        let event = unsafe { bindings::rd_kafka_queue_poll(queue.as_ptr(), millis) };
        // SAFETY: an event that is not null is ours to destroy, with this function.
        unsafe { Owned::new(event, bindings::rd_kafka_event_destroy) }.map(Self)
    }

    /// Tells the context of the consumer what this is about.
    pub(crate) fn tell<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) -> Heard {
        let context = consumer.context();
        // SAFETY: the event is alive.
        let kind = unsafe { bindings::rd_kafka_event_type(self.0.as_ptr()) };
        match kind {
            bindings::RD_KAFKA_EVENT_FETCH => return self.message(),
            bindings::RD_KAFKA_EVENT_ERROR => return self.error(context.as_ref()),
            bindings::RD_KAFKA_EVENT_REBALANCE => return self.rebalance(consumer),
            bindings::RD_KAFKA_EVENT_OFFSET_COMMIT => {
                let result = match self.code() {
                    rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
                    code => Err(KafkaError::ConsumerCommit(code.into())),
                };
                context.commit_callback(result, &self.partitions());
            }
            bindings::RD_KAFKA_EVENT_STATS => {
                // SAFETY: the event is alive, and has statistics.
                let statistics = unsafe { bindings::rd_kafka_event_stats(self.0.as_ptr()) };
                // SAFETY: they end with a NUL and live as long as the event.
                context.stats_raw(unsafe { text(statistics) }.to_bytes());
            }
            bindings::RD_KAFKA_EVENT_LOG => self.log(context.as_ref()),
            // Nothing that was asked for.
            _ => {}
        }
        Heard::Nothing
    }

    fn message(&self) -> Heard {
        // SAFETY: the event is alive, and a record.
        let message = unsafe { bindings::rd_kafka_event_message_next(self.0.as_ptr()) };
        if message.is_null() {
            Heard::Nothing
        } else {
            Heard::Message(message.cast_mut())
        }
    }

    fn error<C: ConsumerContext>(&self, context: &C) -> Heard {
        let code = self.code();
        // SAFETY: the event is alive.
        let reason = unsafe { bindings::rd_kafka_event_error_string(self.0.as_ptr()) };
        // SAFETY: the reason ends with a NUL and lives as long as the event.
        let reason = unsafe { text(reason) }.to_string_lossy();
        context.error(KafkaError::Global(code.into()), reason.trim());
        match code {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Heard::Nothing,
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                Heard::Error(KafkaError::PartitionEOF(self.partition()))
            }
            // SAFETY: the event is alive.
            _ if unsafe { bindings::rd_kafka_event_error_is_fatal(self.0.as_ptr()) } != 0 => {
                Heard::Error(KafkaError::MessageConsumptionFatal(code.into()))
            }
            _ => Heard::Error(KafkaError::MessageConsumption(code.into())),
        }
    }

    fn rebalance<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) -> Heard {
        match self.code() {
            code @ (rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
            | rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) => {
                let mut partitions = self.partitions();
                let context = consumer.context();
                context.rebalance(consumer, code, &mut partitions);
                Heard::Nothing
            }
            code => Heard::Error(KafkaError::Rebalance(code.into())),
        }
    }

    fn log<C: ConsumerContext>(&self, context: &C) {
        let (mut facility, mut message, mut level) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: the event is alive, and the three places are ours to be written to.
        let outcome = unsafe {
            bindings::rd_kafka_event_log(
                self.0.as_ptr(),
                &raw mut facility,
                &raw mut message,
                &raw mut level,
            )
        };
        if outcome != 0 {
            return;
        }
        // SAFETY: the text ends with a NUL and lives as long as the event.
        let facility = unsafe { text(facility) }.to_string_lossy();
        // SAFETY: the same.
        let message = unsafe { text(message) }.to_string_lossy();
        context.log(level_of(level), facility.trim(), message.trim());
    }

    fn code(&self) -> rd_kafka_resp_err_t {
        // SAFETY: the event is alive.
        unsafe { bindings::rd_kafka_event_error(self.0.as_ptr()) }
    }

    /// The partition that the event is about.
    fn partition(&self) -> i32 {
        // SAFETY: the event is alive.
        let partition = unsafe { bindings::rd_kafka_event_topic_partition(self.0.as_ptr()) };
        // SAFETY: the library has made it for us, to be destroyed with this function.
        let partition =
            unsafe { Owned::new(partition, bindings::rd_kafka_topic_partition_destroy) };
        partition.map_or(-1, |partition| {
            // SAFETY: it is valid, and ours.
            unsafe { (*partition.as_ptr()).partition }
        })
    }

    /// A copy of the partitions that the event is about; the client's type cannot borrow them.
    fn partitions(&self) -> TopicPartitionList {
        let list = TopicPartitionList::with_capacity(0);
        // SAFETY: the event is alive.
        let theirs = unsafe { bindings::rd_kafka_event_topic_partition_list(self.0.as_ptr()) };
        if theirs.is_null() {
            return list;
        }
        // SAFETY: the list is alive as long as the event, and only read.
        let copy = unsafe { bindings::rd_kafka_topic_partition_list_copy(theirs) };
        // SAFETY: the copy is ours to destroy, with this function.
        let copy = unsafe { Owned::new(copy, bindings::rd_kafka_topic_partition_list_destroy) };
        if let Some(copy) = copy {
            let (from, to): (*mut rd_kafka_topic_partition_list_t, _) = (copy.as_ptr(), list.ptr());
            // SAFETY: both are valid, ours, and two. What a list holds was allocated by the library
            // alike in both, so each may be destroyed with what was the other's.
            unsafe { std::ptr::swap(from, to) };
        }
        list
    }
}

/// A text of the library; empty for a null pointer.
///
/// # Safety
/// A pointer that is not null leads to bytes that end with a NUL, and which nobody writes to as long
/// as `'a`.
unsafe fn text<'a>(start: *const c_char) -> &'a CStr {
    if start.is_null() {
        c""
    } else {
        // SAFETY: as the caller promised.
        unsafe { CStr::from_ptr(start) }
    }
}

/// Levels are those of syslog.
fn level_of(level: i32) -> RDKafkaLogLevel {
    match level {
        0 => RDKafkaLogLevel::Emerg,
        1 => RDKafkaLogLevel::Alert,
        2 => RDKafkaLogLevel::Critical,
        3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 => RDKafkaLogLevel::Notice,
        6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}
