//! Satisfaction: the answers of a period, by customer, by survey and by channel.
//!
//! NPS is about the relation to a customer, so its score counts each customer's latest answer; CSAT
//! and CES are about one contact, so every answer counts.

use std::collections::BTreeMap;

use crate::event::Survey;
use crate::ledger::texts::Texts;
use crate::measure::life::{Answer, Life, Within};
use crate::measure::question::Window;
use crate::measure::scores::Groups;

/// Answers of each survey by what matters of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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

/// The sums while an evaluation is under way: channels by code instead of text.
#[derive(Debug, Default)]
pub struct SatisfactionTally {
    sums: SatisfactionSums,
    channels: Vec<Answers>,
}

impl SatisfactionTally {
    /// Counts the answers of a customer.
    pub fn add(&mut self, window: &Window, life: &Life, within: Within<'_>) {
        if let Some(baseline) = window.baseline
            && let Some(score) = life.latest_nps_in(baseline)
        {
            self.sums.nps_baseline.add(score);
        }
        if within.answers.is_empty() {
            return;
        }
        let mut answered = [false; 3];
        for answer in within.answers {
            self.sums.answers.add(answer);
            self.channel(answer.channel).add(answer);
            answered[answer.survey as usize] = true;
        }
        if let Some(score) = within.latest_nps() {
            self.sums.nps_customers.add(score);
        }
        if within.at_end() {
            for (count, answered) in self.sums.active_respondents.iter_mut().zip(answered) {
                *count += u64::from(answered);
            }
        }
    }

    fn channel(&mut self, code: u8) -> &mut Answers {
        let place = usize::from(code);
        if self.channels.len() <= place {
            self.channels.resize(place + 1, Answers::default());
        }
        &mut self.channels[place]
    }

    /// The sums by text.
    #[must_use]
    pub fn finish(self, channels: &Texts) -> SatisfactionSums {
        let mut sums = self.sums;
        for (channel, answers) in channels.iter().zip(&self.channels) {
            if answers.total() > 0 {
                let known = sums.channels.entry(channel.to_owned()).or_default();
                known.merge(answers);
            }
        }
        sums
    }
}
