//! Random numbers that are the same on every machine, for ever.
//!
//! Owns the generator of random bits and the few distributions drawn from it. Promises that a draw
//! depends on seed and stream only: nothing but integer arithmetic and the four basic operations on
//! floats, which IEEE 754 defines to the last bit, is used; logarithms of the platform are not.
//! Does not know what is drawn.
//!
//! The bits are SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators",
//! OOPSLA 2014). It is written out here because its twenty lines can then never change under us,
//! while crates of random numbers reserve the right to change their streams between versions.

/// The fractional part of the golden ratio, times 2^64: the increment of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

/// Scatters the bits of `x`; a bijection, so distinct inputs stay distinct.
pub const fn scatter(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Random {
    /// The stream of that number under a seed; streams of different numbers are independent.
    pub const fn of(seed: u64, stream: u64) -> Self {
        Self {
            state: scatter(scatter(seed.wrapping_add(GOLDEN)).wrapping_add(stream)),
        }
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        scatter(self.state)
    }

    /// A number in `[0, 1)`, a multiple of 2^-53.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// A whole number in `[0, end)`; 0 when `end` is 0.
    pub fn below(&mut self, end: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(end)) >> 32) as u32
    }

    /// A number of milliseconds in `[from, to)`.
    pub fn millis(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to - from)
    }

    /// A waiting time of mean 1, exponentially distributed.
    pub fn exponential(&mut self) -> f64 {
        -logarithm(1.0 - self.share())
    }

    /// The position of one of several weights, drawn in proportion to them.
    ///
    /// The weights must not all be 0.
    pub fn pick(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut left = self.below(weights.clone().sum());
        for (at, weight) in weights.enumerate() {
            if left < weight {
                return at;
            }
            left -= weight;
        }
        0
    }
}

/// The natural logarithm of a positive normal number, to nine digits.
///
/// With `x = m * 2^e`, 1 <= m < 2, and `s = (m - 1) / (m + 1)`, it is
/// `e * ln 2 + 2 (s + s^3/3 + s^5/5 + ..)`.
fn logarithm(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let exponent = (x.to_bits() >> 52) as i64 - 1023;
    let mantissa = f64::from_bits((x.to_bits() & MANTISSA) | (1023 << 52));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    let series = 1.0
        + z * (1.0 / 3.0
            + z * (1.0 / 5.0
                + z * (1.0 / 7.0
                    + z * (1.0 / 9.0 + z * (1.0 / 11.0 + z * (1.0 / 13.0 + z / 15.0))))));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_the_published_generator() {
        // The first outputs of SplitMix64 from state 1234567, as its reference code prints them.
        let mut random = Random { state: 1_234_567 };
        for expected in [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ] {
            assert_eq!(random.bits(), expected);
        }
    }

    #[test]
    fn the_logarithm_agrees_with_the_platforms() {
        for x in [1e-16, 0.001, 0.25, 0.333, 0.5, 0.999_999_9, 1.0, 1.5, 7.0] {
            let difference = (logarithm(x) - f64::ln(x)).abs();
            assert!(difference < 1e-8, "ln {x} is off by {difference}");
        }
    }

    #[test]
    fn distributions_have_their_means() {
        let mut random = Random::of(1, 2);
        let count = 100_000;
        let mut check = |name: &str, expected: f64, draw: &mut dyn FnMut(&mut Random) -> f64| {
            let mean = (0..count).map(|_| draw(&mut random)).sum::<f64>() / f64::from(count);
            let off = (mean / expected - 1.0).abs();
            assert!(off < 0.02, "{name}: {mean} instead of {expected}");
        };
        check("share", 0.5, &mut Random::share);
        check("exponential", 1.0, &mut Random::exponential);
        check("below", 4.5, &mut |random| f64::from(random.below(10)));
        check("pick", 0.75, &mut |random| {
            random.pick([1, 3].into_iter()) as f64
        });
        check("chance", 0.3, &mut |random| {
            f64::from(u8::from(random.chance(0.3)))
        });
    }

    #[test]
    fn streams_differ_by_seed_and_by_number() {
        let first = |seed, stream| Random::of(seed, stream).bits();
        assert_eq!(first(1, 1), first(1, 1));
        assert_ne!(first(1, 1), first(1, 2));
        assert_ne!(first(1, 1), first(2, 1));
    }
}
