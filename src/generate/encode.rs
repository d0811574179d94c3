//! Events as JSON, in the form `tenure` reads.
//!
//! Owns the text of generated records: ids, times, amounts and the variants a real backend mixes
//! (amounts as strings and numbers, local times, integer ids). Promises valid JSON without
//! allocation once the buffers have grown. Does not know why something happened.

use super::Record;
use super::life::{Act, REASONS};
use super::profile::{Profile, customer_number, event_number};
use super::random::Random;
use super::schedule::Delivery;
use super::season::{DAY, date};
use crate::event::Timestamp;

/// Digits of ids: Crockford's base 32, without letters that look like digits.
const BASE_32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes deliveries into records; remembers the day it wrote last.
#[derive(Debug)]
pub struct Encoder {
    seed: u64,
    day: i64,
    /// `2026-11-01T` of that day.
    day_text: [u8; 11],
}

impl Encoder {
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            day: 0,
            day_text: *b"1970-01-01T",
        }
    }

    /// Replaces what the record held by this delivery. A repeat has the bytes of the original.
    pub fn write(&mut self, delivery: &Delivery, record: &mut Record) {
        let customer = delivery.customer;
        let profile = Profile::of(self.seed, customer);
        let stream = (u64::from(customer) << 32) | u64::from(delivery.ordinal);
        let mut random = Random::of(!self.seed, stream);

        key(&mut record.key, self.seed, customer, &profile);
        record.event_type = delivery.act.event_type();
        record.occurred_at = Timestamp::from_millis(delivery.occurred_at());
        record.arrives_at = Timestamp::from_millis(delivery.arrives_at);
        record.repeat = delivery.repeat;

        let out = &mut record.payload;
        out.clear();
        out.extend_from_slice(b"{\"event_id\":\"");
        let id = event_number(self.seed, customer, delivery.ordinal);
        base_32(id, |digit| out.push(digit));
        out.extend_from_slice(b"\",\"type\":\"");
        out.extend_from_slice(record.event_type.name().as_bytes());
        out.extend_from_slice(b"\",\"customer_id\":");
        if profile.legacy {
            out.extend_from_slice(record.key.as_bytes());
        } else {
            quoted(out, record.key.as_bytes());
        }
        out.extend_from_slice(b",\"occurred_at\":");
        self.time(out, delivery, &profile, &mut random);
        match delivery.act {
            Act::Signup => sign_up(out, &mut random),
            Act::Order => order(out, &profile, id, &mut random),
            Act::Nps => survey(out, b"nps", delivery.detail, &mut random),
            Act::Csat => survey(out, b"csat", delivery.detail, &mut random),
            Act::Ces => survey(out, b"ces", delivery.detail, &mut random),
            Act::Churn => churn(out, delivery.detail),
        }
        attributes(out, delivery, &profile);
        out.push(b'}');
    }

    /// RFC 3339 in UTC; survey tools write local time, the older system integers.
    fn time(
        &mut self,
        out: &mut Vec<u8>,
        delivery: &Delivery,
        profile: &Profile,
        random: &mut Random,
    ) {
        let at = delivery.occurred_at();
        if profile.legacy {
            return decimal(at.unsigned_abs(), 1, |digit| out.push(digit));
        }
        let local = matches!(delivery.act, Act::Nps | Act::Ces) && random.chance(0.3);
        let offset = if local {
            profile.country.region.offset_minutes()
        } else {
            0
        };
        let shown = at + i64::from(offset) * 60_000;
        out.push(b'"');
        out.extend_from_slice(&self.day_text(shown.div_euclid(DAY)));
        clock(out, shown.rem_euclid(DAY));
        if local {
            out.push(if offset < 0 { b'-' } else { b'+' });
            out.extend_from_slice(&two_digits(offset.unsigned_abs() / 60));
            out.push(b':');
            out.extend_from_slice(&two_digits(offset.unsigned_abs() % 60));
        } else {
            out.push(b'Z');
        }
        out.push(b'"');
    }

    fn day_text(&mut self, day: i64) -> [u8; 11] {
        if day != self.day {
            let (year, month, of_month) = date(day);
            let year = year.unsigned_abs() as u32;
            self.day = day;
            self.day_text[0..2].copy_from_slice(&two_digits(year / 100));
            self.day_text[2..4].copy_from_slice(&two_digits(year % 100));
            self.day_text[5..7].copy_from_slice(&two_digits(u32::from(month)));
            self.day_text[8..10].copy_from_slice(&two_digits(u32::from(of_month)));
        }
        self.day_text
    }
}

/// The customer's id as text.
fn key(out: &mut String, seed: u64, customer: u32, profile: &Profile) {
    let number = customer_number(seed, customer, profile.legacy);
    out.clear();
    if profile.legacy {
        decimal(number, 1, |digit| out.push(char::from(digit)));
    } else {
        out.push_str("c-");
        base_32(number, |digit| out.push(char::from(digit)));
    }
}

fn sign_up(out: &mut Vec<u8>, random: &mut Random) {
    let sources: [(&str, u32); 4] = [("organic", 5), ("ads", 3), ("referral", 2), ("partner", 1)];
    let source = random.pick(sources.iter().map(|(_, weight)| *weight));
    out.extend_from_slice(b",\"source\":");
    quoted(out, sources[source].0.as_bytes());
}

fn order(out: &mut Vec<u8>, profile: &Profile, id: u64, random: &mut Random) {
    let channels: [(&str, u32); 3] = [("web", 6), ("app", 3), ("store", 1)];
    let channel = random.pick(channels.iter().map(|(_, weight)| *weight));
    let minor_units = amount(profile.country.basket, profile.country.decimals, random);
    let as_number = random.below(100) < 8;

    out.extend_from_slice(b",\"order_id\":\"o-");
    decimal(id % 1_000_000_000, 9, |digit| out.push(digit));
    out.extend_from_slice(b"\",\"amount\":");
    if !as_number {
        out.push(b'"');
    }
    money(out, minor_units, profile.country.decimals);
    if !as_number {
        out.push(b'"');
    }
    out.extend_from_slice(b",\"currency\":");
    quoted(out, profile.country.currency.as_bytes());
    out.extend_from_slice(b",\"channel\":");
    quoted(out, channels[channel].0.as_bytes());
}

/// An amount in minor units around a usual basket: many small, few large, a few free.
fn amount(basket: u32, decimals: u8, random: &mut Random) -> u64 {
    if random.below(1000) < 3 {
        return 0;
    }
    // A quarter of the basket to four times as much, in 2^20ths; the cube makes the large rare.
    let dice = random.bits() >> 44;
    let cube = (((dice * dice) >> 20) * dice) >> 20;
    let factor = (1 << 18) + cube * 15 / 4;
    let exact = (u64::from(basket) * factor) >> 20;
    // Shops like round prices and those just below one.
    match (decimals, random.below(4)) {
        (0, _) => exact / 10 * 10 + 10,
        (_, 0) => exact,
        (_, 1) => exact / 100 * 100 + 99,
        (_, 2) => exact / 100 * 100 + 90,
        _ => exact / 100 * 100 + 100,
    }
}

fn money(out: &mut Vec<u8>, minor_units: u64, decimals: u8) {
    let unit = 10_u64.pow(u32::from(decimals));
    decimal(minor_units / unit, 1, |digit| out.push(digit));
    if decimals > 0 {
        out.push(b'.');
        decimal(minor_units % unit, usize::from(decimals), |digit| {
            out.push(digit);
        });
    }
}

fn survey(out: &mut Vec<u8>, survey: &[u8], score: u8, random: &mut Random) {
    let channels: [(&str, u32); 5] = [
        ("email", 46),
        ("in_app", 30),
        ("sms", 12),
        ("web", 8),
        ("", 4),
    ];
    let channel = random.pick(channels.iter().map(|(_, weight)| *weight));
    out.extend_from_slice(b",\"survey\":");
    quoted(out, survey);
    out.extend_from_slice(b",\"score\":");
    decimal(u64::from(score), 1, |digit| out.push(digit));
    if !channels[channel].0.is_empty() {
        out.extend_from_slice(b",\"channel\":");
        quoted(out, channels[channel].0.as_bytes());
    }
}

fn churn(out: &mut Vec<u8>, reason: u8) {
    let text = REASONS[usize::from(reason)].0;
    if !text.is_empty() {
        out.extend_from_slice(b",\"reason\":");
        quoted(out, text.as_bytes());
    }
}

fn attributes(out: &mut Vec<u8>, delivery: &Delivery, profile: &Profile) {
    out.extend_from_slice(b",\"attributes\":{\"plan\":");
    quoted(out, delivery.plan.name().as_bytes());
    out.extend_from_slice(b",\"country\":");
    quoted(out, profile.country.code.as_bytes());
    out.push(b'}');
}

/// A text that needs no escapes, or has them already.
fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn base_32(number: u64, mut digit: impl FnMut(u8)) {
    for place in (0..13).rev() {
        digit(BASE_32[((number >> (place * 5)) & 31) as usize]);
    }
}

/// Decimal digits, with leading zeros up to `width`.
fn decimal(mut number: u64, width: usize, mut digit: impl FnMut(u8)) {
    let mut digits = [b'0'; 20];
    let mut from = digits.len();
    while number > 0 || digits.len() - from < width {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits[from..].iter().for_each(|byte| digit(*byte));
}

/// `09:31:12.250` of the milliseconds of a day.
fn clock(out: &mut Vec<u8>, millis: i64) {
    let millis = millis.unsigned_abs() as u32;
    let (seconds, fraction) = (millis / 1000, millis % 1000);
    let [h1, h2] = two_digits(seconds / 3600);
    let [m1, m2] = two_digits(seconds / 60 % 60);
    let [s1, s2] = two_digits(seconds % 60);
    let [f1, f2] = two_digits(fraction / 10);
    let f3 = b'0' + (fraction % 10) as u8;
    out.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2, b'.', f1, f2, f3]);
}

/// Of a number below 100.
const fn two_digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_fit_their_currency() {
        let check = |minor_units: u64, decimals: u8, expected: &str| {
            let mut out = Vec::new();
            money(&mut out, minor_units, decimals);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
        };
        check(12_990, 2, "129.90");
        check(5, 2, "0.05");
        check(0, 2, "0.00");
        check(6_400, 0, "6400");
        check(0, 0, "0");
        check(16_500, 3, "16.500");
    }

    #[test]
    fn numbers_and_times_are_written_in_full() {
        let mut out = Vec::new();
        decimal(0, 1, |digit| out.push(digit));
        decimal(u64::MAX, 1, |digit| out.push(digit));
        decimal(42, 5, |digit| out.push(digit));
        clock(&mut out, DAY - 1);
        clock(&mut out, 0);
        let expected = "0184467440737095516150004223:59:59.99900:00:00.000";
        assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
    }

    #[test]
    fn ids_of_distinct_numbers_are_distinct() {
        let text = |number| {
            let mut text = String::new();
            base_32(number, |digit| text.push(char::from(digit)));
            text
        };
        assert_eq!(text(0), "0000000000000");
        assert_eq!(text(u64::MAX), "fzzzzzzzzzzzz");
        assert_ne!(text(1 << 63), text(0));
    }
}
