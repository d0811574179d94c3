//! Mappings: records of any shape to events, by rules that are data.
//!
//! Owns what rules mean. Promises to read a record once from front to back and of it only what some
//! path names, to allocate nothing for texts that stand in the record as they are wanted, and never
//! to panic or to take more than linear time. The limits are those of native events, and so is the
//! order of complaints, with these ways of its own:
//!
//! - a key given twice is found only where a path goes by, for what is read must not be ambiguous;
//! - an empty text is absent, and ids may be integers, scores texts or decimals with zeros;
//! - a value of which no path reads anything need not even be JSON.
//!
//! Does not know how rules are written down, nor what other formats than JSON look like: whoever
//! calls it has made JSON of them.

mod canonical;
mod make;
pub mod path;
mod place;
pub mod rule;
mod scan;
mod value;
pub mod why;

use std::cell::{Cell, OnceCell};

use smallvec::SmallVec;

use crate::event::decode::DecodeSettings;
use crate::event::decode::structure::Keys;
use crate::event::json::Items;
use crate::event::mapping::make::{Compiler, Conditions, Maker};
use crate::event::mapping::place::{
    ItemLayout, Layout, Mode, Place, Remembered, USUAL_SEARCHES, USUAL_SLOTS, View,
};
use crate::event::mapping::rule::{Envelope, Otherwise, Rule};
use crate::event::mapping::value::Value;
use crate::event::record::Record;
use crate::event::source::Decoded;
use crate::event::{Event, Reason, Rejection};

pub use rule::Rules;

/// Rules, compiled.
#[derive(Debug, Clone)]
pub struct Mapping {
    rules: Rules,
    settings: DecodeSettings,
    layout: Layout,
    skip: Conditions,
    events: Vec<Compiled>,
    /// Whether a record can make more than one event.
    several: bool,
}

/// A rule, compiled.
#[derive(Debug, Clone)]
struct Compiled {
    when: Conditions,
    each: Option<Each>,
    maker: Maker,
}

/// The items of an array, of which each can make an event.
#[derive(Debug, Clone)]
struct Each {
    array: Place,
    layout: ItemLayout,
    when: Conditions,
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        (&self.rules, &self.settings) == (&other.rules, &other.settings)
    }
}

impl Eq for Mapping {}

impl Mapping {
    /// Compiles rules; paths that lead nowhere, like `item` outside of `each`, have nothing at them.
    #[must_use]
    pub fn new(rules: Rules, settings: DecodeSettings) -> Self {
        let mut layout = Layout::new(rules.envelope);
        let mut compiler = Compiler {
            layout: &mut layout,
            items: None,
        };
        let skip = compiler.conditions(&rules.skip);
        let compiled = |rule| Compiled::new(rule, &mut layout, &settings.dimensions);
        let events = rules.events.iter().map(compiled).collect();
        let several = rules.events.len() > 1 || rules.events.iter().any(|rule| rule.each.is_some());
        Self {
            rules,
            settings,
            layout,
            skip,
            events,
            several,
        }
    }

    /// What the mapping says.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether keys or headers of records are looked at.
    #[must_use]
    pub const fn needs_envelope(&self) -> bool {
        self.layout.needs_envelope()
    }

    /// Hands on what a record holds: one or more events or rejections, or once that it is skipped
    /// or a tombstone. Its value and its key, where paths go into that, are JSON.
    pub fn decode(&self, record: Record<'_>, mut each: impl FnMut(Decoded<'_>)) {
        let whole = record.value.is_some() || self.without_value(&record);
        if !whole {
            return each(Decoded::Tombstone);
        }
        let data = OnceCell::new();
        let mut slots: SmallVec<[_; USUAL_SLOTS]> = SmallVec::from_elem(None, self.layout.slots());
        let memory: SmallVec<[Remembered<'_>; USUAL_SEARCHES]> = (0..self.layout.searches())
            .map(|_| Cell::new(None))
            .collect();
        let mode = match self.layout.read(&record, &data, &mut slots) {
            Ok(mode) => mode,
            Err(reason) => return each(Decoded::Rejected(Rejection::new(reason))),
        };
        let view = View {
            record: &record,
            mode,
            slots: &slots,
            memory: &memory,
            item: &[],
        };
        let mut outlet = Outlet {
            each,
            several: self.several,
            ids: Keys::default(),
            made: false,
        };
        match self.events(&view, &mut outlet) {
            Ok(_) if outlet.made => {}
            Ok(nothing) => (outlet.each)(nothing),
            Err(rejection) => outlet.hand_on(Err(rejection)),
        }
    }

    /// Whether a record is a CloudEvent that does without a value.
    fn without_value(&self, record: &Record<'_>) -> bool {
        self.rules.envelope == Envelope::CloudEvents
            && Mode::of_headers(record) == Some(Mode::Binary)
    }

    /// Makes the events of a record; what it is if there are none.
    fn events<'e, F: FnMut(Decoded<'_>)>(
        &'e self,
        view: &View<'_, 'e>,
        outlet: &mut Outlet<'e, F>,
    ) -> Result<Decoded<'static>, Rejection> {
        if self.skip.any(view)? {
            return Ok(Decoded::Skipped);
        }
        let mut applies = false;
        for rule in &self.events {
            if !rule.when.hold(view)? {
                continue;
            }
            applies = true;
            match &rule.each {
                None => outlet.hand_on(rule.maker.event(view, &self.settings)),
                Some(each) => self.items(each, &rule.maker, view, outlet)?,
            }
        }
        Ok(if applies || self.rules.otherwise == Otherwise::Skipped {
            Decoded::Skipped
        } else {
            Decoded::Rejected(Rejection::new(Reason::Unmapped))
        })
    }

    /// Makes the events of an array's items.
    fn items<'e, F: FnMut(Decoded<'_>)>(
        &'e self,
        each: &'e Each,
        maker: &'e Maker,
        view: &View<'_, 'e>,
        outlet: &mut Outlet<'e, F>,
    ) -> Result<(), Rejection> {
        let items = match view.value(&each.array)? {
            None => return Ok(()),
            Some(Value::Composite(raw)) if raw.starts_with('[') => Items::of(raw),
            Some(_) => {
                outlet.hand_on(Err(Rejection {
                    reason: Reason::WrongType,
                    field: None,
                    hint: Some("what `each` leads to is no array"),
                }));
                return Ok(());
            }
        };
        for item in items {
            if let Some(made) = self.item(each, maker, view, item).transpose() {
                outlet.hand_on(made);
            }
        }
        Ok(())
    }

    /// The event of an item, if it is one that makes one.
    fn item<'e>(
        &'e self,
        each: &'e Each,
        maker: &'e Maker,
        view: &View<'_, 'e>,
        item: &'e str,
    ) -> Result<Option<Event<'e>>, Rejection> {
        let slots = each.layout.read(item).map_err(Rejection::new)?;
        let view = View {
            item: &slots,
            ..*view
        };
        if !each.when.hold(&view)? {
            return Ok(None);
        }
        maker.event(&view, &self.settings).map(Some)
    }
}

impl Compiled {
    fn new(rule: &Rule, layout: &mut Layout, dimensions: &[String]) -> Self {
        let mut compiler = Compiler {
            layout,
            items: None,
        };
        let when = compiler.conditions(&rule.when);
        let Some(path) = &rule.each else {
            return Self {
                when,
                each: None,
                maker: compiler.maker(rule, dimensions),
            };
        };
        let array = compiler.place(path);
        let mut items = ItemLayout::default();
        let mut compiler = Compiler {
            layout,
            items: Some(&mut items),
        };
        let each_when = compiler.conditions(&rule.each_when);
        let maker = compiler.maker(rule, dimensions);
        Self {
            when,
            each: Some(Each {
                array,
                layout: items,
                when: each_when,
            }),
            maker,
        }
    }
}

/// Hands on what a record makes, and sees that no two of its events share an id.
struct Outlet<'e, F> {
    each: F,
    /// Whether a record can make several events at all: of a single one the id need not be known.
    several: bool,
    ids: Keys<'e>,
    made: bool,
}

impl<'e, F: FnMut(Decoded<'_>)> Outlet<'e, F> {
    fn hand_on(&mut self, made: Result<Event<'e>, Rejection>) {
        self.made = true;
        (self.each)(match made {
            Ok(event) if self.several && !self.ids.insert(event.id.clone()) => {
                Decoded::Rejected(Rejection {
                    reason: Reason::InvalidId,
                    field: Some("event_id"),
                    hint: Some("another event of the same record has this id: join what differs"),
                })
            }
            Ok(event) => Decoded::Event(event),
            Err(rejection) => Decoded::Rejected(rejection),
        });
    }
}

#[cfg(test)]
mod tests;
