//! Contributing: the parts of the report that this instance says.

/// Says the parts of the report.
pub struct Contributor;

impl Contributor {
    /// Says the last part of a shard that is about to be somebody else's.
    pub fn say_last(&mut self, _partition: i32) {}
}
