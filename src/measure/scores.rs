//! Satisfaction: scores, shares, means and their bounds from counts of answers.

use serde::{Deserialize, Serialize};

use crate::ledger::settings::{Better, CesMax, CesScale};

/// The 97.5 % point of the normal distribution, which makes bounds of 95 %.
const Z: f64 = 1.959_964;

/// Counts of promoters, passives and detractors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Groups {
    pub promoters: u64,
    pub passives: u64,
    pub detractors: u64,
}

/// The group of an NPS answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// 9 and 10.
    Promoter,
    /// 7 and 8.
    Passive,
    /// 0 to 6.
    Detractor,
}

impl Group {
    #[must_use]
    pub const fn of(score: u8) -> Self {
        match score {
            9.. => Self::Promoter,
            7 | 8 => Self::Passive,
            _ => Self::Detractor,
        }
    }

    /// The label value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promoter => "promoter",
            Self::Passive => "passive",
            Self::Detractor => "detractor",
        }
    }
}

impl Groups {
    /// Counts an answer.
    pub const fn add(&mut self, score: u8) {
        match Group::of(score) {
            Group::Promoter => self.promoters += 1,
            Group::Passive => self.passives += 1,
            Group::Detractor => self.detractors += 1,
        }
    }

    #[must_use]
    pub const fn total(self) -> u64 {
        self.promoters + self.passives + self.detractors
    }

    /// The counts with their groups.
    #[must_use]
    pub const fn by_group(self) -> [(Group, u64); 3] {
        [
            (Group::Promoter, self.promoters),
            (Group::Passive, self.passives),
            (Group::Detractor, self.detractors),
        ]
    }

    /// The counts as the parts of a score.
    #[must_use]
    pub const fn parts(self) -> [f64; 3] {
        [
            self.promoters as f64,
            self.passives as f64,
            self.detractors as f64,
        ]
    }

    pub const fn merge(&mut self, other: Self) {
        self.promoters += other.promoters;
        self.passives += other.passives;
        self.detractors += other.detractors;
    }
}

/// A number with its 95 % bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    pub value: f64,
    pub lower: f64,
    pub upper: f64,
}

/// The Net Promoter Score, -100 to 100: share of promoters minus share of detractors, in points.
///
/// Nothing without answers. Source: Fred Reichheld, "The One Number You Need to Grow", Harvard
/// Business Review, December 2003.
#[must_use]
pub fn nps(groups: Groups) -> Option<f64> {
    let total = groups.total();
    let net = groups.promoters as f64 - groups.detractors as f64;
    (total > 0).then(|| 100.0 * net / total as f64)
}

/// The score with its 95 % bounds by the adjusted Wald method: 0.75 promoters, 0.75 detractors and
/// 1.5 passives are added, the bounds are clipped to the scale and widened to contain the score.
///
/// Source: Jeff Sauro and James R. Lewis, "Quantifying the User Experience"; the method for NPS on
/// measuringu.com, "How to compute a confidence interval for the Net Promoter Score".
#[must_use]
pub fn nps_with_bounds(groups: Groups) -> Option<Bounded> {
    let value = nps(groups)?;
    let Adjusted { net, error } = Adjusted::of(groups);
    Some(Bounded {
        value,
        lower: (100.0 * (net - Z * error)).max(-100.0).min(value),
        upper: (100.0 * (net + Z * error)).min(100.0).max(value),
    })
}

/// The standard error of a score in points, adjusted as its bounds are.
#[must_use]
pub fn nps_standard_error(groups: Groups) -> f64 {
    100.0 * Adjusted::of(groups).error
}

/// Net promoters as a share, and its standard error, after the adjustment.
struct Adjusted {
    net: f64,
    error: f64,
}

impl Adjusted {
    fn of(groups: Groups) -> Self {
        let n = groups.total() as f64 + 3.0;
        let promoters = (groups.promoters as f64 + 0.75) / n;
        let detractors = (groups.detractors as f64 + 0.75) / n;
        let net = promoters - detractors;
        let error = ((promoters + detractors - net * net) / n).sqrt();
        Self { net, error }
    }
}

/// The share of `hits` among `total` with its 95 % bounds by Wilson's method; nothing of nothing.
///
/// Source: Edwin B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
/// Journal of the American Statistical Association 22 (1927).
#[must_use]
pub fn share_with_bounds(hits: u64, total: u64) -> Option<Bounded> {
    if total == 0 {
        return None;
    }
    let n = total as f64;
    let share = hits as f64 / n;
    let denominator = 1.0 + Z * Z / n;
    let middle = (share + Z * Z / (2.0 * n)) / denominator;
    let half = Z / denominator * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(Bounded {
        value: share,
        lower: (middle - half).max(0.0).min(share),
        upper: (middle + half).min(1.0).max(share),
    })
}

/// The mean rating of answers counted by rating, from 1 up; nothing without answers.
#[must_use]
pub fn mean(ratings: &[u64]) -> Option<f64> {
    let total = ratings.iter().sum();
    ratio(sum_of_ratings(ratings), total)
}

/// The sum of all ratings that were counted by rating, from 1 up.
#[must_use]
pub fn sum_of_ratings(ratings: &[u64]) -> u64 {
    let products = ratings
        .iter()
        .zip(1..)
        .map(|(count, rating)| count * rating);
    products.sum()
}

/// A quotient of counts; nothing where there is nothing to divide by.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Answers that are content with what they rate: 4 and 5 of 5.
#[must_use]
pub const fn satisfied(csat: &[u64; 5]) -> u64 {
    csat[3] + csat[4]
}

/// Answers that tell of little effort: 1-2 or 4-5 of 5, 1-3 or 5-7 of 7, by which end is better.
#[must_use]
pub fn low_effort(ces: &[u64; 7], scale: CesScale) -> u64 {
    let ratings = match (scale.max, scale.better) {
        (CesMax::Five, Better::Low) => 1..=2,
        (CesMax::Five, Better::High) => 4..=5,
        (CesMax::Seven, Better::Low) => 1..=3,
        (CesMax::Seven, Better::High) => 5..=7,
    };
    ces.iter()
        .zip(1..)
        .filter(|(_, rating)| ratings.contains(rating))
        .map(|(count, _)| count)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(promoters: u64, passives: u64, detractors: u64) -> Groups {
        Groups {
            promoters,
            passives,
            detractors,
        }
    }

    #[test]
    fn scores_follow_the_definition() {
        assert_eq!(nps(groups(70, 20, 10)), Some(60.0));
        assert_eq!(nps(groups(10, 5, 5)), Some(25.0));
        assert_eq!(nps(groups(0, 0, 0)), None);
    }

    #[test]
    fn bounds_contain_the_score_and_stay_on_the_scale() {
        let all = nps_with_bounds(groups(5, 0, 0)).unwrap();
        assert!((all.lower - 17.5).abs() < 0.05, "{all:?}");
        assert_eq!((all.value, all.upper), (100.0, 100.0));
        let one = nps_with_bounds(groups(0, 0, 1)).unwrap();
        assert_eq!((one.value, one.lower), (-100.0, -100.0));
    }

    #[test]
    fn wilson_bounds_are_those_of_the_literature() {
        // 15 of 148: Newcombe, "Two-sided confidence intervals for the single proportion", 1998.
        let bounds = share_with_bounds(15, 148).unwrap();
        assert!((bounds.lower - 0.0624).abs() < 5e-5 && (bounds.upper - 0.1605).abs() < 5e-5);
        let none = share_with_bounds(0, 20).unwrap();
        assert!(none.lower == 0.0 && (none.upper - 0.1611).abs() < 5e-5);
        assert_eq!(share_with_bounds(0, 0), None);
    }

    #[test]
    fn little_effort_depends_on_the_scale() {
        let ces = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];
        let check = |max, better, expected| {
            assert_eq!(low_effort(&ces, CesScale { max, better }), expected);
        };
        check(CesMax::Five, Better::Low, 11);
        check(CesMax::Five, Better::High, 11_000);
        check(CesMax::Seven, Better::Low, 111);
        check(CesMax::Seven, Better::High, 1_110_000);
    }
}
