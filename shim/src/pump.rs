//! The pump: records by the hundred, for what one by one costs the most.
//!
//! The client's own `poll` gives one record a call and takes three looks at the clock, a lock, an
//! event and a counted reference for each. The library can also fill a list with what it has. But
//! then it keeps for itself what is not a record and what a callback has not been registered for:
//! statistics, errors and commit results would be lost, and a rebalance would be answered by letting
//! go of everything. So the two kinds are kept apart:
//!
//! ```text
//!                         as the client has it        while there is a pump
//!
//!   records, their errors -> consumer's queue          consumer's queue -> lists  -> `each`
//!                                  ^
//!   logs, statistics,              |
//!   errors, commit results -> main queue               main queue -> one by one -> context
//!
//!   rebalances            -> consumer's queue          as before: one by one, see below
//! ```
//!
//! A consumer that has subscribed hears of rebalances, in the queue of the records. Its pump takes
//! everything one by one, which is still cheaper than the client's `poll`: see [`Pump::subscribed`].

use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::bindings::{self, rd_kafka_message_t, rd_kafka_queue_t, rd_kafka_resp_err_t};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;

use crate::event::{Event, Heard};
use crate::fetched::{Run, bytes, topic_of};
use crate::owned::Owned;

/// Records that are taken at once: enough to make a look at the clock cheap, and few enough to stay
/// in the processor's nearest caches until they are given back.
const AT_ONCE: usize = 256;
/// Other events that are heard in one poll, so that no flood of them keeps the records waiting.
const EVENTS_AT_ONCE: usize = 64;

/// What comes out of the pump.
pub enum Pumped<'poll> {
    /// Records of one partition.
    Records(Run<'poll>),
    /// What the client says instead of a record.
    Failed(Failed<'poll>),
}

/// An error in the place of a record.
#[derive(Debug)]
pub struct Failed<'poll> {
    pub error: KafkaError,
    /// The partition that the error is about, if the library has moved its position because of it.
    pub moved: Option<Moved<'poll>>,
}

/// A position that no record has led to.
///
/// The library takes an error that comes in a list for a record and moves the position behind it, in
/// the release that is used here. So `position` says one more than was read, until a further record
/// comes or the partition is assigned anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved<'poll> {
    pub topic: &'poll str,
    pub partition: i32,
    /// What `position` may say now.
    pub to: i64,
}

/// Takes records from a consumer, and tells its context everything else.
pub struct Pump<'client, C: ConsumerContext> {
    consumer: &'client BaseConsumer<C>,
    records: Owned<rd_kafka_queue_t>,
    main: Owned<rd_kafka_queue_t>,
    mode: Mode,
    list: Vec<*mut rd_kafka_message_t>,
}

/// How the queue of the records may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One by one: there may be other events among the records.
    Single,
    /// One by one until it is empty, then by lists: what came before the pump is among the records.
    Draining,
    /// By lists.
    Lists,
}

impl<'client, C: ConsumerContext> Pump<'client, C> {
    /// Of a consumer whose partitions are assigned by hand. It may not subscribe as long as there is
    /// the pump, and nobody else may poll it: what it has to say beside records would be lost.
    ///
    /// Nothing for a consumer without a group, which has no queue of its own.
    #[must_use]
    pub fn assigned(consumer: &'client BaseConsumer<C>) -> Option<Self> {
        let pump = Self::new(consumer, Mode::Draining)?;
        // SAFETY: the queue is alive; without a second one it keeps what comes from now on.
        unsafe { bindings::rd_kafka_queue_forward(pump.main.as_ptr(), std::ptr::null_mut()) };
        Some(pump)
    }

    /// Of a consumer that subscribes. Rebalances are told to its context, as its own `poll` does.
    ///
    /// Nothing for a consumer without a group, which cannot subscribe.
    #[must_use]
    pub fn subscribed(consumer: &'client BaseConsumer<C>) -> Option<Self> {
        Self::new(consumer, Mode::Single)
    }

    fn new(consumer: &'client BaseConsumer<C>, mode: Mode) -> Option<Self> {
        const {
            assert!(
                !C::ENABLE_REFRESH_OAUTH_TOKEN,
                "tokens that the context makes are asked for by the client's own poll"
            );
        }
        let client = consumer.client().native_ptr();
        // SAFETY: the client is borrowed and therefore alive.
        let records = unsafe { bindings::rd_kafka_queue_get_consumer(client) };
        // SAFETY: the queue is ours to give back, with this function; null if there is no group.
        let records = unsafe { Owned::new(records, bindings::rd_kafka_queue_destroy) }?;
        // SAFETY: the client is borrowed and therefore alive.
        let main = unsafe { bindings::rd_kafka_queue_get_main(client) };
        // SAFETY: the queue is ours to give back, with this function.
        let main = unsafe { Owned::new(main, bindings::rd_kafka_queue_destroy) }?;
        Some(Self {
            consumer,
            records,
            main,
            mode,
            list: vec![std::ptr::null_mut(); AT_ONCE],
        })
    }

    /// Hands on what is there, or what comes first within `wait`; false if nothing came for `each`.
    /// What is not a record is heard of after the wait, so it should be short.
    ///
    /// The library takes records for read when this is called, and not when `each` sees them: after a
    /// break, those that were not handed on come again only if their partitions are assigned anew.
    ///
    /// # Errors
    /// What `each` broke off with.
    pub fn poll<B>(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(Pumped<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B, bool> {
        let mut came = false;
        if self.mode != Mode::Single {
            for _ in 0..EVENTS_AT_ONCE {
                let Some(event) = Event::next(&self.main, Duration::ZERO) else {
                    break;
                };
                came |= self.hear(&event, &mut each)?;
            }
        }
        if self.mode == Mode::Draining {
            if let Some(event) = Event::next(&self.records, Duration::ZERO) {
                let heard = self.hear(&event, &mut each)?;
                return ControlFlow::Continue(came | heard);
            }
            self.mode = Mode::Lists;
        }
        if self.mode == Mode::Lists {
            came |= self.hand_on_list(&mut each)?;
            if came || wait.is_zero() {
                return ControlFlow::Continue(came);
            }
        }
        // A list would be waited for until it is full.
        match Event::next(&self.records, wait) {
            Some(event) => self.hear(&event, &mut each),
            None => ControlFlow::Continue(false),
        }
    }

    /// Tells the context what happened, and hands on what is a record or an error.
    fn hear<B>(
        &self,
        event: &Event,
        each: &mut impl FnMut(Pumped<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B, bool> {
        match event.tell(self.consumer) {
            Heard::Nothing => return ControlFlow::Continue(false),
            Heard::Error(error) => each(Pumped::Failed(Failed { error, moved: None }))?,
            Heard::Message(message) => {
                let message = [message];
                // SAFETY: the event is a record, which it keeps alive until this returns, and which
                // it gives out once.
                if let Some(run) = unsafe { Run::new(&message) } {
                    each(Pumped::Records(run))?;
                }
            }
        }
        ControlFlow::Continue(true)
    }

    /// Hands on a list of what is there; false if nothing is.
    fn hand_on_list<B>(
        &mut self,
        each: &mut impl FnMut(Pumped<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B, bool> {
        // SAFETY: the queue is alive, and the library writes no more pointers than there is room for.
        let count = unsafe {
            bindings::rd_kafka_consume_batch_queue(
                self.records.as_ptr(),
                0,
                self.list.as_mut_ptr(),
                self.list.len(),
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        let taken = Taken(&self.list[..count]);
        let mut rest = taken.0;
        while let Some(first) = rest.first() {
            // SAFETY: the message is valid until `taken` is dropped, and nobody writes to it.
            let first = unsafe { &**first };
            let length = if is_error(first) {
                each(Pumped::Failed(self.failed(first)))?;
                1
            } else {
                let length = rest
                    .iter()
                    .take_while(|other| continues(first, other))
                    .count();
                // SAFETY: these are records of one partition, valid until `taken` is dropped and
                // nobody else's, and no other run has them.
                if let Some(run) = unsafe { Run::new(&rest[..length]) } {
                    each(Pumped::Records(run))?;
                }
                length
            };
            rest = &rest[length..];
        }
        ControlFlow::Continue(count > 0)
    }

    /// Does with an error in a list what the client does with one that comes alone.
    fn failed<'poll>(&self, message: &'poll rd_kafka_message_t) -> Failed<'poll> {
        // An error has its reason in the place of the value.
        // SAFETY: the library keeps these bytes as long as the message.
        let reason = unsafe { bytes(message.payload, message.len) }.unwrap_or_default();
        let reason = String::from_utf8_lossy(reason);
        let code = self.cause(message.err);
        let context = self.consumer.context();
        context.error(KafkaError::Global(code.into()), reason.trim());
        let error = match message.err {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__FATAL => {
                KafkaError::MessageConsumptionFatal(code.into())
            }
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                KafkaError::PartitionEOF(message.partition)
            }
            _ => KafkaError::MessageConsumption(code.into()),
        };
        // SAFETY: the message comes from the library.
        let moved = unsafe { topic_of(message) }.map(|topic| Moved {
            topic,
            partition: message.partition,
            to: message.offset.saturating_add(1),
        });
        Failed { error, moved }
    }

    /// What is behind an error that says no more than that the client cannot go on.
    fn cause(&self, code: rd_kafka_resp_err_t) -> rd_kafka_resp_err_t {
        if code != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__FATAL {
            return code;
        }
        let client = self.consumer.client().native_ptr();
        // SAFETY: the client is alive; without room for its text the function writes none.
        unsafe { bindings::rd_kafka_fatal_error(client, std::ptr::null_mut(), 0) }
    }
}

impl<C: ConsumerContext> Drop for Pump<'_, C> {
    fn drop(&mut self) {
        if self.mode != Mode::Single {
            // The client polls the queue of the records alone, for the last time when it is dropped.
            // SAFETY: both queues are alive.
            unsafe {
                bindings::rd_kafka_queue_forward(self.main.as_ptr(), self.records.as_ptr());
            };
        }
    }
}

/// Messages that are given back to the library, whatever happens.
struct Taken<'list>(&'list [*mut rd_kafka_message_t]);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for message in self.0 {
            // SAFETY: the library has given us the message to destroy, which happens here alone, and
            // whoever looked at it had it for a call.
            unsafe { bindings::rd_kafka_message_destroy(*message) };
        }
    }
}

fn is_error(message: &rd_kafka_message_t) -> bool {
    message.err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Whether a message of the same list is a record of the same partition.
fn continues(first: &rd_kafka_message_t, other: &*mut rd_kafka_message_t) -> bool {
    // SAFETY: the messages of a list are valid together, and nobody writes to them.
    let other = unsafe { &**other };
    !is_error(other) && other.rkt == first.rkt && other.partition == first.partition
}
