//! Records as the library holds them, before anybody has copied them.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;

use rdkafka::bindings::{self, rd_kafka_message_t, rd_kafka_timestamp_type_t};
use rdkafka::error::KafkaError;

use crate::epoch::leader_epoch_of;
use crate::headers::each_header_of;

/// A record that was fetched, in the library's memory, which is given back when its poll ends.
pub struct Fetched<'poll> {
    message: *mut rd_kafka_message_t,
    poll: PhantomData<&'poll mut rd_kafka_message_t>,
}

impl Fetched<'_> {
    fn raw(&self) -> &rd_kafka_message_t {
        // SAFETY: who made the run promised that its messages are valid and nobody else's as long as
        // the poll lasts, and a run gives each of them out once.
        unsafe { &*self.message }
    }

    /// The offset in its partition.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.raw().offset
    }

    /// Unix milliseconds; nothing if the record has no timestamp, or one before 1970.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive as above and only read; `kind` is ours to be written to.
        let at = unsafe { bindings::rd_kafka_message_timestamp(self.raw(), &raw mut kind) };
        (at >= 0).then_some(at)
    }

    /// The key; nothing if it is null.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        let raw = self.raw();
        // SAFETY: the library keeps these bytes as long as the message.
        unsafe { bytes(raw.key, raw.key_len) }
    }

    /// The value; nothing if it is null.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        let raw = self.raw();
        // SAFETY: the library keeps these bytes as long as the message.
        unsafe { bytes(raw.payload, raw.len) }
    }

    /// The leader epoch under which the record was written; nothing if the broker did not say.
    #[must_use]
    pub fn leader_epoch(&self) -> Option<i32> {
        // SAFETY: the message is alive as above.
        unsafe { leader_epoch_of(self.message) }
    }

    /// Calls `take` with the name and the value of each header, as
    /// [`each_header`](crate::each_header()) does.
    ///
    /// # Errors
    /// If the bytes are no headers; `take` was not called then.
    pub fn each_header(
        &mut self,
        take: impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<(), KafkaError> {
        // SAFETY: the message is alive as above, and borrowed for us alone.
        unsafe { each_header_of(self.message, take) }
    }
}

/// Records of one partition that came together, in ascending order of offsets.
pub struct Run<'poll> {
    pub topic: &'poll str,
    pub partition: i32,
    messages: std::slice::Iter<'poll, *mut rd_kafka_message_t>,
}

impl<'poll> Run<'poll> {
    /// A run of these messages; nothing of none.
    ///
    /// # Safety
    /// All messages are valid, records of one partition and no errors, and for as long as `'poll`
    /// nobody else's to look at or to destroy.
    pub(crate) unsafe fn new(messages: &'poll [*mut rd_kafka_message_t]) -> Option<Self> {
        let first = *messages.first()?;
        // SAFETY: the caller promised that the message is valid, and nobody has it yet.
        let first: &'poll rd_kafka_message_t = unsafe { &*first };
        // SAFETY: the message comes from the library.
        let topic = unsafe { topic_of(first) };
        Some(Self {
            topic: topic.unwrap_or_default(),
            partition: first.partition,
            messages: messages.iter(),
        })
    }
}

impl<'poll> Iterator for Run<'poll> {
    type Item = Fetched<'poll>;

    fn next(&mut self) -> Option<Fetched<'poll>> {
        self.messages.next().map(|message| Fetched {
            message: *message,
            poll: PhantomData,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.messages.size_hint()
    }
}

/// The name of the topic that a message is about; nothing if it is about none.
///
/// # Safety
/// The message comes from the library.
pub(crate) unsafe fn topic_of(message: &rd_kafka_message_t) -> Option<&str> {
    if message.rkt.is_null() {
        return None;
    }
    // SAFETY: the topic is kept alive by the message.
    let name = unsafe { bindings::rd_kafka_topic_name(message.rkt) };
    // SAFETY: the name is never null, ends with a NUL, and lives as long as the topic.
    let name = unsafe { CStr::from_ptr(name) };
    // Names of topics are ASCII.
    name.to_str().ok()
}

/// The bytes at an address; nothing for a null pointer.
///
/// # Safety
/// An address that is not null has so many bytes, which nobody writes to as long as `'a`.
pub(crate) unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    (!start.is_null()).then(|| {
        // SAFETY: as the caller promised.
        unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }
    })
}
