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
use crate::event::mapping::make::{Compiler, Conditions, Maker};
use crate::event::mapping::place::{
    ItemLayout, Layout, Mode, Place, Remembered, USUAL_SEARCHES, USUAL_SLOTS, View,
};
use crate::event::mapping::rule::{Envelope, Otherwise, Rule};
use crate::event::mapping::scan::Items;
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
        Self {
            rules,
            settings,
            layout,
            skip,
            events,
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
        let mut outlet = Outlet::new(each);
        match self.events(&view, &mut outlet) {
            Ok(nothing) => outlet.close(nothing),
            Err(rejection) => {
                outlet.hand_on(Err(rejection));
                outlet.close(Decoded::Skipped);
            }
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
///
/// An event waits here until it is known whether another follows: of a single one, the usual case,
/// the id need not be remembered.
struct Outlet<'e, F> {
    each: F,
    waiting: Option<Event<'e>>,
    /// The ids of all events, once there are two.
    ids: Keys<'e>,
    events: usize,
    rejections: usize,
}

impl<'e, F: FnMut(Decoded<'_>)> Outlet<'e, F> {
    fn new(each: F) -> Self {
        Self {
            each,
            waiting: None,
            ids: Keys::default(),
            events: 0,
            rejections: 0,
        }
    }

    fn hand_on(&mut self, made: Result<Event<'e>, Rejection>) {
        if let Some(event) = self.waiting.take() {
            if self.events == 1 {
                self.ids.insert(event.id.clone());
            }
            (self.each)(Decoded::Event(event));
        }
        match made {
            Ok(event) if self.events > 0 && !self.ids.insert(event.id.clone()) => {
                self.reject(Rejection {
                    reason: Reason::InvalidId,
                    field: Some("event_id"),
                    hint: Some("another event of the same record has this id: join what differs"),
                });
            }
            Ok(event) => {
                self.events += 1;
                self.waiting = Some(event);
            }
            Err(rejection) => self.reject(rejection),
        }
    }

    fn reject(&mut self, rejection: Rejection) {
        self.rejections += 1;
        (self.each)(Decoded::Rejected(rejection));
    }

    /// Hands on what is left; `nothing` is what the record is if it made nothing.
    fn close(mut self, nothing: Decoded<'_>) {
        let made = self.events + self.rejections > 0;
        if let Some(event) = self.waiting.take() {
            (self.each)(Decoded::Event(event));
        }
        if !made {
            (self.each)(nothing);
        }
    }
}

#[cfg(test)]
mod tests;
