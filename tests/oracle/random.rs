//! Random logs, made to be nasty: few customers, few instants, and these on every boundary.
//!
//! A seed decides everything about a case. Whoever fails prints the seed, and the same seed makes
//! the same case again.
//!
//! What is left out because its meaning depends on more than the log: ids that come again with
//! other content when it is doubtful whether they are remembered. Logs with conflicting ids
//! remember for longer than they last; all others have no such ids, and then remember for hours.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Fact, Log, Record, Survey};
use super::page::Page;
use super::period::{Month, before, interval, length, rolling};
use super::retention::{has_expectation, weeks_before};
use super::satisfaction::baseline;
use super::settings::{DAY, HOUR, Settings, StartsWith};
use super::spell::Lives;
use super::table::instant;
use super::{cohort, evaluate, kept};

/// A log, how it is read, and the instants at which it is worth to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomCase {
    pub seed: u64,
    pub log: Log,
    pub settings: Settings,
    pub instants: Vec<i64>,
}

/// Which old facts arrive once the prune line has passed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stragglers {
    /// None: every record arrives within days of its event.
    None,
    /// Late events and late repeats, older than the prune line when they arrive.
    Some,
}

/// Places where calendars are difficult, and the instants at which they are.
const PLACES: &[(&str, &[&str])] = &[
    ("UTC", &["2026-01-01", "2024-03-01", "2026-06-01"]),
    // Summer time until a week after everybody else, and then for ever.
    (
        "Europe/Istanbul",
        &["2015-11-08T01:00", "2016-09-06T21:00", "2025-12-31T21:00"],
    ),
    (
        "America/New_York",
        &["2026-03-08T07:00", "2026-11-01T06:00", "2026-11-01T04:00"],
    ),
    ("Europe/Lisbon", &["2026-03-29T01:00", "2026-10-25T01:00"]),
    // Half an hour.
    (
        "Australia/Lord_Howe",
        &["2026-04-04T15:00", "2026-10-03T15:30"],
    ),
    // At midnight, forwards and backwards.
    (
        "America/Sao_Paulo",
        &["2018-11-04T03:00", "2018-02-18T02:00"],
    ),
    ("America/Havana", &["2026-03-08T05:00", "2026-11-01T05:00"]),
    // A minute after midnight.
    (
        "America/St_Johns",
        &["2010-11-07T02:31", "2010-03-14T03:31"],
    ),
    ("Asia/Kolkata", &["2026-03-31T18:30"]),
    // A date left out.
    ("Pacific/Apia", &["2011-12-30T10:00", "2011-09-24T14:00"]),
];

const PERIODS: &[&str] = &[
    "90m",
    "1h",
    "24h",
    "7d",
    "2w",
    "30d",
    "90d",
    "365d",
    "today",
    "this_week",
    "this_month",
    "this_quarter",
    "this_year",
    "yesterday",
    "last_week",
    "last_month",
    "last_quarter",
    "last_year",
];

const CUSTOMERS: &[&str] = &["42", "7", "-1", "007", "c-a", "ö", "a b\"\\\n", "🙂"];

const REASONS: &[&str] = &[
    "price",
    "Price",
    "moved",
    "zu teuer",
    "öde",
    "🙂",
    "ｚ",
    "a\"b\\c\nd",
    "unspecified",
    "inactivity",
    "other",
];

const CHANNELS: &[&str] = &[
    "email",
    "Email",
    "in-app",
    "ö",
    "🙂",
    "ｚ",
    "a\"b\\c\nd",
    "unspecified",
    "other",
];

/// Configured dimensions; records have attributes of all three names.
const DIMENSIONS: &[&[&str]] = &[
    &[],
    &["plan"],
    &["plan", "country"],
    &["country", "plan"],
    &["country", "tier_2", "plan"],
];

const VALUES: &[&str] = &[
    "pro",
    "Pro",
    "free",
    "ö",
    "🙂",
    "ｚ",
    "unknown",
    "other",
    "42",
    "1.50",
    "true",
    "a\"b\\c\nd",
];

/// In millionths, from nothing to the largest there is.
const AMOUNTS: &[u64] = &[
    0,
    0,
    1,
    333_333,
    10_000_000,
    10_000_000,
    12_500_000,
    119_970_000,
    129_900_000,
    999_999_999_999_999_999,
];

/// A case whose facts are all kept.
pub fn random_case(seed: u64) -> RandomCase {
    let mut dice = Dice::new(seed);
    let place = dice.place();
    let mut settings = dice.settings(&place, PERIODS);
    settings.history = 20_000 * DAY;
    let conflicts = dice.one_in(2);
    if conflicts {
        settings.duplicate_window = 36_500 * DAY;
    }
    let marks = marks(&settings, place.focus);
    dice.set_instants(&mut settings, &marks);
    let pool = dice.pool(&settings, &marks);

    let mut writer = Writer::new(dice, &settings, &pool);
    writer.write(conflicts);
    writer.perhaps_crowd(place.focus - 7 * DAY);
    writer.perhaps_leave_weeks_ago(place.focus);
    let (mut dice, mut records) = (writer.dice, writer.records);
    dice.order(&mut records);
    dice.stamp(&mut records, &settings);

    let mut instants = vec![place.focus];
    for _ in 0..3 {
        let at = dice.pick(&pool);
        instants.push(dice.near(at, &settings));
    }
    RandomCase {
        seed,
        log: Log { records },
        settings,
        instants,
    }
}

/// A case whose log is longer than its history, asked only about what is kept.
///
/// The prune line lies `history` before the newest Kafka timestamp. What the numbers of any of the
/// instants need to know exactly begins at the line or later: the periods, the windows before them
/// with which they are compared, the answers in the 90 days before them, and the ends of the months
/// of the cohorts shown. Of what is older they need only what is true at the line.
pub fn pruned_case(seed: u64, stragglers: Stragglers) -> RandomCase {
    let mut dice = Dice::new(seed);
    let place = dice.place();
    let not_years: Vec<&str> = PERIODS
        .iter()
        .copied()
        .filter(|name| !name.ends_with("year") && *name != "365d")
        .collect();
    let mut settings = dice.settings(&place, &not_years);
    settings.cohorts = dice.pick(&[1, 2, 3]);
    let farthest = settings.periods.iter().map(|name| longest(name)).max();
    settings.history = farthest.unwrap_or(DAY) + dice.pick(&[0, 1, 17 * DAY]);
    let newest = place.focus + dice.pick(&[0, 1, HOUR, 5 * DAY]);
    let line = newest - settings.history;

    let mut marks = marks(&settings, place.focus);
    dice.set_instants(&mut settings, &marks);
    marks.extend([
        line,
        line,
        line - 1,
        line + 1,
        line - 30 * DAY,
        line - 400 * DAY,
    ]);
    let mut pool = dice.pool(&settings, &marks);
    pool.retain(|at| *at < newest);
    pool.extend([line - 1, line - dice.between(1, 900 * DAY), newest - 1]);

    let mut writer = Writer::new(dice, &settings, &pool);
    writer.write(false);
    writer.perhaps_crowd(place.focus - 7 * DAY);
    writer.perhaps_leave_weeks_ago(place.focus);
    writer.newcomers(line);
    let (mut dice, mut records) = (writer.dice, writer.records);
    dice.arrive_in_time(&mut records, newest);
    if stragglers == Stragglers::Some {
        dice.delay_some(&mut records);
    }
    dice.close(&mut records, newest, stragglers);

    let mut instants = vec![newest, newest + 1];
    for _ in 0..12 {
        let at = dice.pick(&pool);
        instants.push(dice.near(at, &settings));
    }
    instants.extend(
        settings
            .periods
            .iter()
            .filter(|name| rolling(name))
            .map(|name| line + longest(name)),
    );
    let log = Log { records };
    instants.retain(|at| *at >= line && reach(&log, &settings, *at) >= line);
    RandomCase {
        seed,
        log,
        settings,
        instants,
    }
}

/// The earliest instant about which the numbers of the instant `at` need to know exactly.
pub fn reach(log: &Log, settings: &Settings, at: i64) -> i64 {
    let mut reach = at;
    for name in &settings.periods {
        let interval = interval(name, at, settings);
        let compared = [before(name, interval, settings), baseline(name, interval)];
        let starts = compared.into_iter().flatten().map(|window| window.t0);
        reach = starts.fold(reach.min(interval.t0 - 90 * DAY), i64::min);
    }
    let facts = kept::known_before(log, settings, at);
    let cohorts = cohort::shown(&Lives::new(&facts, settings), settings);
    let ends = cohorts.iter().map(|month| month.next().start(settings));
    ends.fold(reach, i64::min)
}

/// Compares `engine` with the oracle at every instant of the case.
///
/// Panics with the seed, the smallest log that still differs, and what differs.
pub fn compare(case: &RandomCase, engine: impl Fn(&Log, &Settings, i64) -> Page) {
    let _announcement = Announcement { seed: case.seed };
    for at in &case.instants {
        let differences = |log: &Log| {
            let expected = evaluate(log, &case.settings, *at);
            expected.differences(&engine(log, &case.settings, *at))
        };
        if differences(&case.log).is_empty() {
            continue;
        }
        let log = smallest(&case.log, |log| !differences(log).is_empty());
        panic!(
            "seed {}, at {at}: oracle and engine differ\n{}\n{:#?}\n{}",
            case.seed,
            differences(&log).join("\n"),
            case.settings,
            lines(&log)
        );
    }
}

/// Says which seed it was when something panics meanwhile.
struct Announcement {
    seed: u64,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed is {}", self.seed);
        }
    }
}

fn lines(log: &Log) -> String {
    let lines = log.records.iter().map(|record| {
        let timestamp = record
            .kafka_timestamp
            .map_or("none".to_owned(), |at| at.to_string());
        format!("{timestamp} at {} {}", record.fact.at, record.json())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Leaves records out as long as the log still fails.
pub fn smallest(log: &Log, fails: impl Fn(&Log) -> bool) -> Log {
    let mut smallest = log.clone();
    let mut index = 0;
    while index < smallest.records.len() {
        let mut without = smallest.clone();
        without.records.remove(index);
        if fails(&without) {
            smallest = without;
            index = 0;
        } else {
            index += 1;
        }
    }
    smallest
}

/// The log in another order of arrival, in which every number is the same.
///
/// Only records that share customer and id keep their order, since there the first wins.
pub fn shuffled(log: &Log, seed: u64) -> Log {
    let mut dice = Dice::new(seed);
    let mut records = log.records.clone();
    dice.shuffle(&mut records);

    let id = |record: &Record| (record.fact.customer.clone(), record.fact.id.clone());
    let mut in_order: BTreeMap<(String, String), Vec<Record>> = BTreeMap::new();
    for record in log.records.iter().rev() {
        in_order.entry(id(record)).or_default().push(record.clone());
    }
    for record in &mut records {
        if let Some(next) = in_order.get_mut(&id(record)).and_then(Vec::pop) {
            *record = next;
        }
    }
    Log { records }
}

/// The log in `shards` parts, each customer in one of them, each part in order of arrival.
pub fn split_by_customer(log: &Log, shards: usize, seed: u64) -> Vec<Log> {
    let mut dice = Dice::new(seed);
    let mut shard_of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut parts = vec![Log::default(); shards];
    for record in &log.records {
        let any = dice.below(shards as u64) as usize;
        let shard = *shard_of.entry(&record.fact.customer).or_insert(any);
        parts[shard].records.push(record.clone());
    }
    parts
}

/// The records in batches of one to seven.
pub fn batches(log: &Log, seed: u64) -> Vec<Vec<Record>> {
    let mut dice = Dice::new(seed);
    let mut batches = Vec::new();
    let mut rest = log.records.as_slice();
    while !rest.is_empty() {
        let size = (1 + dice.below(7) as usize).min(rest.len());
        let (batch, after) = rest.split_at(size);
        batches.push(batch.to_vec());
        rest = after;
    }
    batches
}

/// The instants that matter to the periods, and once each those that matter beside.
fn marks(settings: &Settings, focus: i64) -> Vec<i64> {
    let mut marks = vec![focus, Month::of(focus, settings).start(settings)];
    for name in &settings.periods {
        let interval = interval(name, focus, settings);
        let inside = interval.t0 + (interval.t1 - interval.t0) / 3;
        marks.extend([interval.t0, interval.t0, interval.t1, interval.t1, inside]);
        let compared = [before(name, interval, settings), baseline(name, interval)];
        marks.extend(compared.into_iter().flatten().map(|window| window.t0));
        marks.push(interval.t1 - 90 * DAY);
        if has_expectation(name) {
            let windows = weeks_before(interval);
            marks.extend([windows[3].t0, windows[2].t1, windows[1].t0, windows[0].t1]);
        }
    }
    marks.extend([7, 28, 35].map(|days| focus - days * DAY));
    marks
}

/// How long before its instant a period can reach at most: with the window before it, the baseline,
/// or the answers in the 90 days before it.
fn longest(name: &str) -> i64 {
    let of_unit = |unit: &str| match unit {
        "today" => 25 * HOUR,
        "yesterday" => 50 * HOUR,
        "week" => 8 * DAY,
        "month" => 32 * DAY,
        _ => 93 * DAY,
    };
    match name.split_once('_') {
        Some(("last", unit)) => 2 * of_unit(unit) + of_unit(unit).max(90 * DAY),
        Some((_, unit)) => of_unit(unit) + 90 * DAY,
        None if rolling(name) => length(name) + (90 * DAY).max(2 * length(name)),
        None => of_unit(name) + 90 * DAY,
    }
}

/// A generator of numbers that look random: Vigna's splitmix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

struct Place {
    time_zone: String,
    focus: i64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// At least 0, less than `count`.
    pub fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below((last - first + 1).unsigned_abs()) as i64
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            all.swap(last, other);
        }
    }

    fn place(&mut self) -> Place {
        let (time_zone, instants) = self.pick(PLACES);
        let away = self.pick(&[0, 0, 0, 1, -1, HOUR, -HOUR, DAY, 10 * DAY, 40 * DAY]);
        let mut focus = instant(self.pick(instants)) + away;
        if self.one_in(4) {
            focus += self.between(-100 * DAY, 40 * DAY);
        }
        Place {
            time_zone: time_zone.to_owned(),
            focus,
        }
    }

    fn settings(&mut self, place: &Place, periods: &[&str]) -> Settings {
        let mut names: Vec<&str> = periods.to_vec();
        self.shuffle(&mut names);
        names.truncate(1 + self.below(5) as usize);
        let weekdays = [
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
        ];
        let allowed = ["price", "öde", "never", "inactivity"];
        let allow_list = if self.one_in(4) { &allowed[..] } else { &[] };
        let channels = ["ö", "email", "never"];
        let channels = if self.one_in(4) { &channels[..] } else { &[] };
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Settings {
            time_zone: place.time_zone.clone(),
            week_starts_on: self.pick(&weekdays).to_owned(),
            periods: names.into_iter().map(str::to_owned).collect(),
            customer_starts_with: self.pick(&[StartsWith::Signup, StartsWith::Purchase]),
            inactivity_timeout: self.pick(&[
                None,
                None,
                Some(30 * DAY),
                Some(30 * DAY),
                Some(DAY),
                Some(1),
            ]),
            churn_events_complete: self.one_in(3),
            customer_base_complete_since: None,
            churn_reasons: texts(allow_list),
            max_label_values: self.pick(&[1, 2, 3, 20]),
            dimensions: texts(self.pick(DIMENSIONS)),
            max_segments: self.pick(&[1, 1, 2, 200]),
            channels: texts(channels),
            cohorts: self.pick(&[1, 2, 3, 12]),
            ces_max: self.pick(&[5, 7]),
            ces_high_is_better: self.one_in(2),
            history: 800 * DAY,
            duplicate_window: self.pick(&[HOUR, DAY, 7 * DAY]),
            max_future_skew: self.pick(&[0, 5 * 60_000]),
            log_starts_at_beginning: !self.one_in(6),
            log_start: None,
        }
    }

    /// Settings that are instants or lengths are nastiest when they meet the bounds of periods.
    fn set_instants(&mut self, settings: &mut Settings, marks: &[i64]) {
        let between_marks = (self.pick(marks) - self.pick(marks)).abs();
        if self.one_in(3) && between_marks > 0 {
            settings.inactivity_timeout = Some(between_marks);
        }
        if self.one_in(6) {
            let since = self.pick(marks) + self.pick(&[0, 1, -1]);
            settings.customer_base_complete_since = Some(since);
        }
        if self.one_in(2) {
            let before = settings.inactivity_timeout.unwrap_or(0);
            settings.log_start = Some(self.pick(marks) - before + self.pick(&[0, 1, -1]));
        }
    }

    /// The instants at which everything happens.
    fn pool(&mut self, settings: &Settings, marks: &[i64]) -> Vec<i64> {
        let count = 2 + self.below(12);
        let mut pool = Vec::new();
        for _ in 0..count {
            let mark = self.pick(marks);
            pool.push(self.near(mark, settings));
        }
        pool.push(self.pick(marks) - self.between(0, 400 * DAY));
        pool
    }

    /// That instant, or one that a millisecond, a day or a timeout separates from it.
    fn near(&mut self, mark: i64, settings: &Settings) -> i64 {
        let timeout = settings.inactivity_timeout.unwrap_or(HOUR);
        let away = self.pick(&[
            0,
            0,
            0,
            0,
            0,
            -timeout,
            timeout,
            -HOUR,
            -DAY,
            DAY,
            -90 * DAY,
        ]);
        mark + away + self.pick(&[0, 0, 0, 1, -1])
    }

    fn order(&mut self, records: &mut [Record]) {
        match self.below(4) {
            0 => {}
            1 => records.sort_by_key(|record| record.fact.at),
            2 => records.sort_by_key(|record| -record.fact.at),
            _ => self.shuffle(records),
        }
    }

    /// Kafka timestamps that never go back, as brokers write them: none, all later than the log,
    /// close to the events, or close to the events and sometimes missing.
    ///
    /// Events of a year that can't be say nothing of the time at which they arrived.
    fn stamp(&mut self, records: &mut [Record], settings: &Settings) {
        let kind = self.below(4);
        let sane = records
            .iter()
            .map(|record| record.fact.at)
            .filter(|at| !wild(*at));
        let mut now = match kind {
            0 => return,
            1 => sane.max().unwrap_or_default() + 1,
            _ => sane.min().unwrap_or_default() - 40 * DAY,
        };
        let skew = settings.max_future_skew;
        for record in records {
            if kind == 1 {
                now += self.pick(&[0, 1, HOUR]);
            } else if !wild(record.fact.at) {
                let lag = self.pick(&[-skew - 1, -skew, -skew, 0, 1000, 3 * DAY]);
                now = now.max(record.fact.at + lag);
            }
            let missing = kind == 3 && self.one_in(4);
            record.kafka_timestamp = (!missing).then_some(now);
        }
    }

    /// Every record within three days of its event, repeats next to each other.
    fn arrive_in_time(&mut self, records: &mut Vec<Record>, newest: i64) {
        records.retain(|record| !wild(record.fact.at));
        records.sort_by_key(|record| record.fact.at);
        let mut now = i64::MIN;
        for record in records {
            now = now.max(record.fact.at + self.pick(&[0, 1, HOUR, 3 * DAY]));
            record.kafka_timestamp = Some(now.min(newest));
        }
    }

    /// Some records arrive much later, and some arrive once more.
    fn delay_some(&mut self, records: &mut Vec<Record>) {
        for _ in 0..=self.below(6) {
            let from = self.below(records.len() as u64) as usize;
            let to = self.between(from as i64, records.len() as i64 - 1) as usize;
            let timestamp = records[to].kafka_timestamp;
            let mut late = if self.one_in(2) {
                records.remove(from)
            } else {
                records[from].clone()
            };
            late.kafka_timestamp = timestamp;
            late.spelling = self.next();
            records.insert(to.min(records.len()), late);
        }
    }

    /// Adds the record that moves the prune line to its place: the last one, or where records may
    /// come too late, any.
    fn close(&mut self, records: &mut Vec<Record>, newest: i64, stragglers: Stragglers) {
        let mut place = records.len();
        if stragglers == Stragglers::Some && self.one_in(2) {
            place = self.below(records.len() as u64 + 1) as usize;
        }
        let closing = Record {
            kafka_timestamp: Some(newest),
            fact: Fact {
                customer: self.pick(CUSTOMERS).to_owned(),
                at: newest - 1,
                id: "closing".to_owned(),
                body: Body::Signup,
                attributes: BTreeMap::new(),
            },
            spelling: self.next(),
        };
        records.insert(place, closing);
        for record in &mut records[place..] {
            record.kafka_timestamp = Some(newest);
        }
    }
}

fn wild(at: i64) -> bool {
    !(instant("2001-01-01")..instant("2069-01-01")).contains(&at)
}

/// Writes the records of a log.
struct Writer<'a> {
    dice: Dice,
    settings: &'a Settings,
    pool: &'a [i64],
    customers: Vec<String>,
    channels: Vec<&'static str>,
    values: Vec<&'static str>,
    records: Vec<Record>,
    ids: BTreeSet<(String, String)>,
}

impl<'a> Writer<'a> {
    fn new(mut dice: Dice, settings: &'a Settings, pool: &'a [i64]) -> Self {
        let mut customers: Vec<String> = CUSTOMERS.iter().map(|&name| name.to_owned()).collect();
        customers.push("c".repeat(256));
        dice.shuffle(&mut customers);
        customers.truncate(1 + dice.below(8) as usize);
        let mut channels = CHANNELS.to_vec();
        dice.shuffle(&mut channels);
        channels.truncate(1 + dice.below(6) as usize);
        let mut values = VALUES.to_vec();
        dice.shuffle(&mut values);
        values.truncate(2 + dice.below(3) as usize);
        Self {
            dice,
            settings,
            pool,
            customers,
            channels,
            values,
            records: Vec::new(),
            ids: BTreeSet::new(),
        }
    }

    fn write(&mut self, conflicts: bool) {
        self.something_new();
        if self.dice.one_in(2) {
            self.everybody_joins();
        }
        for _ in 0..self.dice.below(60) {
            match self.dice.below(20) {
                0 | 1 => self.repeat(),
                2 => self.twin(),
                3 => self.plan_change(),
                4 => self.id_of_another_customer(),
                5 => self.off_scale(),
                6 if self.dice.one_in(3) => self.in_an_impossible_year(),
                7 | 8 if conflicts => self.conflict(),
                9 => self.last_words(),
                10 => self.orders_at_one_instant(),
                11 => self.values_at_one_instant(),
                _ => self.something_new(),
            }
        }
    }

    fn everybody_joins(&mut self) {
        let earliest = self.pool.iter().min().copied().unwrap_or_default();
        for customer in self.customers.clone() {
            let fact = Fact {
                customer,
                at: earliest,
                id: self.fresh_id(),
                body: self.purchase(),
                attributes: self.attributes(),
            };
            self.push(fact);
        }
    }

    fn push(&mut self, fact: Fact) {
        self.ids.insert((fact.customer.clone(), fact.id.clone()));
        let record = Record {
            kafka_timestamp: None,
            fact,
            spelling: self.dice.next(),
        };
        self.records.push(record);
    }

    fn fresh_id(&mut self) -> String {
        let number = self.records.len();
        let form = self.dice.below(3);
        match form {
            0 => format!("e-{number}"),
            1 => format!("ïd {number}"),
            _ => format!("018f6d2e-{number:04}-{:08x}", self.dice.next() as u32),
        }
    }

    fn earlier(&mut self) -> Fact {
        let index = self.dice.below(self.records.len() as u64) as usize;
        self.records[index].fact.clone()
    }

    fn something_new(&mut self) {
        let fact = Fact {
            customer: self.dice.pick(&self.customers),
            at: self.dice.pick(self.pool),
            id: self.fresh_id(),
            body: self.body(),
            attributes: self.attributes(),
        };
        self.push(fact);
    }

    /// The same event once more, perhaps in other words, perhaps with an attribute more at which
    /// nobody looks.
    fn repeat(&mut self) {
        let mut fact = self.earlier();
        let looked_at = self.settings.dimensions.iter().any(|name| name == "tier_2");
        if !looked_at && self.dice.one_in(3) {
            let value = self.dice.pick(&self.values).to_owned();
            fact.attributes.insert("tier_2".to_owned(), value);
        }
        self.push(fact);
    }

    /// Another event that differs in the id alone.
    fn twin(&mut self) {
        let mut fact = self.earlier();
        fact.id = self.fresh_id();
        self.push(fact);
    }

    /// An end and a start at one instant, in any order, perhaps with a second end.
    fn plan_change(&mut self) {
        let customer = self.dice.pick(&self.customers);
        let at = self.dice.pick(self.pool);
        let mut bodies = vec![self.churn(), Body::Signup];
        if self.dice.one_in(2) {
            bodies.push(self.churn());
        }
        self.dice.shuffle(&mut bodies);
        for body in bodies {
            let fact = Fact {
                customer: customer.clone(),
                at,
                id: self.fresh_id(),
                body,
                attributes: self.attributes(),
            };
            self.push(fact);
        }
    }

    /// Orders of one customer at one instant, the first perhaps among them.
    fn orders_at_one_instant(&mut self) {
        let customer = self.dice.pick(&self.customers);
        let at = self.dice.pick(self.pool);
        for _ in 0..self.dice.between(2, 3) {
            let fact = Fact {
                customer: customer.clone(),
                at,
                id: self.fresh_id(),
                body: self.purchase(),
                attributes: self.attributes(),
            };
            self.push(fact);
        }
    }

    /// Events of one customer at one instant, which disagree about its attributes.
    fn values_at_one_instant(&mut self) {
        let customer = self.dice.pick(&self.customers);
        let at = self.dice.pick(self.pool);
        for _ in 0..2 {
            let value = self.dice.pick(&self.values).to_owned();
            let name = self.dice.pick(&["plan", "country"]).to_owned();
            let fact = Fact {
                customer: customer.clone(),
                at,
                id: self.fresh_id(),
                body: self.body(),
                attributes: BTreeMap::from([(name, value)]),
            };
            self.push(fact);
        }
    }

    /// An answer just before somebody leaves, or 90 days before.
    fn last_words(&mut self) {
        let leaving = self.earlier();
        let (at, timeout) = (leaving.at, self.settings.inactivity_timeout);
        let to = match (&leaving.body, timeout) {
            (Body::Purchase { .. } | Body::Signup, Some(timeout)) => at + timeout,
            _ => at,
        };
        let away = self.dice.pick(&[0, 90 * DAY, 90 * DAY]);
        let body = match self.dice.below(3) {
            0 => self.answer(Survey::Nps, 5, 8),
            1 => self.answer(Survey::Csat, 1, 4),
            _ => self.answer(Survey::Nps, 0, 10),
        };
        let fact = Fact {
            customer: leaving.customer,
            at: to - away + self.dice.pick(&[0, 0, 1, -1]),
            id: self.fresh_id(),
            body,
            attributes: self.attributes(),
        };
        self.push(fact);
    }

    /// Somebody new in each of as many months after the line as there are cohorts on the page, so
    /// that no cohort from before it is shown.
    fn newcomers(&mut self, line: i64) {
        for month in 0..self.settings.cohorts {
            let later = 32 * DAY * month as i64;
            let fact = Fact {
                customer: format!("newcomer {month}"),
                at: line + later + self.dice.pick(&[0, 1, DAY]),
                id: self.fresh_id(),
                body: self.purchase(),
                attributes: self.attributes(),
            };
            self.push(fact);
        }
    }

    /// About as many events of one type as a stretch of silence is compared with, some of them at
    /// one instant, and up to so close together that the oldest or the newest do not count.
    fn perhaps_crowd(&mut self, end: i64) {
        if !self.dice.one_in(3) {
            return;
        }
        let body = self.body();
        let apart = self.dice.pick(&[1, HOUR, DAY]);
        for _ in 0..self.dice.between(29, 40) {
            let fact = Fact {
                customer: self.dice.pick(&self.customers),
                at: end - apart * self.dice.between(0, 30),
                id: self.fresh_id(),
                body: body.clone(),
                attributes: BTreeMap::new(),
            };
            self.push(fact);
        }
    }

    /// Somebody who leaves near a bound of one of the windows by which departures are expected, and
    /// who had joined before or at the start of the earliest of them.
    fn perhaps_leave_weeks_ago(&mut self, focus: i64) {
        let periods = self.settings.periods.iter();
        let Some(name) = periods.rev().find(|name| has_expectation(name)) else {
            return;
        };
        let windows = weeks_before(interval(name, focus, self.settings));
        for _ in 0..self.dice.below(3) {
            let window = self.dice.pick(&windows);
            let leaves = self.dice.pick(&[window.t0, window.t1, window.t0 + HOUR]);
            let joins = windows[3].t0 - self.dice.pick(&[0, 1, DAY]);
            let customer = self.dice.pick(&self.customers);
            for (at, body) in [(joins, self.purchase()), (leaves, self.churn())] {
                let fact = Fact {
                    customer: customer.clone(),
                    at: at + self.dice.pick(&[0, 0, 1, -1]),
                    id: self.fresh_id(),
                    body,
                    attributes: BTreeMap::new(),
                };
                self.push(fact);
            }
        }
    }

    /// An id that is known, but of somebody else.
    fn id_of_another_customer(&mut self) {
        let mut fact = self.earlier();
        fact.customer = self.dice.pick(&self.customers);
        let id = (fact.customer.clone(), fact.id.clone());
        if !self.ids.contains(&id) {
            self.push(fact);
        }
    }

    /// An answer that is none, and perhaps the corrected one with the same id.
    fn off_scale(&mut self) {
        let surveys = [
            (Survey::Nps, [-1, 11]),
            (Survey::Csat, [0, 6]),
            (Survey::Ces, [0, i64::from(self.settings.ces_max) + 1]),
        ];
        let (survey, scores) = self.dice.pick(&surveys);
        let answer = |score| Body::Survey {
            survey,
            score,
            channel: None,
        };
        let fact = Fact {
            customer: self.dice.pick(&self.customers),
            at: self.dice.pick(self.pool),
            id: self.fresh_id(),
            body: answer(self.dice.pick(&scores)),
            attributes: self.attributes(),
        };
        self.push(fact.clone());
        if self.dice.one_in(2) {
            self.push(Fact {
                body: answer(3),
                ..fact
            });
        }
    }

    /// Before 2000, after 2069, and the last instants that are possible.
    fn in_an_impossible_year(&mut self) {
        let first = instant("2000-01-01");
        let last = instant("2069-12-31T23:59:59.999");
        let fact = Fact {
            customer: self.dice.pick(&self.customers),
            at: self.dice.pick(&[first - 1, first, last, last + 1, -1]),
            id: self.fresh_id(),
            body: self.body(),
            attributes: self.attributes(),
        };
        self.push(fact);
    }

    /// A known id with other content.
    fn conflict(&mut self) {
        let earlier = self.earlier();
        let mut fact = earlier.clone();
        match self.dice.below(3) {
            0 => fact.at = self.dice.pick(self.pool),
            1 => fact.body = self.body(),
            _ => fact.attributes = self.attributes(),
        }
        if fact != earlier {
            self.push(fact);
        }
    }

    fn body(&mut self) -> Body {
        match self.dice.below(12) {
            0..=1 => Body::Signup,
            2..=4 => self.purchase(),
            5..=7 => self.churn(),
            8..=9 => self.answer(Survey::Nps, 0, 10),
            10 => self.answer(Survey::Csat, 1, 5),
            _ => self.answer(Survey::Ces, 1, i64::from(self.settings.ces_max)),
        }
    }

    fn purchase(&mut self) -> Body {
        Body::Purchase {
            micros: self.dice.pick(AMOUNTS),
            currency: self.dice.pick(&["EUR", "TRY", "USD"]).to_owned(),
        }
    }

    /// Few values of some of the dimensions, or of none.
    fn attributes(&mut self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        for name in ["plan", "country", "tier_2"] {
            if self.dice.one_in(3) {
                let value = self.dice.pick(&self.values).to_owned();
                attributes.insert(name.to_owned(), value);
            }
        }
        attributes
    }

    fn churn(&mut self) -> Body {
        let known = !self.dice.one_in(5);
        let reason = self.dice.pick(REASONS);
        Body::Churn {
            reason: known.then(|| reason.to_owned()),
        }
    }

    fn answer(&mut self, survey: Survey, lowest: i64, highest: i64) -> Body {
        let known = !self.dice.one_in(4);
        let channel = self.dice.pick(&self.channels);
        Body::Survey {
            survey,
            score: self.dice.between(lowest, highest),
            channel: known.then(|| channel.to_owned()),
        }
    }
}
