//! Leader epochs: which reign of a partition's leader a record or a position is from.

use std::ffi::CString;

use rdkafka::TopicPartitionList;
use rdkafka::bindings::{self, rd_kafka_message_t};
use rdkafka::message::BorrowedMessage;

/// The leader epoch under which a consumed record was written; nothing if the broker did not say.
#[must_use]
pub fn leader_epoch(message: &BorrowedMessage<'_>) -> Option<i32> {
    // SAFETY: the pointer is that of a message which is borrowed and therefore alive.
    unsafe { leader_epoch_of(message.ptr()) }
}

/// The same of a message as the library has it.
///
/// # Safety
/// The message is valid.
pub(crate) unsafe fn leader_epoch_of(message: *const rd_kafka_message_t) -> Option<i32> {
    // SAFETY: the message is valid, as the caller promised; the function only reads it.
    let epoch = unsafe { bindings::rd_kafka_message_leader_epoch(message) };
    (epoch >= 0).then_some(epoch)
}

/// Sets the leader epoch of a partition's offset, so that a consumer which is assigned the list
/// notices when the log was cut off below that offset. False if the list has no such partition.
#[must_use]
pub fn set_leader_epoch(
    list: &mut TopicPartitionList,
    topic: &str,
    partition: i32,
    epoch: i32,
) -> bool {
    let Ok(topic) = CString::new(topic) else {
        return false;
    };
    // SAFETY: the list is borrowed and therefore alive, the name ends with a NUL, and the function
    // only reads both.
    let element = unsafe {
        bindings::rd_kafka_topic_partition_list_find(list.ptr(), topic.as_ptr(), partition)
    };
    if element.is_null() {
        return false;
    }
    // SAFETY: the element belongs to the list, which is borrowed for us alone, so nobody else reads
    // or writes it meanwhile; the list destroys what the function may allocate.
    unsafe { bindings::rd_kafka_topic_partition_set_leader_epoch(element, epoch) };
    true
}
