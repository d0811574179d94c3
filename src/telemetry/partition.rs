//! Where the reading of one partition stands: a snapshot, taken by its owner for one scrape.

use std::sync::Arc;

use crate::event::Timestamp;

/// How far one partition of one topic has been read and applied.
///
/// A snapshot is taken as a whole, so that position and end belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    pub topic: Arc<str>,
    pub partition: i32,
    /// Where this process began to read.
    pub first_offset: Option<i64>,
    /// Offset of the next record to apply.
    pub position: Option<i64>,
    /// The offset that the partition's next record will have; unknown while the broker is silent.
    pub end_offset: Option<i64>,
    /// The offset committed last, if any.
    pub committed: Option<i64>,
    /// Kafka timestamp of the last applied record.
    pub last_record_at: Option<Timestamp>,
    /// The instant up to which every event in the partition has been applied.
    pub complete_until: Option<Timestamp>,
    /// When the offset was committed last.
    pub committed_at: Option<Timestamp>,
    pub state: ShardState,
}

/// What can be said of the numbers of a partition; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShardState {
    /// The end that was seen at the start has been reached.
    Ready,
    /// Reading what was there before the start.
    CatchingUp,
    /// Its checkpoint is being looked for, or loaded.
    Restoring,
    /// Something of its log is missing or is not what was read, so its numbers would be wrong.
    Degraded(Degradation),
}

impl ShardState {
    /// The values of the label `state`, in the order of the page.
    pub const NAMES: [&str; 4] = ["restoring", "catching_up", "ready", "degraded"];

    /// The value of the label `state`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::CatchingUp => "catching_up",
            Self::Restoring => "restoring",
            Self::Degraded(_) => "degraded",
        }
    }
}

/// Why the numbers of a partition would be wrong; the closed list of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Degradation {
    /// The topic, or the partition, is not there at present.
    TopicMissing,
    /// A batch of records cannot be read, however often it is fetched.
    BadBatch,
    /// Records were deleted before they were read.
    RecordsDeleted,
    /// The log ends before what was read from it, or holds other records there.
    Truncated,
    /// The topic was deleted and made anew.
    Recreated,
    /// There was a state once, none can be used, and the log no longer reaches back to its beginning.
    HistoryGone,
}

impl Degradation {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::TopicMissing,
        Self::BadBatch,
        Self::RecordsDeleted,
        Self::Truncated,
        Self::Recreated,
        Self::HistoryGone,
    ];

    /// The value of the label `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopicMissing => "topic_missing",
            Self::BadBatch => "bad_batch",
            Self::RecordsDeleted => "records_deleted",
            Self::Truncated => "truncated",
            Self::Recreated => "recreated",
            Self::HistoryGone => "history_gone",
        }
    }
}

impl PartitionStatus {
    /// Records between the position and the end; `None` while either is unknown, never negative.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        Some(self.end_offset?.saturating_sub(self.position?).max(0))
    }

    /// How much of what there was to read has been applied, 0 to 100; `None` while unknown.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        let first = self.first_offset?;
        let span = self.end_offset?.saturating_sub(first);
        let done = self.position?.saturating_sub(first);
        if span <= 0 {
            return Some(100.0);
        }
        Some((100.0 * done as f64 / span as f64).clamp(0.0, 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        offsets: (Option<i64>, Option<i64>, Option<i64>),
        lag: Option<i64>,
        percent: Option<f64>,
    ) {
        let (first_offset, position, end_offset) = offsets;
        let status = PartitionStatus {
            topic: "orders".into(),
            partition: 0,
            first_offset,
            position,
            end_offset,
            committed: None,
            last_record_at: None,
            complete_until: None,
            committed_at: None,
            state: ShardState::CatchingUp,
        };
        assert_eq!(status.lag(), lag, "{status:?}");
        assert_eq!(status.percent(), percent, "{status:?}");
    }

    #[test]
    fn lag_and_progress_are_known_only_when_their_offsets_are_and_stay_in_range() {
        check((Some(100), Some(150), Some(300)), Some(150), Some(25.0));
        check((Some(100), Some(300), Some(300)), Some(0), Some(100.0));
        // The end was asked for before the last records were applied.
        check((Some(100), Some(310), Some(300)), Some(0), Some(100.0));
        check((Some(0), Some(0), Some(0)), Some(0), Some(100.0));
        check((None, Some(5), Some(10)), Some(5), None);
        check((Some(0), None, Some(10)), None, None);
        check((Some(0), Some(5), None), None, None);
    }
}
