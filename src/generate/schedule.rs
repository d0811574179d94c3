//! When what happened arrives: lives cut into slices of arrival time.
//!
//! Owns delays, repeats and the order of arrival. All lives of a stream are pure functions, so a
//! stream of any length needs the memory of one slice: each slice asks every life again and keeps
//! what arrives within it.
//!
//! ```text
//! lives          c0 --s--o-----o---      c1 ----s--o--c-      ...
//!                     |  |     |              |  |  |
//! arrival       [ slice 0 )[ slice 1 )[ slice 2 )             each sorted, then written
//! ```
//!
//! Promises that no slice holds many more than [`SLICE`] deliveries, unless they crowd within a
//! four-thousandth of the span. Does not know how records are written.

use std::ops::{ControlFlow, Range};

use super::life::{Act, Moment, Standing, World, delay, repeat_after};
use super::profile::Plan;

/// Deliveries held at a time: 24 bytes each, 48 MiB in all.
const SLICE: u64 = 1 << 21;

/// One arrival of one event.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    /// Unix milliseconds; the Kafka timestamp.
    pub arrives_at: i64,
    /// Milliseconds since it occurred.
    pub lag: u32,
    pub customer: u32,
    /// With the customer it identifies the event.
    pub ordinal: u32,
    pub act: Act,
    pub detail: u8,
    pub plan: Plan,
    /// Whether it arrived before.
    pub repeat: bool,
}

impl Delivery {
    pub const fn occurred_at(&self) -> i64 {
        self.arrives_at - self.lag as i64
    }

    /// The order of arrival; ties are broken so that it is one order on every machine.
    pub fn rank(&self) -> (i64, u64) {
        let event = (u64::from(self.customer) << 32) | u64::from(self.ordinal);
        (self.arrives_at, event)
    }
}

/// Tells the deliveries of one customer that can arrive before an instant, in no order.
///
/// What it tells beyond that instant is incomplete.
pub fn deliveries(
    world: &World,
    customer: u32,
    before: i64,
    mut tell: impl FnMut(Delivery),
) -> Standing {
    world.live_through(customer, |random, moment| {
        let first = delivery(customer, moment, delay(random));
        tell(first);
        if let Some(after) = repeat_after(random) {
            tell(Delivery {
                arrives_at: first.arrives_at + i64::from(after),
                lag: first.lag + after,
                repeat: true,
                ..first
            });
        }
        if moment.occurred_at < before {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })
}

const fn delivery(customer: u32, moment: Moment, lag: u32) -> Delivery {
    Delivery {
        arrives_at: moment.occurred_at + lag as i64,
        lag,
        customer,
        ordinal: moment.ordinal,
        act: moment.act,
        detail: moment.detail,
        plan: moment.plan,
        repeat: false,
    }
}

/// The deliveries of all customers that arrive within the span, in the order of arrival.
#[derive(Debug)]
pub struct Schedule {
    customers: u32,
    /// Bounds of the slices not yet cut, the next one last.
    bounds: Vec<i64>,
    slice: Vec<Delivery>,
    /// How much of the slice is delivered.
    delivered: usize,
}

impl Schedule {
    pub fn new(world: &World, customers: u32) -> Self {
        let mut bounds = slice_bounds(world, customers, SLICE);
        bounds.reverse();
        Self {
            customers,
            bounds,
            slice: Vec::new(),
            delivered: 0,
        }
    }

    /// The next delivery, or none when all that arrives within the span has been delivered.
    pub fn next(&mut self, world: &World) -> Option<Delivery> {
        while self.delivered == self.slice.len() {
            let from = self.bounds.pop()?;
            let Some(to) = self.bounds.last() else {
                self.slice = Vec::new();
                self.delivered = 0;
                return None;
            };
            self.cut(world, from..*to);
        }
        let delivery = self.slice[self.delivered];
        self.delivered += 1;
        Some(delivery)
    }

    fn cut(&mut self, world: &World, within: Range<i64>) {
        let slice = &mut self.slice;
        slice.clear();
        for customer in 0..self.customers {
            deliveries(world, customer, within.end, |delivery| {
                if within.contains(&delivery.arrives_at) {
                    slice.push(delivery);
                }
            });
        }
        slice.sort_unstable_by_key(Delivery::rank);
        self.delivered = 0;
    }
}

/// Instants that cut the span into slices of about `size` deliveries, both ends included.
fn slice_bounds(world: &World, customers: u32, size: u64) -> Vec<i64> {
    const STEPS: usize = 4096;
    let mut bounds = vec![world.start];
    // A customer has about four deliveries: below this the whole span is one slice.
    if u64::from(customers) * 4 > size {
        let step = (world.end - world.start) / STEPS as i64 + 1;
        let mut counts = vec![0_u64; STEPS];
        for customer in 0..customers {
            deliveries(world, customer, world.end, |delivery| {
                if delivery.arrives_at < world.end {
                    counts[((delivery.arrives_at - world.start) / step) as usize] += 1;
                }
            });
        }
        let mut filled = 0;
        for (at, count) in counts.into_iter().enumerate() {
            if filled > 0 && filled + count > size {
                bounds.push(world.start + at as i64 * step);
                filled = 0;
            }
            filled += count;
        }
    }
    bounds.push(world.end);
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Scenario;

    const END: i64 = 1_767_225_600_000;

    fn arrivals(schedule: &mut Schedule, world: &World) -> Vec<(i64, u64)> {
        std::iter::from_fn(|| schedule.next(world))
            .map(|delivery| delivery.rank())
            .collect()
    }

    #[test]
    fn a_delivery_is_small() {
        assert_eq!(size_of::<Delivery>(), 24);
    }

    #[test]
    fn slices_change_nothing_but_memory() {
        let world = World::new(3, Scenario::Steady, 30, END);
        let mut whole = Schedule::new(&world, 3_000);
        let expected = arrivals(&mut whole, &world);
        assert!(expected.is_sorted() && expected.len() > 9_000);

        let mut bounds = slice_bounds(&world, 3_000, 500);
        assert!(bounds.len() > 15, "{} slices", bounds.len() - 1);
        bounds.reverse();
        let mut sliced = Schedule {
            customers: 3_000,
            bounds,
            slice: Vec::new(),
            delivered: 0,
        };
        assert_eq!(arrivals(&mut sliced, &world), expected);
        assert!(sliced.slice.capacity() < 2_000, "memory of a slice or two");
    }
}
