//! A block: windows of any instants and periods that are looked at together, and their tallies.
//!
//! A report has one block, of all its periods. A series has a few, each of which has the windows of
//! one period at instants that follow each other. What a customer did is looked up once for a whole
//! block, and what it is in a window is one bit in a set.

use crate::event::{Survey, Timestamp};
use crate::ledger::Shard;
use crate::measure::catalogue::Section;
use crate::measure::counts::Counts;
use crate::measure::life::{Answer, Life, Order, Standing, Status};
use crate::measure::link::LinkTally;
use crate::measure::orders::OrderTally;
use crate::measure::partial::PeriodSums;
use crate::measure::question::{Instant, Sections};
use crate::measure::retention::RetentionTally;
use crate::measure::satisfaction::SatisfactionTally;
use crate::measure::segment::{SegmentCode, SegmentTally};
use crate::measure::windows::{Panes, Placed, WindowSet};

/// The sums of some windows while a pass is under way.
#[derive(Debug)]
pub struct Block {
    /// Of each window the places of its instant and its period.
    places: Vec<(usize, usize)>,
    panes: Panes,
    retention: RetentionTally,
    satisfaction: SatisfactionTally,
    orders: OrderTally,
    link: LinkTally,
    /// By segment: customers who were retained and in it all the while.
    stayed: Vec<Counts>,
    /// The orders of the customer that is being added.
    placed_orders: Vec<Placed<Order>>,
    placed_answers: Vec<Placed<Answer>>,
}

/// What the windows of a block see of a customer.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub standing: Standing,
    /// From where panes begin, the newest first.
    pub orders: &'a [Placed<Order>],
    /// From where panes begin, the newest first.
    pub answers: &'a [Placed<Answer>],
}

impl Block {
    /// The blocks of all windows of these instants, which have the same periods.
    #[must_use]
    pub fn all(instants: &[Instant]) -> Vec<Self> {
        let periods = instants.first().map_or(0, |instant| instant.windows.len());
        let places =
            (0..periods).flat_map(|period| (0..instants.len()).map(move |at| (at, period)));
        let places: Vec<(usize, usize)> = places.collect();
        let blocks = places.chunks(WindowSet::MOST);
        blocks.map(|places| Self::new(instants, places)).collect()
    }

    fn new(instants: &[Instant], places: &[(usize, usize)]) -> Self {
        let window = |(instant, period): &(usize, usize)| instants[*instant].windows[*period];
        let panes = Panes::new(places.iter().map(window).collect());
        Self {
            places: places.to_vec(),
            retention: RetentionTally::default(),
            satisfaction: SatisfactionTally::new(&panes),
            orders: OrderTally::new(&panes),
            link: LinkTally::default(),
            stayed: Vec::new(),
            placed_orders: Vec::new(),
            placed_answers: Vec::new(),
            panes,
        }
    }

    /// Counts a customer; `segments` are those of all instants.
    pub fn add(&mut self, life: &Life, sections: Sections, segments: &mut [SegmentTally]) {
        let panes = &self.panes;
        let standing = life.standing(panes);
        place(
            panes,
            &life.orders,
            |order| order.at,
            &mut self.placed_orders,
        );
        place(
            panes,
            &life.answers,
            |answer| answer.at,
            &mut self.placed_answers,
        );
        let seen = Seen {
            standing,
            orders: &self.placed_orders,
            answers: &self.placed_answers,
        };
        self.retention.standing(&standing);
        if sections.contains(Section::Retention) && !standing.moved.is_empty() {
            self.retention.spells(panes, life, &standing);
        }
        if sections.contains(Section::Satisfaction) && !seen.answers.is_empty() {
            self.satisfaction.add(seen.answers, standing.at_end());
        }
        if sections.contains(Section::Orders) && !seen.orders.is_empty() {
            self.orders.add(panes, life, seen.orders);
        }
        if sections.contains(Section::Link) {
            self.link.add(panes, life, &seen);
        }
        if sections.contains(Section::Segments) {
            let segmented = Segmented::new(life, panes, &self.places);
            segmented.add(&seen, &mut self.stayed, segments);
        }
    }
}

/// Finds the panes in which things lie, the newest first, as far back as there are any.
fn place<T: Copy>(
    panes: &Panes,
    things: &[T],
    at: impl Fn(&T) -> Timestamp,
    placed: &mut Vec<Placed<T>>,
) {
    placed.clear();
    for (nth, what) in things.iter().enumerate().rev() {
        let at = at(what);
        if at < panes.begin() {
            break;
        }
        placed.push(Placed {
            pane: *panes.at(at),
            nth,
            what: *what,
        });
    }
}

/// What windows need to count a customer by its segments.
struct Segmented<'a> {
    life: &'a Life,
    panes: &'a Panes,
    places: &'a [(usize, usize)],
    latest: SegmentCode,
    /// Windows during which the customer stayed in one segment, its latest.
    settled: WindowSet,
}

impl<'a> Segmented<'a> {
    fn new(life: &'a Life, panes: &'a Panes, places: &'a [(usize, usize)]) -> Self {
        Self {
            life,
            panes,
            places,
            latest: life.latest_segment(),
            settled: panes.at(life.last_segment_at()).not_begun,
        }
    }

    /// Counts what became of the customer, by where it was when the period began, or when it ended if
    /// it came later; and what it did, by where it was in the end.
    fn add(&self, seen: &Seen<'_>, stayed: &mut Vec<Counts>, tallies: &mut [SegmentTally]) {
        self.add_status(&seen.standing, stayed, tallies);
        for order in seen.orders {
            for place in order.pane.inside() {
                let (instant, period) = self.places[place];
                tallies[instant].order(self.at_end(place), period, &order.what);
            }
        }
        let mut scored = WindowSet::NONE;
        let answers = seen.answers.iter();
        for answer in answers.filter(|answer| answer.what.survey == Survey::Nps) {
            let inside = answer.pane.inside();
            for place in inside.without(scored) {
                let (instant, period) = self.places[place];
                tallies[instant].score(self.at_end(place), period, answer.what.score);
            }
            scored |= inside;
        }
    }

    fn add_status(
        &self,
        standing: &Standing,
        stayed: &mut Vec<Counts>,
        tallies: &mut [SegmentTally],
    ) {
        let counted = standing.retained & self.settled;
        if !counted.is_empty() {
            let place = self.latest.place();
            if stayed.len() <= place {
                stayed.resize(place + 1, Counts::default());
            }
            stayed[place].add(counted);
        }
        let moved = standing.retained.without(counted);
        for (status, windows) in [
            (Status::Retained, moved),
            (Status::Lost, standing.lost),
            (Status::New, standing.new),
            (Status::Reactivated, standing.reactivated),
        ] {
            for place in windows {
                let (instant, period) = self.places[place];
                let code = if status.at_start() {
                    self.at_start(place)
                } else {
                    self.at_end(place)
                };
                tallies[instant].status(code, period, status);
            }
        }
    }

    fn at_start(&self, place: usize) -> SegmentCode {
        if self.settled.contains(place) {
            return self.latest;
        }
        self.life
            .segment_at(self.panes.windows()[place].bounds.start)
    }

    fn at_end(&self, place: usize) -> SegmentCode {
        if self.settled.contains(place) {
            return self.latest;
        }
        self.life.segment_at(self.panes.windows()[place].bounds.end)
    }
}

/// By instant, the sums of its periods; what blocks have counted by segment goes into `segments`.
#[must_use]
pub fn finish(
    blocks: Vec<Block>,
    instants: &[Instant],
    segments: &mut [SegmentTally],
    shard: &Shard,
) -> Vec<Vec<PeriodSums>> {
    let empty = |instant: &Instant| vec![PeriodSums::default(); instant.windows.len()];
    let mut sums: Vec<Vec<PeriodSums>> = instants.iter().map(empty).collect();
    for block in blocks {
        for (place, (instant, period)) in block.places.iter().enumerate() {
            sums[*instant][*period] = block.sums(place, shard);
            let stayed = SegmentCode::below(block.stayed.len()).zip(&block.stayed);
            for (code, counts) in stayed {
                segments[*instant].stayed(code, *period, counts.of(place));
            }
        }
    }
    sums
}

impl Block {
    fn sums(&self, place: usize, shard: &Shard) -> PeriodSums {
        let panes = &self.panes;
        PeriodSums {
            retention: self.retention.finish(place, shard.reasons()),
            satisfaction: self.satisfaction.finish(panes, place, shard.channels()),
            orders: self.orders.finish(panes, place, shard.currencies()),
            link: self.link.finish(place, shard.currencies()),
            ..PeriodSums::default()
        }
    }
}
