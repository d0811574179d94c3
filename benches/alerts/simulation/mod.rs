//! Years of made-up days, and what the alerts on NPS and churn make of them.
//!
//! Owns the shops, the courses that they take, and the rows of the tables. Promises the same rows for
//! the same seed and size, each by draws of its own, so that one row can be made again without the
//! others. The scores, their errors and the guards are the program's own; a rule is evaluated every
//! ten minutes. Deliberately knows neither Prometheus nor the measures' exact instants: an answer
//! counts from the end of the ten minutes in which it was given.

pub mod alert;
pub mod chance;
pub mod churn;
pub mod nps;
mod rhythm;

use chance::Chance;

/// Instants, counted in evaluations of the rules.
pub type Step = usize;

/// Between two evaluations.
pub const MINUTES: Step = 10;
/// Evaluations of a day.
pub const DAY: Step = 24 * 60 / MINUTES;
const YEAR: Step = 365 * DAY;

/// So many evaluations, at least, are that long.
const fn steps(millis: i64) -> Step {
    (millis.unsigned_abs() as Step).div_ceil(MINUTES * 60_000)
}

/// How much is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub seed: u64,
    /// Years in which nothing happens, for each rate.
    pub years: u64,
    /// Drops and spikes, for each rate and extent.
    pub runs: u64,
}

/// What the documentation shows.
pub const DOCUMENTED: Size = Size {
    seed: 1,
    years: 300,
    runs: 500,
};

/// Answers a day.
pub const ANSWERS: [usize; 4] = [10, 30, 100, 300];
/// Points by which the NPS drops.
pub const DROPS: [u32; 3] = [5, 10, 25];
/// Departures a day.
pub const DEPARTURES: [usize; 5] = [3, 10, 30, 100, 1000];
/// How many times as many leave.
pub const SPIKES: [f64; 3] = [1.5, 2.0, 3.0];

/// How long a drop is followed: until no window is compared with the time before it.
const FOLLOWED: Step = 120 * DAY;
/// How long a spike of departures is followed: then it is what is expected.
const SPIKE_FOLLOWED: Step = churn::REACH;
/// A slow drop takes so long.
const SLOW: Step = 60 * DAY;
/// Days differ by up to so many points, where they do.
const MOODS: f64 = 5.0;
/// Days differ by up to this share of the departures, where they do.
const RESTLESS: f64 = 0.2;

/// Where the numbers of the cells of a table begin, so that no two have the same draws.
const FALSE_NPS: u64 = 1_000;
const MOODY_NPS: u64 = 2_000;
const DROP_NPS: u64 = 3_000;
const SLOW_NPS: u64 = 4_000;
const FALSE_CHURN: u64 = 5_000;
const RESTLESS_CHURN: u64 = 6_000;
const SPIKE_CHURN: u64 = 7_000;

/// False pages of the alert on the NPS.
#[derive(Debug, Clone, PartialEq)]
pub struct Quiet {
    pub years: u64,
    pub watched: nps::Watched,
}

impl Quiet {
    /// So many years in which the opinion of the customers does not change, but for the days' moods.
    pub fn of(size: Size, answers: usize, moods: f64) -> Self {
        let first = if moods > 0.0 { MOODY_NPS } else { FALSE_NPS };
        let course = nps::Course {
            moods,
            ..nps::Course::STEADY
        };
        let chance = Chance::of(size.seed, first + answers as u64, 0);
        let mut shop = nps::Shop::new(answers, course, chance);
        nps::Watch::new().watch(&mut shop, nps::REACH);
        let watched = nps::Watch::new().watch(&mut shop, size.years as usize * YEAR);
        Self {
            years: size.years,
            watched,
        }
    }

    pub fn a_year(&self, pages: u32) -> f64 {
        f64::from(pages) / self.years as f64
    }

    fn row(&self) -> String {
        let watched = &self.watched;
        let [day, week, month] = watched.by_window.map(|pages| self.a_year(pages));
        let blind = watched.blind as f64 / (self.years as usize * YEAR) as f64;
        format!(
            "{:.2} | {:.2} | {day:.2}, {week:.2}, {month:.2} | {:.0} %",
            self.a_year(watched.pages),
            self.a_year(watched.far_pages),
            100.0 * blind
        )
    }
}

/// What became of many drops or spikes alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Days until somebody was paged; endless where nobody was. In ascending order.
    pub delays: Vec<f64>,
    /// Pages of each alert in the mean, while followed.
    pub pages: f64,
    /// The same of the critical alert.
    pub far_pages: f64,
}

impl Found {
    fn of(each: impl Iterator<Item = (Option<Step>, u32, u32)>) -> Self {
        let (mut delays, mut pages, mut far_pages) = (Vec::new(), 0, 0);
        for (first, of_run, far_of_run) in each {
            delays.push(first.map_or(f64::INFINITY, |step| step as f64 / DAY as f64));
            pages += of_run;
            far_pages += far_of_run;
        }
        delays.sort_unstable_by(f64::total_cmp);
        let runs = delays.len() as f64;
        Self {
            delays,
            pages: f64::from(pages) / runs,
            far_pages: f64::from(far_pages) / runs,
        }
    }

    /// Drops of the NPS by so many points, which take `lasts` steps to happen.
    pub fn drops(size: Size, answers: usize, points: u32, lasts: Step) -> Self {
        let first = if lasts > 0 { SLOW_NPS } else { DROP_NPS };
        let cell = first + 1_000_000 * u64::from(points) + answers as u64;
        Self::of((0..size.runs).map(|run| {
            let mut chance = Chance::of(size.seed, cell, run);
            // At any hour of any weekday.
            let at = nps::REACH + chance.below(7 * DAY);
            let course = nps::Course {
                drop: f64::from(points),
                at,
                lasts,
                moods: 0.0,
            };
            let mut shop = nps::Shop::new(answers, course, chance);
            let mut watch = nps::Watch::new();
            watch.watch(&mut shop, at);
            // Found already, by chance: that page is another one.
            while watch.firing() {
                shop.postpone(DAY);
                watch.watch(&mut shop, DAY);
            }
            let watched = watch.watch(&mut shop, FOLLOWED);
            (watched.first, watched.pages, watched.far_pages)
        }))
    }

    /// Departures that are so many times as many from one moment on.
    pub fn spikes(size: Size, departures: usize, times: f64) -> Self {
        let cell = SPIKE_CHURN + 1_000_000 * (10.0 * times) as u64 + departures as u64;
        Self::of((0..size.runs).map(|run| {
            let mut chance = Chance::of(size.seed, cell, run);
            let at = 2 * churn::REACH + chance.below(7 * DAY);
            let course = churn::Course {
                times,
                at,
                restless: 0.0,
            };
            let mut shop = churn::Shop::new(departures, course, chance);
            churn::Watch::new().watch(&mut shop, churn::REACH);
            let mut watch = churn::Watch::new();
            watch.watch(&mut shop, at - 2 * churn::REACH);
            while watch.firing() {
                shop.postpone(DAY);
                watch.watch(&mut shop, DAY);
            }
            let watched = watch.watch(&mut shop, SPIKE_FOLLOWED);
            (watched.first, watched.pages, 0)
        }))
    }

    /// The delay in days below which this share of all stay; endless if fewer were found at all.
    pub fn delay(&self, share: f64) -> f64 {
        let rank = (share * self.delays.len() as f64).ceil() as usize;
        self.delays[rank.clamp(1, self.delays.len()) - 1]
    }

    fn found(&self) -> f64 {
        let found = self.delays.iter().filter(|days| days.is_finite()).count();
        found as f64 / self.delays.len() as f64
    }

    fn row(&self) -> String {
        format!(
            "{:.0} % | {} | {} | {:.1}",
            100.0 * self.found(),
            days(self.delay(0.5)),
            days(self.delay(0.95)),
            self.pages,
        )
    }
}

/// Pages of the alert on churn a year while nothing happens.
pub fn false_churn_pages(size: Size, departures: usize, restless: f64) -> f64 {
    let first = if restless > 0.0 {
        RESTLESS_CHURN
    } else {
        FALSE_CHURN
    };
    let course = churn::Course {
        restless,
        ..churn::Course::STEADY
    };
    let chance = Chance::of(size.seed, first + departures as u64, 0);
    let mut shop = churn::Shop::new(departures, course, chance);
    churn::Watch::new().watch(&mut shop, churn::REACH);
    let watched = churn::Watch::new().watch(&mut shop, size.years as usize * YEAR);
    f64::from(watched.pages) / size.years as f64
}

fn days(delay: f64) -> String {
    if delay.is_infinite() {
        return "never".to_owned();
    }
    match delay {
        ..2.0 => format!("{:.0} h", 24.0 * delay),
        _ => format!("{delay:.1} d"),
    }
}

/// A row of the false pages of the alert on the NPS.
pub fn quiet_row(size: Size, answers: usize, moods: f64) -> String {
    let days = if moods > 0.0 { "moody" } else { "alike" };
    let quiet = Quiet::of(size, answers, moods);
    format!("| {answers} | {days} | {} |\n", quiet.row())
}

/// A row of the drops of the NPS.
pub fn drop_row(size: Size, answers: usize, points: u32, lasts: Step) -> String {
    let how = match lasts {
        0 => "at once".to_owned(),
        _ => format!("over {} days", lasts / DAY),
    };
    let found = Found::drops(size, answers, points, lasts);
    let far = found.far_pages;
    format!(
        "| {answers} | {points}, {how} | {} | {far:.1} |\n",
        found.row()
    )
}

/// A row of the false pages of the alert on churn.
pub fn quiet_churn_row(size: Size, departures: usize) -> String {
    let [alike, restless] = [0.0, RESTLESS].map(|days| false_churn_pages(size, departures, days));
    format!("| {departures} | {alike:.2} | {restless:.2} |\n")
}

/// A row of the spikes of departures.
pub fn spike_row(size: Size, departures: usize, times: f64) -> String {
    let found = Found::spikes(size, departures, times);
    format!("| {departures} | {times} | {} |\n", found.row())
}

const QUIET_HEAD: &str = "\
| answers a day | days | false pages a year | of them critical | seen by 24h, 7d, 30d | blind |
| --- | --- | --- | --- | --- | --- |
";
const DROP_HEAD: &str = "\
| answers a day | drop, points | found | median delay | 95 % within | pages a drop | critical pages |
| --- | --- | --- | --- | --- | --- | --- |
";
const QUIET_CHURN_HEAD: &str = "\
| departures a day | false pages a year, days alike | days restless |
| --- | --- | --- |
";
const SPIKE_HEAD: &str = "\
| departures a day | times as many | found | median delay | 95 % within | pages |
| --- | --- | --- | --- | --- | --- |
";

/// All tables, in Markdown; each row is handed over when it is done.
pub fn tables(size: Size, mut put: impl FnMut(&str)) {
    put(QUIET_HEAD);
    for moods in [0.0, MOODS] {
        for answers in ANSWERS {
            put(&quiet_row(size, answers, moods));
        }
    }
    put("\n");
    put(DROP_HEAD);
    for answers in ANSWERS {
        for points in DROPS {
            put(&drop_row(size, answers, points, 0));
        }
        put(&drop_row(size, answers, DROPS[2], SLOW));
    }
    put("\n");
    put(QUIET_CHURN_HEAD);
    for departures in DEPARTURES {
        put(&quiet_churn_row(size, departures));
    }
    put("\n");
    put(SPIKE_HEAD);
    for departures in DEPARTURES {
        for times in SPIKES {
            put(&spike_row(size, departures, times));
        }
    }
}
