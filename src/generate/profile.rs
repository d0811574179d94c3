//! Who the customers are: where they live, what they pay with, what they are like.
//!
//! Owns the catalogue of countries, plans and temperaments, and the profile of each customer, which
//! is a pure function of seed and customer number. Does not know time.

use super::random::{Random, scatter};

/// What a customer subscribes to; the attribute `plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    Free,
    Basic,
    Pro,
}

impl Plan {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Basic => "basic",
            Self::Pro => "pro",
        }
    }

    /// How often its customers leave, relative to all.
    pub const fn restlessness(self) -> f64 {
        match self {
            Self::Free => 1.25,
            Self::Basic => 1.0,
            Self::Pro => 0.65,
        }
    }

    /// How often its customers order, relative to all.
    pub const fn appetite(self) -> f64 {
        match self {
            Self::Free => 0.8,
            Self::Basic => 1.05,
            Self::Pro => 1.3,
        }
    }

    pub const fn upgraded(self) -> Self {
        match self {
            Self::Free => Self::Basic,
            Self::Basic | Self::Pro => Self::Pro,
        }
    }

    pub const fn downgraded(self) -> Self {
        match self {
            Self::Free | Self::Basic => Self::Free,
            Self::Pro => Self::Basic,
        }
    }
}

/// How satisfied a customer is by temperament and experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Happy,
    Content,
    Unhappy,
}

impl Mood {
    /// Probability to come back after leaving.
    pub const fn forgiveness(self) -> f64 {
        match self {
            Self::Happy => 0.3,
            Self::Content => 0.18,
            Self::Unhappy => 0.06,
        }
    }
}

/// Parts of the world that keep about the same hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    Americas,
    Europe,
    Asia,
}

impl Region {
    pub const ALL: [Self; 3] = [Self::Americas, Self::Europe, Self::Asia];

    pub const fn offset_minutes(self) -> i32 {
        match self {
            Self::Americas => -300,
            Self::Europe => 60,
            Self::Asia => 540,
        }
    }
}

/// Where a customer lives and how it pays.
#[derive(Debug)]
pub struct Country {
    /// Share of the customers, in percent.
    weight: u32,
    /// ISO 3166 code, the attribute `country`.
    pub code: &'static str,
    pub region: Region,
    pub currency: &'static str,
    /// Decimals of the currency's minor unit.
    pub decimals: u8,
    /// A usual order, in minor units.
    pub basket: u32,
}

const fn country(
    weight: u32,
    code: &'static str,
    region: Region,
    currency: &'static str,
    decimals: u8,
    basket: u32,
) -> Country {
    Country {
        weight,
        code,
        region,
        currency,
        decimals,
        basket,
    }
}

static COUNTRIES: [Country; 11] = [
    country(26, "US", Region::Americas, "USD", 2, 5_490),
    country(16, "DE", Region::Europe, "EUR", 2, 4_990),
    country(11, "GB", Region::Europe, "GBP", 2, 4_290),
    country(10, "FR", Region::Europe, "EUR", 2, 4_590),
    country(9, "TR", Region::Europe, "TRY", 2, 89_900),
    country(9, "JP", Region::Asia, "JPY", 0, 6_400),
    country(6, "BR", Region::Americas, "BRL", 2, 18_900),
    country(5, "PL", Region::Europe, "PLN", 2, 15_900),
    country(4, "KR", Region::Asia, "KRW", 0, 58_000),
    country(3, "SE", Region::Europe, "SEK", 2, 54_900),
    country(1, "KW", Region::Asia, "KWD", 3, 16_500),
];

/// Personal order rates relative to the mean: many seldom, few often. Their mean is 1.
const ORDER_RATES: [f64; 16] = [
    0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 1.9, 2.4, 4.0,
];

/// What does not change about a customer, and its first plan.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub country: &'static Country,
    pub mood: Mood,
    pub plan: Plan,
    /// Orders relative to the mean customer.
    pub order_rate: f64,
    /// Part of the base that was there from the beginning.
    pub early: bool,
    /// Comes from an older system, which numbers customers and writes times as integers.
    pub legacy: bool,
}

impl Profile {
    /// The profile of a customer under a seed.
    pub fn of(seed: u64, customer: u32) -> Self {
        let mut random = Random::of(seed, (u64::from(customer) << 32) | u64::from(u32::MAX));
        let country = random.pick(COUNTRIES.iter().map(|country| country.weight));
        let dice = random.bits();
        let percent = |shift: u32| ((dice >> shift) & 0xffff) * 100 / 0x1_0000;
        Self {
            country: &COUNTRIES[country],
            mood: match percent(0) {
                0..=54 => Mood::Happy,
                55..=84 => Mood::Content,
                _ => Mood::Unhappy,
            },
            plan: match percent(16) {
                0..=44 => Plan::Free,
                45..=79 => Plan::Basic,
                _ => Plan::Pro,
            },
            early: percent(32) < 40,
            legacy: percent(48) < 2,
            order_rate: ORDER_RATES[(random.bits() >> 60) as usize],
        }
    }
}

/// The number behind a customer's id, unique under a seed.
///
/// Text ids scatter it. The older system's numbers stay below 2^52, which every JSON library reads
/// exactly, and differ between most seeds.
pub const fn customer_number(seed: u64, customer: u32, legacy: bool) -> u64 {
    if legacy {
        ((scatter(seed) >> 44) << 32) | customer as u64
    } else {
        scatter(scatter(seed) ^ (customer as u64))
    }
}

/// The number behind an event's id, unique under a seed.
pub const fn event_number(seed: u64, customer: u32, ordinal: u32) -> u64 {
    scatter(scatter(!seed) ^ (((customer as u64) << 32) | ordinal as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_adds_up() {
        let weights: u32 = COUNTRIES.iter().map(|country| country.weight).sum();
        assert_eq!(weights, 100);
        let mean = ORDER_RATES.iter().sum::<f64>() / 16.0;
        assert!((mean - 1.0).abs() < 1e-9, "mean order rate {mean}");
        for country in &COUNTRIES {
            assert!(crate::event::currency::iso_4217(country.currency));
        }
    }

    #[test]
    fn profiles_follow_the_stated_shares() {
        let count = 50_000;
        let profiles: Vec<Profile> = (0..count)
            .map(|customer| Profile::of(7, customer))
            .collect();
        let check = |name: &str, expected: f64, is: &dyn Fn(&Profile) -> bool| {
            let share =
                profiles.iter().filter(|profile| is(profile)).count() as f64 / f64::from(count);
            assert!(
                (share - expected).abs() < 0.01,
                "{name}: {share}, not {expected}"
            );
        };
        check("happy", 0.55, &|profile| profile.mood == Mood::Happy);
        check("unhappy", 0.15, &|profile| profile.mood == Mood::Unhappy);
        check("free", 0.45, &|profile| profile.plan == Plan::Free);
        check("pro", 0.20, &|profile| profile.plan == Plan::Pro);
        check("early", 0.40, &|profile| profile.early);
        check("legacy", 0.02, &|profile| profile.legacy);
        check("Japan", 0.09, &|profile| profile.country.code == "JP");
    }
}
