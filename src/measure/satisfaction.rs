//! Satisfaction: the answers of a period, by customer, by survey and by channel.
//!
//! NPS is about the relation to a customer, so its score counts each customer's latest answer; CSAT
//! and CES are about one contact, so every answer counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Survey;
use crate::ledger::texts::Texts;
use crate::measure::counts::Counts;
use crate::measure::life::Answer;
use crate::measure::scores::{Group, Groups};
use crate::measure::windows::{PaneSums, Panes, Placed, WindowSet};

/// Answers of each survey by what matters of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answers {
    pub nps: Groups,
    /// By rating, from 1 up.
    pub csat: [u64; 5],
    /// By rating, from 1 up; the last two are used on a scale of seven.
    pub ces: [u64; 7],
}

impl Answers {
    fn add(&mut self, answer: &Answer) {
        match answer.survey {
            Survey::Nps => self.nps.add(answer.score),
            Survey::Csat => count_rating(&mut self.csat, answer.score),
            Survey::Ces => count_rating(&mut self.ces, answer.score),
        }
    }

    /// All answers to one survey.
    #[must_use]
    pub fn of(&self, survey: Survey) -> u64 {
        match survey {
            Survey::Nps => self.nps.total(),
            Survey::Csat => self.csat.iter().sum(),
            Survey::Ces => self.ces.iter().sum(),
        }
    }

    /// The answers to all surveys.
    #[must_use]
    pub fn total(&self) -> u64 {
        Survey::ALL.into_iter().map(|survey| self.of(survey)).sum()
    }

    pub fn merge(&mut self, other: &Self) {
        self.nps.merge(other.nps);
        for (mine, theirs) in self.csat.iter_mut().zip(other.csat) {
            *mine += theirs;
        }
        for (mine, theirs) in self.ces.iter_mut().zip(other.ces) {
            *mine += theirs;
        }
    }
}

fn count_rating(counts: &mut [u64], rating: u8) {
    if let Some(count) = usize::from(rating)
        .checked_sub(1)
        .and_then(|at| counts.get_mut(at))
    {
        *count += 1;
    }
}

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SatisfactionSums {
    /// Customers by the group of their latest answer.
    pub nps_customers: Groups,
    /// The same in the window with which a rolling period is compared.
    pub nps_baseline: Groups,
    /// Every answer.
    pub answers: Answers,
    /// Every answer, by channel as text; none without answers.
    pub channels: BTreeMap<String, Answers>,
    /// Customers active at the end who answered, in the order of [`Survey::ALL`].
    pub active_respondents: [u64; 3],
}

impl SatisfactionSums {
    pub fn merge(&mut self, other: &Self) {
        self.nps_customers.merge(other.nps_customers);
        self.nps_baseline.merge(other.nps_baseline);
        self.answers.merge(&other.answers);
        for (channel, answers) in &other.channels {
            self.channels
                .entry(channel.clone())
                .or_default()
                .merge(answers);
        }
        for (mine, theirs) in self
            .active_respondents
            .iter_mut()
            .zip(other.active_respondents)
        {
            *mine += theirs;
        }
    }
}

/// The sums of the windows of a block while an evaluation is under way: channels by code instead of
/// text.
#[derive(Debug)]
pub struct SatisfactionTally {
    nps_customers: GroupCounts,
    nps_baseline: GroupCounts,
    /// Every answer, by channel.
    answers: PaneSums<Answers>,
    active_respondents: [Counts; 3],
}

/// Customers by group.
#[derive(Debug, Default)]
struct GroupCounts {
    promoters: Counts,
    passives: Counts,
    detractors: Counts,
}

impl GroupCounts {
    fn add(&mut self, score: u8, windows: WindowSet) {
        let counts = match Group::of(score) {
            Group::Promoter => &mut self.promoters,
            Group::Passive => &mut self.passives,
            Group::Detractor => &mut self.detractors,
        };
        counts.add(windows);
    }

    fn of(&self, place: usize) -> Groups {
        Groups {
            promoters: self.promoters.of(place),
            passives: self.passives.of(place),
            detractors: self.detractors.of(place),
        }
    }
}

impl SatisfactionTally {
    #[must_use]
    pub fn new(panes: &Panes) -> Self {
        Self {
            nps_customers: GroupCounts::default(),
            nps_baseline: GroupCounts::default(),
            answers: PaneSums::new(panes),
            active_respondents: Default::default(),
        }
    }

    /// Counts the answers of a customer, the newest first, who is active at the end of some windows.
    pub fn add(&mut self, answers: &[Placed<Answer>], at_end: WindowSet) {
        let mut answered = [WindowSet::NONE; 3];
        // Windows in which, or in whose baseline, a later NPS answer lies. Of two at one instant the
        // larger score comes first here.
        let (mut scored, mut baseline) = (WindowSet::NONE, WindowSet::NONE);
        for Placed { pane, what, .. } in answers {
            let inside = pane.inside();
            if !inside.is_empty() {
                self.answers.of(what.channel, pane).add(what);
            }
            answered[what.survey as usize] |= inside;
            if what.survey == Survey::Nps {
                self.nps_customers.add(what.score, inside.without(scored));
                let compared = pane.baseline.without(baseline);
                self.nps_baseline.add(what.score, compared);
                scored |= inside;
                baseline |= pane.baseline;
            }
        }
        for (counts, answered) in self.active_respondents.iter_mut().zip(answered) {
            counts.add(answered & at_end);
        }
    }

    /// The sums of a window by text.
    #[must_use]
    pub fn finish(&self, panes: &Panes, place: usize, channels: &Texts) -> SatisfactionSums {
        let mut sums = SatisfactionSums {
            nps_customers: self.nps_customers.of(place),
            nps_baseline: self.nps_baseline.of(place),
            active_respondents: self
                .active_respondents
                .each_ref()
                .map(|counts| counts.of(place)),
            ..SatisfactionSums::default()
        };
        let by_channel = channels.iter().zip(self.answers.inside(panes, place));
        for (channel, parts) in by_channel {
            let mut answers = Answers::default();
            for part in parts {
                answers.merge(part);
            }
            if answers.total() > 0 {
                sums.answers.merge(&answers);
                let known = sums.channels.entry(channel.to_owned()).or_default();
                known.merge(&answers);
            }
        }
        sums
    }
}
