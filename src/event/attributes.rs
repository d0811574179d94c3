//! What an event tells of its customer beside what happened: the plan, the country.
//!
//! Owns the values of the configured dimensions, by their place in the configured order. Promises
//! that a value is a text of 1 to 256 bytes. Does not know the names of the dimensions, nor what
//! else the record's attributes held.

use std::borrow::Cow;

/// The most dimensions that can be configured.
pub const MAX_DIMENSIONS: usize = 4;

/// The values that an event has of the configured dimensions.
///
/// ```
/// use std::borrow::Cow;
/// use tenure::event::Attributes;
/// let mut attributes = Attributes::default();
/// attributes.values[1] = Some(Cow::Borrowed("TR"));
/// assert_eq!(attributes.get(1), Some("TR"));
/// assert_eq!(attributes.iter().collect::<Vec<_>>(), [(1, "TR")]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// By dimension, in the configured order; texts borrow from the record unless they held escapes.
    pub values: [Option<Cow<'a, str>>; MAX_DIMENSIONS],
    /// How many configured dimensions had an array or an object, which tells nothing.
    pub ignored: u8,
}

impl Attributes<'_> {
    /// Whether no dimension has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }

    /// The dimensions that have a value, ascending, each with it.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        let values = self.values.iter().enumerate();
        values.filter_map(|(dimension, value)| Some((dimension, value.as_deref()?)))
    }

    /// The value of a dimension, by its place in the configured order.
    #[must_use]
    pub fn get(&self, dimension: usize) -> Option<&str> {
        self.values.get(dimension)?.as_deref()
    }
}
