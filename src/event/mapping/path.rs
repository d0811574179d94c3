//! Paths: where in a record a text is looked for.
//!
//! ```text
//! value.order.lines[0].sku        keys, and the place in an array (from 0; -1 is the last one)
//! value.answers[field.ref=nps].number     the first item of which that path has that text
//! value.data."odd.key"            a key in quotes can hold anything
//! value[0].user_email             the root itself may be an array
//! key        key.id               the record's key as text, or inside of it, if it is JSON
//! header.X-Shopify-Topic          a header by its name, in any case
//! record.topic  .partition  .offset  .timestamp   where the record stands, and Kafka's timestamp
//! ce.id  ce.source  ce.type  ce.subject  ce.time  ce.data...   with `envelope: cloudevents`
//! item.score                      inside of a rule with `each`: the item
//! ```

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    Value,
    Key,
    /// The one step that follows is the name.
    Header,
    /// Followed by `topic`, `partition`, `offset` or `timestamp`.
    Record,
    /// An attribute of a CloudEvent, or `data` and what is in it.
    CloudEvent,
    Item,
}

/// A step from a JSON value into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Key(String),
    /// From the front from 0, from the back from -1.
    Index(i32),
    /// The first item in which the text at the path equals this one.
    Find {
        path: Vec<String>,
        text: String,
    },
}

/// Where in a record something is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    pub root: Root,
    pub steps: Vec<Step>,
}
