//! What was committed, with metadata of any bytes.

use std::ffi::CStr;

use rdkafka::TopicPartitionList;

/// What is written beside a committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedMetadata {
    pub topic: String,
    pub partition: i32,
    /// As it was committed; empty if there is none.
    pub metadata: Vec<u8>,
}

/// The metadata of every partition of a list, such as the answer to `committed_offsets`.
///
/// The client's own way to it panics if somebody committed bytes that are no text.
#[must_use]
pub fn committed_metadata(list: &TopicPartitionList) -> Vec<CommittedMetadata> {
    // SAFETY: the list is borrowed and therefore alive, and its pointer is never null.
    let raw = unsafe { &*list.ptr() };
    let count = usize::try_from(raw.cnt).unwrap_or(0);
    if raw.elems.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: the library keeps so many elements there, which nobody writes to while the list is
    // borrowed.
    let elements = unsafe { std::slice::from_raw_parts(raw.elems, count) };
    let read = |element: &rdkafka::bindings::rd_kafka_topic_partition_t| {
        // SAFETY: the name of an element is never null, ends with a NUL and lives as long as it.
        let topic = unsafe { CStr::from_ptr(element.topic) };
        let metadata = if element.metadata.is_null() || element.metadata_size == 0 {
            Vec::new()
        } else {
            let start = element.metadata.cast::<u8>();
            // SAFETY: metadata that is not null has so many bytes, and lives as long as the element.
            unsafe { std::slice::from_raw_parts(start, element.metadata_size) }.to_vec()
        };
        CommittedMetadata {
            topic: topic.to_string_lossy().into_owned(),
            partition: element.partition,
            metadata,
        }
    };
    elements.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use rdkafka::topic_partition_list::Offset;

    use super::*;

    #[test]
    fn metadata_comes_with_its_partition_and_none_is_empty() {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("orders", 3, Offset::Offset(7))
            .unwrap();
        list.add_partition("orders", 4);
        for element in &mut list.elements() {
            if element.partition() == 3 {
                element.set_metadata("so far");
            }
        }
        let read = |partition, metadata: &str| CommittedMetadata {
            topic: "orders".to_owned(),
            partition,
            metadata: metadata.as_bytes().to_vec(),
        };
        assert_eq!(committed_metadata(&list), [read(3, "so far"), read(4, "")]);
        assert_eq!(committed_metadata(&TopicPartitionList::new()), []);
    }
}
