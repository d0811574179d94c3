//! The golden cases: every definition as a table of events in and numbers out.
//!
//! Read them as the specification; how a table is written stands in [`table`](super::table).

use super::table::{Case, read};

/// All cases, in the order of the definitions.
pub fn cases() -> Vec<Case> {
    let parts = [
        INSTANTS,
        PERIODS,
        SPELLS,
        RETENTION,
        WITHHELD,
        DORMANCY,
        EXPECTED,
        SATISFACTION,
        CHANGES,
        CHANNELS,
        ORDERS,
        LIFETIME_VALUES,
        GROUPS,
        SCORED,
        SEGMENTS,
        SEGMENTS_SHOWN,
        COHORTS,
        SILENCE,
        EVENTS,
        LABELS,
    ];
    let all = parts.iter().flat_map(|part| part.iter());
    all.map(|(name, text)| read(name, text)).collect()
}

type Tables = &'static [(&'static str, &'static str)];

/// Which events a number at an instant uses.
const INSTANTS: Tables = &[
    (
        "an event counts from the millisecond after it happened",
        "
        2026-06-10T12:00 a signup
        at 2026-06-10T11:59
        page customers=0
        at 2026-06-10T12:00
        page customers=0
        at 2026-06-10T12:00:00.001
        page customers=1
        ",
    ),
    (
        "an instant of the past knows nothing of what happened later",
        "
        2026-06-01 a,b signup
        2026-06-20 a churn price
        2026-06-20 b nps 9
        at 2026-06-15
        page customers=2 withheld=no_churn_source
        24h S=2 E=2 promoter=0 nps=absent reasons=none
        at 2026-06-20T12:00
        page customers=1 withheld=none
        24h S=2 E=1 promoter=1 nps=100 reasons=price:1
        ",
    ),
    (
        "an instant of the past knows what arrived late since",
        "
        set periods=30d
        2026-06-20 a churn price
        2026-06-01 a signup
        at 2026-06-15
        page customers=1
        30d S=0 E=1 joined=1
        at 2026-06-21
        page customers=0
        30d joined=1 early=1 reasons=price:1
        ",
    ),
    (
        "the order of arrival decides nothing",
        "
        set periods=30d
        2026-06-12 a purchase
        2026-06-11 a churn price
        2026-06-09 a nps 3
        2026-06-10 a nps 9
        2026-05-01 a signup
        at 2026-06-15
        page customers=1
        30d S=1 E=1 retained=1 retention=1 churn=0 departure=1/2 reasons=price:1 joined=0
        30d promoter=1 detractor=0 responses:promoter=1 responses:detractor=1
        ",
    ),
];

/// Bounds of periods, probed with ratings: 1 and 4 are just outside, 2 and 3 just inside.
const PERIODS: Tables = &[
    (
        "a rolling period is a fixed number of seconds that ends at the instant",
        "
        set periods=24h
        2026-06-09T11:59:59.999 a csat 1
        2026-06-09T12:00 a csat 2
        2026-06-10T11:59:59.999 a csat 3
        2026-06-10T12:00 a csat 4
        at 2026-06-10T12:00
        24h csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "rolling periods of every unit",
        "
        set periods=90m,1h,7d,2w
        2026-05-27T12:00 a csat 1
        2026-06-03T12:00 a csat 2
        2026-06-10T10:30 a csat 3
        2026-06-10T11:00 a csat 4
        at 2026-06-10T12:00
        90m csat:1=0 csat:2=0 csat:3=1 csat:4=1
        1h csat:1=0 csat:2=0 csat:3=0 csat:4=1
        7d csat:1=0 csat:2=1 csat:3=1 csat:4=1
        2w csat:1=1 csat:2=1 csat:3=1 csat:4=1
        at 2026-06-10T12:00:00.001
        90m csat:3=0 csat:4=1
        1h csat:4=0
        7d csat:2=0 csat:3=1
        2w csat:1=0 csat:2=1
        ",
    ),
    (
        "a rolling day stays 24 hours long when the clocks change",
        "
        set periods=24h zone=America/New_York
        2026-03-08T03:59:59.999 a csat 1
        2026-03-08T04:00 a csat 2
        at 2026-03-09T04:00
        24h csat:1=0 csat:2=1
        ",
    ),
    (
        "a complete day of UTC",
        "
        set periods=yesterday
        2026-06-08T23:59:59.999 a csat 1
        2026-06-09 a csat 2
        2026-06-09T23:59:59.999 a csat 3
        2026-06-10 a csat 4
        at 2026-06-10T12:00
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "a period to date ends at the instant, not with the unit",
        "
        set periods=today,this_week,this_month,this_quarter,this_year
        # Wednesday 10 June: the week began on the 8th, the quarter in April.
        2025-12-31T23:59:59.999 a csat 5
        2026-01-01 a csat 5
        2026-03-31T23:59:59.999 a csat 4
        2026-04-01 a csat 4
        2026-05-31T23:59:59.999 a csat 3
        2026-06-01 a csat 3
        2026-06-07T23:59:59.999 a csat 2
        2026-06-08 a csat 2
        2026-06-09T23:59:59.999 a csat 1
        2026-06-10 a csat 1
        2026-06-10T12:00 a csat 1
        2026-06-10T12:00:00.001 a csat 1
        at 2026-06-10T12:00:00.001
        today csat:1=2 csat:2=0 csat:3=0 csat:4=0 csat:5=0
        this_week csat:1=3 csat:2=1 csat:3=0 csat:4=0 csat:5=0
        this_month csat:1=3 csat:2=2 csat:3=1 csat:4=0 csat:5=0
        this_quarter csat:1=3 csat:2=2 csat:3=2 csat:4=1 csat:5=0
        this_year csat:1=3 csat:2=2 csat:3=2 csat:4=2 csat:5=1
        ",
    ),
    (
        "complete weeks, months, quarters and years end where the running one begins",
        "
        set periods=last_week,last_month,last_quarter,last_year
        2024-12-31T23:59:59.999 a csat 5
        2025-01-01 b csat 5
        2025-12-31T23:59:59.999 a csat 4
        2026-01-01 b csat 4
        2026-03-31T23:59:59.999 a csat 4
        2026-04-01 b csat 3
        2026-04-30T23:59:59.999 a csat 3
        2026-05-01 b csat 2
        2026-05-31T23:59:59.999 a csat 2
        2026-06-01 b csat 1
        2026-06-07T23:59:59.999 a csat 1
        2026-06-08 b csat 1
        at 2026-06-10T12:00
        last_week csat:1=2 csat:2=0 csat:3=0 csat:4=0 csat:5=0
        last_month csat:1=0 csat:2=2 csat:3=0 csat:4=0 csat:5=0
        last_quarter csat:1=0 csat:2=0 csat:3=0 csat:4=2 csat:5=0
        last_year csat:1=0 csat:2=0 csat:3=0 csat:4=1 csat:5=1
        ",
    ),
    (
        "a February of 29 days",
        "
        set periods=last_month
        2024-01-31T23:59:59.999 a csat 1
        2024-02-01 a csat 2
        2024-02-29T23:59:59.999 a csat 3
        2024-03-01 a csat 4
        at 2024-03-31T12:00
        last_month csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "a week that begins on Monday, on a Sunday night",
        "
        set periods=this_week,last_week
        2026-05-24T23:59:59.999 a csat 1
        2026-05-25 a csat 2
        2026-05-31T23:59:59.999 a csat 3
        2026-06-01 a csat 4
        at 2026-06-07T23:59:59.999
        this_week csat:3=0 csat:4=1
        last_week csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "a week that begins on Sunday",
        "
        set periods=this_week,last_week week=sunday
        2026-05-23T23:59:59.999 a csat 1
        2026-05-24 a csat 2
        2026-05-30T23:59:59.999 a csat 3
        2026-05-31 a csat 4
        at 2026-06-03T10:00
        this_week csat:3=0 csat:4=1
        last_week csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "a week that begins on Saturday",
        "
        set periods=this_week,last_week week=saturday
        2026-05-22T23:59:59.999 a csat 1
        2026-05-23 a csat 2
        2026-05-29T23:59:59.999 a csat 3
        2026-05-30 a csat 4
        at 2026-06-05T23:59:59.999
        this_week csat:3=0 csat:4=1
        last_week csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "on its boundary a period to date is the empty new one, and the complete one has just ended",
        "
        set periods=today,this_week,this_month,yesterday,last_week,last_month churn_events=complete
        # 1 June 2026 is a Monday.
        2026-04-01 a signup
        2026-05-01 b signup
        2026-05-25 a csat 4
        2026-05-31 a csat 4
        2026-06-01 a csat 4
        at 2026-06-01
        page customers=2
        today S=2 E=2 retained=2 lost=0 N=0 retention=1 churn=0 departure=0/2 csat=absent csat:4=0
        this_week S=2 E=2 retention=1 csat:4=0
        this_month S=2 E=2 retention=1 csat:4=0
        yesterday S=2 E=2 csat:4=1
        last_week S=2 E=2 csat:4=2
        last_month S=1 E=2 new=1 csat:4=2
        ",
    ),
    (
        "a day of 23 hours in New York",
        "
        set periods=yesterday,today zone=America/New_York
        2026-03-08T04:59:59.999 a csat 1
        2026-03-08T05:00 a csat 2
        2026-03-09T03:59:59.999 a csat 3
        2026-03-09T04:00 a csat 4
        at 2026-03-09T12:00
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        today csat:3=0 csat:4=1
        ",
    ),
    (
        "a day of 25 hours in New York",
        "
        set periods=yesterday,today zone=America/New_York
        2026-11-01T03:59:59.999 a csat 1
        2026-11-01T04:00 a csat 2
        2026-11-02T04:59:59.999 a csat 3
        2026-11-02T05:00 a csat 4
        at 2026-11-02T12:00
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        today csat:3=0 csat:4=1
        ",
    ),
    (
        "a month with a change of clocks in Lisbon",
        "
        set periods=last_month zone=Europe/Lisbon
        # October 2026 begins in summer time, an hour ahead, and ends in UTC.
        2026-09-30T22:59:59.999 a csat 1
        2026-09-30T23:00 a csat 2
        2026-10-31T23:59:59.999 a csat 3
        2026-11-01 a csat 4
        at 2026-11-20
        last_month csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "a change of half an hour on Lord Howe Island",
        "
        set periods=yesterday zone=Australia/Lord_Howe
        # 5 April 2026 has 24.5 hours: from UTC+11 to UTC+10:30.
        2026-04-04T12:59:59.999 a csat 1
        2026-04-04T13:00 a csat 2
        2026-04-05T13:29:59.999 a csat 3
        2026-04-05T13:30 a csat 4
        at 2026-04-06
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "a day without a midnight begins at one o'clock in Sao Paulo",
        "
        set periods=yesterday,today zone=America/Sao_Paulo
        2018-11-04T02:59:59.999 a csat 1
        2018-11-04T03:00 a csat 2
        2018-11-05T01:59:59.999 a csat 3
        2018-11-05T02:00 a csat 4
        at 2018-11-05T12:00
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        today csat:3=0 csat:4=1
        at 2018-11-04T03:00:00.001
        today csat:1=0 csat:2=1
        ",
    ),
    (
        "a last hour that comes twice belongs to one day of 25 hours in Sao Paulo",
        "
        set periods=yesterday,today zone=America/Sao_Paulo
        2018-02-17T01:59:59.999 a csat 1
        2018-02-17T02:00 a csat 2
        2018-02-18T02:59:59.999 a csat 3
        2018-02-18T03:00 a csat 4
        at 2018-02-18T12:00
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        today csat:3=0 csat:4=1
        ",
    ),
    (
        "a midnight that comes twice begins the day when it comes first, in Havana",
        "
        set periods=yesterday,today zone=America/Havana
        2026-11-01T03:59:59.999 a csat 1
        2026-11-01T04:00 a csat 2
        2026-11-02T04:59:59.999 a csat 3
        2026-11-02T05:00 a csat 4
        at 2026-11-02T12:00
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        at 2026-11-01T05:30
        today csat:1=0 csat:2=1
        ",
    ),
    (
        "a day that is interrupted by its eve begins when it comes first, in St John's",
        "
        set periods=yesterday,today zone=America/St_Johns
        # At 00:01 on 7 November 2010 clocks went back to 23:01 on the 6th.
        2010-11-06T02:29:59.999 a csat 1
        2010-11-06T02:30 a csat 2
        2010-11-07T02:29:59.999 a csat 3
        2010-11-07T02:30 a csat 4
        at 2010-11-07T12:00
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        today csat:3=0 csat:4=1
        ",
    ),
    (
        "a date that was left out was no day: before 31 December 2011 came the 29th in Apia",
        "
        set periods=yesterday,today zone=Pacific/Apia
        2011-12-29T09:59:59.999 a csat 1
        2011-12-29T10:00 a csat 2
        2011-12-30T09:59:59.999 a csat 3
        2011-12-30T10:00 a csat 4
        at 2011-12-31
        yesterday csat:1=0 csat:2=1 csat:3=1 csat:4=0
        today csat:3=0 csat:4=1
        ",
    ),
    (
        "quarters by the clocks of Istanbul",
        "
        set periods=last_quarter zone=Europe/Istanbul
        2025-12-31T20:59:59.999 a csat 1
        2025-12-31T21:00 a csat 2
        2026-03-31T20:59:59.999 a csat 3
        2026-03-31T21:00 a csat 4
        at 2026-05-15
        last_quarter csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
    (
        "months by the clocks of Kolkata",
        "
        set periods=last_month zone=Asia/Kolkata
        2026-03-31T18:29:59.999 a csat 1
        2026-03-31T18:30 a csat 2
        2026-04-30T18:29:59.999 a csat 3
        2026-04-30T18:30 a csat 4
        at 2026-04-30T18:30
        last_month csat:1=0 csat:2=1 csat:3=1 csat:4=0
        ",
    ),
];

/// Who is a customer, and when.
const SPELLS: Tables = &[
    (
        "a sign-up and a purchase make customers",
        "
        2026-06-01 a signup
        2026-06-02 b purchase
        2026-06-03 c nps 10
        2026-06-03 d churn price
        at 2026-06-10
        page customers=2
        ",
    ),
    (
        "an order for nothing makes a customer too",
        "
        2026-06-01 a purchase amount=0
        at 2026-06-10
        page customers=1
        ",
    ),
    (
        "who never bought is no customer where customers start with a purchase",
        "
        set starts_with=purchase periods=30d churn_events=complete
        2026-06-01 a,b signup
        2026-06-05 b purchase
        at 2026-06-10
        page customers=1
        30d S=0 E=1 new=1 joined=1 departure=0/1
        at 2026-06-05
        page customers=0
        ",
    ),
    (
        "a sign-up is no activity where customers start with a purchase",
        "
        set starts_with=purchase timeout=30d periods=7d
        2026-05-01 a purchase
        2026-05-20 a signup
        at 2026-06-05
        page customers=0
        7d S=1 E=0 lost=1 retention=0 churn=1 departure=1/1 reasons=inactivity:1
        ",
    ),
    (
        "a sign-up is activity otherwise, also where it opens nothing",
        "
        set timeout=30d periods=7d
        2026-05-01 a purchase
        2026-05-20 a signup
        at 2026-06-05
        page customers=1
        7d S=1 E=1 retained=1 departure=0/1 reasons=none
        ",
    ),
    (
        "a churn closes the spell at its time",
        "
        2026-06-01 a signup
        2026-06-10T12:00 a churn price
        at 2026-06-10T12:00
        page customers=1
        24h reasons=none
        at 2026-06-10T12:00:00.001
        page customers=0
        24h S=1 E=0 lost=1 reasons=price:1
        at 2026-06-11T12:00
        24h S=1 E=0 lost=1 reasons=price:1
        at 2026-06-11T12:00:00.001
        24h S=0 E=0 lost=0 reasons=none
        ",
    ),
    (
        "a spell ends a timeout after the last activity, at that very instant",
        "
        set timeout=30d
        2026-05-01 a purchase
        at 2026-05-31
        page customers=1
        24h S=1 E=1 reasons=none
        at 2026-05-31T00:00:00.001
        page customers=0 withheld=none
        24h S=1 E=0 lost=1 retention=0 churn=1 departure=1/1 reasons=inactivity:1
        at 2026-06-01
        24h S=1 E=0 lost=1 reasons=inactivity:1
        at 2026-06-01T00:00:00.001
        24h S=0 E=0 reasons=none retention=absent departure=absent
        ",
    ),
    (
        "activity prolongs a spell though it opens nothing",
        "
        set timeout=30d
        2026-05-01 a signup
        2026-05-20 a purchase
        at 2026-06-19
        page customers=1
        at 2026-06-19T00:00:00.001
        page customers=0
        24h reasons=inactivity:1
        ",
    ),
    (
        "an answer neither prolongs nor opens a spell, and neither does a churn",
        "
        set timeout=30d periods=90d
        2026-05-01 a purchase
        2026-05-30 a nps 10
        2026-05-02 b churn price
        2026-06-01 c nps 0
        at 2026-06-02
        page customers=0
        90d S=0 E=0 joined=1 early=1 departure=1/1 reasons=inactivity:1 promoter=1 detractor=1
        ",
    ),
    (
        "a gap longer than the timeout splits a spell in two",
        "
        set timeout=30d periods=90d
        2026-05-01 a purchase
        2026-06-10 a purchase
        at 2026-06-30
        page customers=1
        90d S=0 E=1 new=1 reactivated=0 joined=1 early=0 departure=1/2 reasons=inactivity:1
        ",
    ),
    (
        "a late event that fills the gap undoes the timeout",
        "
        set timeout=30d periods=90d
        2026-05-01 a purchase
        2026-06-10 a purchase
        2026-05-25 a purchase
        at 2026-06-30
        page customers=1
        90d S=0 E=1 new=1 joined=1 early=0 departure=0/1 reasons=none
        ",
    ),
    (
        "after a churn the timeout counts from the next activity",
        "
        set timeout=30d periods=90d
        2026-05-01 a signup
        2026-05-05 a churn price
        2026-05-20 a purchase
        at 2026-06-19
        page customers=1
        90d departure=1/2 reasons=price:1
        at 2026-06-20
        page customers=0
        90d departure=2/2 reasons=price:1,inactivity:1
        ",
    ),
    (
        "a churn after the timeout finds nobody",
        "
        set timeout=30d periods=90d
        2026-05-01 a signup
        2026-06-05 a churn price
        at 2026-06-20
        90d joined=1 early=1 departure=1/1 reasons=inactivity:1
        ",
    ),
    (
        "a sign-up while active opens nothing",
        "
        set periods=30d churn_events=complete
        2026-05-01 a signup
        2026-06-15 a signup
        at 2026-07-01
        page customers=1
        30d S=1 E=1 retained=1 N=0 joined=0 departure=0/1
        ",
    ),
    (
        "a sign-up that opened nothing matters once a late churn arrives",
        "
        set periods=30d
        2026-05-01 a signup
        2026-06-15 a signup
        2026-06-10 a churn price
        at 2026-07-01
        page customers=1
        30d S=1 E=1 retained=1 N=0 joined=0 departure=1/2 reasons=price:1
        ",
    ),
    (
        "a churn while inactive or unknown closes nothing",
        "
        set periods=30d
        2026-06-10 a churn price
        2026-06-01 b signup
        2026-06-05 b churn first
        2026-06-10 b churn second
        2026-06-12 a signup
        at 2026-07-01
        page customers=1
        30d S=0 E=1 N=1 joined=2 early=1 departure=1/2 reasons=first:1
        ",
    ),
    (
        "a churn that closed nothing matters once a late sign-up arrives",
        "
        set periods=30d
        2026-06-10 a churn price
        2026-06-05 a signup
        at 2026-07-01
        page customers=0
        30d S=0 E=0 N=0 joined=1 early=1 departure=1/1 reasons=price:1
        ",
    ),
    (
        "an end and a start at one instant: the customer stays",
        "
        set periods=30d
        2026-05-01 a,b signup
        2026-06-10 a churn upgrade
        2026-06-10 a signup
        2026-06-10 b purchase
        2026-06-10 b churn upgrade
        at 2026-06-10
        page customers=2
        30d reasons=none
        at 2026-07-01
        page customers=2
        30d S=2 E=2 retained=2 N=0 joined=0 departure=2/4 reasons=upgrade:2
        at 2026-07-10
        30d S=2 E=2 retained=2 N=0 joined=0 departure=2/4 reasons=upgrade:2
        at 2026-07-10T00:00:00.001
        30d S=2 E=2 retained=2 N=0 joined=0 departure=0/2 reasons=none
        ",
    ),
    (
        "an end and a start at one instant begin the spell of one who was inactive",
        "
        2026-06-10 a signup
        2026-06-10 a churn price
        at 2026-06-10T12:00
        page customers=1
        24h new=1 joined=1 departure=0/1 reasons=none
        ",
    ),
    (
        "a purchase exactly at last activity plus timeout opens a new spell",
        "
        set timeout=30d periods=30d
        2026-05-02 a purchase
        2026-06-01 a purchase
        at 2026-06-15
        page customers=1
        30d S=1 E=1 retained=1 N=0 departure=1/2 reasons=inactivity:1
        ",
    ),
    (
        "a purchase a millisecond earlier prolongs the spell",
        "
        set timeout=30d periods=30d
        2026-05-02 a purchase
        2026-05-31T23:59:59.999 a purchase
        at 2026-06-15
        page customers=1
        30d S=1 E=1 retained=1 N=0 departure=0/1 reasons=none
        ",
    ),
    (
        "a churn exactly at last activity plus timeout finds nobody",
        "
        set timeout=30d periods=30d
        2026-05-02 a,b purchase
        2026-06-01 a churn price
        2026-05-31T23:59:59.999 b churn price
        at 2026-06-15
        page customers=0
        30d S=2 E=0 departure=2/2 reasons=inactivity:1,price:1
        ",
    ),
    (
        "a timeout, a churn and a purchase at one instant, in this order",
        "
        set timeout=30d periods=30d
        2026-05-02 a purchase
        2026-06-01 a purchase
        2026-06-01 a churn price
        at 2026-06-15
        page customers=1
        30d S=1 E=1 retained=1 departure=1/2 reasons=inactivity:1
        ",
    ),
    (
        "of two churns at one instant the smaller text is the reason",
        "
        set periods=30d
        2026-06-01 a1..a6 signup
        2026-06-10 a1 churn price
        2026-06-10 a1 churn moved
        2026-06-10 a2 churn moved
        2026-06-10 a2 churn price
        2026-06-10 a3 churn
        2026-06-10 a3 churn service
        2026-06-10 a4 churn zeal
        2026-06-10 a4 churn
        2026-06-10 a5 churn apple
        2026-06-10 a5 churn Zoo
        2026-06-10 a6 churn öde
        2026-06-10 a6 churn zzz
        at 2026-07-01
        30d departure=6/6 reasons=moved:2,service:1,unspecified:1,Zoo:1,zzz:1
        ",
    ),
    (
        "texts compare by the bytes of UTF-8, not by UTF-16",
        "
        set periods=30d
        2026-06-01 a signup
        2026-06-10 a churn 🙂
        2026-06-10 a churn ｚ
        at 2026-07-01
        30d reasons=ｚ:1
        ",
    ),
    (
        "of two answers at one instant the larger is the latest",
        "
        set periods=30d
        2026-06-10 a nps 9
        2026-06-10 a nps 3
        2026-06-10 b nps 8
        2026-06-10 b nps 10
        at 2026-07-01
        30d promoter=2 passive=0 detractor=0 nps=100
        30d responses:promoter=2 responses:passive=1 responses:detractor=1 response_score=25
        ",
    ),
    (
        "the customers at the end of one month are those at the start of the next",
        "
        set periods=last_month,this_month
        2026-05-01 a,b,c,d signup
        2026-06-01 a churn price
        2026-05-31T23:59:59.999 b churn price
        2026-06-01 e signup
        2026-05-31T23:59:59.999 f signup
        at 2026-06-20
        last_month S=0 E=4 new=4 joined=5 early=1 departure=1/5 reasons=price:1
        this_month S=4 E=4 retained=3 lost=1 new=1 joined=1 departure=1/5 reasons=price:1
        ",
    ),
];

/// Retention, churn and departures over one period.
const RETENTION: Tables = &[
    (
        "1000 at start, 300 leave, 200 join",
        "
        set periods=30d
        2026-05-10 a1..a1000 signup
        2026-06-10 a1..a300 churn price
        2026-06-15 b1..b200 signup
        at 2026-07-01
        page customers=900 withheld=none
        30d S=1000 E=900 N=200 retention=0.7 churn=0.3 departure=300/1200
        30d retained=700 lost=300 new=200 reactivated=0 joined=200 early=0 reasons=price:300
        ",
    ),
    (
        "10 at start, 1 leaves; 1 joins and leaves",
        "
        set periods=30d
        2026-05-10 a1..a10 signup
        2026-06-10 a1 churn price
        2026-06-11 b signup
        2026-06-12 b churn moved
        at 2026-07-01
        page customers=9
        30d S=10 E=9 N=0 retention=0.9 churn=0.1 departure=2/11
        30d retained=9 lost=1 joined=1 early=1 reasons=price:1,moved:1
        ",
    ),
    (
        "10 at start; one who left before comes back",
        "
        set periods=30d
        2026-03-10 b signup
        2026-04-10 b churn price
        2026-05-10 a1..a10 signup
        2026-06-10 b purchase
        at 2026-07-01
        30d S=10 E=11 N=1 retention=1 churn=0 departure=0/11
        30d retained=10 lost=0 new=0 reactivated=1 joined=0 early=0 reasons=none
        ",
    ),
    (
        "10 at start; one leaves and comes back inside",
        "
        set periods=30d
        2026-05-10 a1..a10 signup
        2026-06-10 a1 churn price
        2026-06-20 a1 purchase
        at 2026-07-01
        30d S=10 E=10 N=0 retention=1 churn=0 departure=1/11
        30d retained=10 lost=0 joined=0 reasons=price:1
        ",
    ),
    (
        "nobody at start, one joins",
        "
        set periods=30d churn_events=complete
        2026-06-10 a signup
        at 2026-07-01
        page withheld=none
        30d S=0 E=1 N=1 retention=absent churn=absent departure=0/1 new=1 joined=1
        ",
    ),
    (
        "nobody at all",
        "
        set periods=30d churn_events=complete
        2026-06-10 a nps 9
        at 2026-07-01
        page customers=0 withheld=none
        30d S=0 E=0 N=0 retained=0 lost=0 joined=0 early=0 reasons=none
        30d retention=absent churn=absent departure=absent
        ",
    ),
    (
        "a sign-up exactly at t0 is new, a churn exactly at t1 is still there at the end",
        "
        set periods=last_month
        2026-01-01 a,b signup
        2026-06-01 c signup
        2026-07-01 a churn price
        at 2026-07-05
        page customers=2
        last_month S=2 E=3 N=1 new=1 retained=2 lost=0 joined=1 retention=1 departure=0/3
        last_month reasons=none
        ",
    ),
    (
        "a churn exactly at t0 is lost in this period, a sign-up exactly at t1 joins the next",
        "
        set periods=last_month
        2026-01-01 a,b signup
        2026-06-01 a churn price
        2026-07-01 c signup
        at 2026-07-05
        last_month S=2 E=1 N=0 retained=1 lost=1 joined=0 retention=0.5 churn=0.5 departure=1/2
        last_month reasons=price:1
        ",
    ),
    (
        "the churn of an unknown customer changes nothing",
        "
        set periods=30d
        2026-05-10 a1..a10 signup
        2026-06-10 a1 churn price
        2026-06-10 stranger churn price
        at 2026-07-01
        page customers=9
        30d S=10 E=9 N=0 retention=0.9 churn=0.1 departure=1/10 reasons=price:1
        ",
    ),
    (
        "who leaves and comes back again and again departs each time",
        "
        set periods=30d
        2026-05-10 a signup
        2026-06-10 a churn price
        2026-06-11 a signup
        2026-06-12 a churn moved
        2026-06-13 a purchase
        2026-06-14 a churn price
        at 2026-07-01
        30d S=1 E=0 lost=1 retention=0 churn=1 departure=3/3 reasons=price:2,moved:1 joined=0
        ",
    ),
    (
        "who joins, leaves and comes back inside the period is new once",
        "
        set periods=30d
        2026-06-10 a signup
        2026-06-11 a churn price
        2026-06-12 a signup
        at 2026-07-01
        30d S=0 E=1 new=1 reactivated=0 joined=1 early=0 departure=1/2 retention=absent
        ",
    ),
    (
        "each period has its own start",
        "
        set periods=24h,7d,30d
        2026-05-20 a signup
        2026-06-20 b signup
        2026-06-29 c signup
        2026-06-30T12:00 a churn price
        at 2026-07-01
        page customers=2
        24h S=3 E=2 retained=2 lost=1 N=0 joined=0 retention=2/3 churn=1/3 departure=1/3
        7d S=2 E=2 retained=1 lost=1 new=1 joined=1 retention=1/2 churn=1/2 departure=1/3
        30d S=1 E=2 retained=0 lost=1 new=2 joined=2 retention=0 churn=1 departure=1/3
        ",
    ),
    (
        "old customers stay customers when their events are older than the history",
        "
        set periods=7d history=120d
        2024-01-01 a,b signup kafka=2024-01-01
        2024-02-01 b churn price kafka=2024-02-01
        2026-05-18 b signup kafka=2026-05-18
        2026-05-19 c signup kafka=2026-05-19
        at 2026-05-20
        page customers=3
        7d S=1 E=3 retained=1 new=1 reactivated=1 joined=1 retention=1 departure=0/3
        ",
    ),
    (
        "a timeout after an activity older than the history still ends the spell",
        "
        set periods=7d history=120d timeout=500d
        2025-01-01 a purchase kafka=2025-01-01
        2026-05-19 b purchase kafka=2026-05-19
        # 1 January 2025 and 500 days are 16 May 2026.
        at 2026-05-16
        page customers=1
        at 2026-05-20
        page customers=1
        7d S=1 E=1 lost=1 new=1 retention=0 departure=1/2 reasons=inactivity:1
        ",
    ),
];

/// What is withheld until it is true.
const WITHHELD: Tables = &[
    (
        "without churn events and without a timeout retention is unknown, not 100 %",
        "
        set periods=30d
        2026-05-10 a signup
        at 2026-07-01
        page customers=1 withheld=no_churn_source
        30d S=1 E=1 retained=1 lost=0 retention=absent churn=absent departure=absent reasons=none
        ",
    ),
    (
        "unless it is known that nobody left",
        "
        set periods=30d churn_events=complete
        2026-05-10 a signup
        at 2026-07-01
        page withheld=none
        30d retention=1 churn=0 departure=0/1
        ",
    ),
    (
        "or a timeout would tell",
        "
        set periods=30d timeout=365d
        2026-05-10 a signup
        at 2026-07-01
        page withheld=none
        30d retention=1 churn=0 departure=0/1
        ",
    ),
    (
        "one churn event of anybody, before the instant, is a churn source",
        "
        set periods=30d
        2026-05-10 a signup
        2026-06-10 stranger churn
        at 2026-06-10
        page withheld=no_churn_source
        30d retention=absent
        at 2026-06-10T00:00:00.001
        page withheld=none
        30d S=1 retention=1 churn=0 departure=0/1
        ",
    ),
    (
        "without a log from the beginning and without a timeout the base is never complete",
        "
        set periods=24h,90d from_the_beginning=no log_start=2026-01-01
        2026-05-10 a signup
        2026-06-10 a churn price
        at 2026-06-10T12:00
        page customers=0 withheld=base_incomplete
        24h S=1 lost=1 retention=absent churn=absent departure=absent reasons=price:1
        90d S=0 retention=absent churn=absent departure=absent reasons=price:1
        ",
    ),
    (
        "the base is complete a timeout after the log starts, for periods that start then",
        "
        set periods=24h,7d from_the_beginning=no log_start=2026-05-01 timeout=30d
        2026-05-20 a signup
        at 2026-06-05
        page withheld=base_incomplete
        24h retention=1 churn=0 departure=0/1
        7d S=1 E=1 retained=1 retention=absent churn=absent departure=absent
        # 1 May and 30 days are 31 May: a period that starts just then is known.
        at 2026-06-07
        page withheld=none
        24h retention=1 churn=0 departure=0/1
        7d retention=1 churn=0 departure=0/1
        at 2026-06-06T23:59:59.999
        page withheld=base_incomplete
        24h retention=1
        7d retention=absent
        ",
    ),
    (
        "where it is not known when the log starts the base is never complete",
        "
        set periods=24h from_the_beginning=no timeout=1d
        2026-06-09T12:00 a signup
        at 2026-06-10
        page customers=1 withheld=base_incomplete
        24h departure=absent
        ",
    ),
    (
        "a configured instant of completeness goes before the start of the log",
        "
        set periods=24h,7d from_the_beginning=no log_start=2026-05-01 timeout=30d
        set base_complete_since=2026-06-06
        2026-05-20 a signup
        at 2026-06-07
        page withheld=base_incomplete
        24h retention=1 churn=0 departure=0/1
        7d retention=absent churn=absent departure=absent
        ",
    ),
    (
        "a configured instant of completeness needs no timeout",
        "
        set periods=24h,7d from_the_beginning=no base_complete_since=2026-06-06
        2026-05-20 a signup
        2026-05-20 b churn price
        at 2026-06-07
        page withheld=base_incomplete
        24h retention=1
        7d retention=absent
        at 2026-06-13
        page withheld=none
        24h retention=1
        7d retention=1
        ",
    ),
    (
        "both reasons are named where both hold",
        "
        set periods=24h from_the_beginning=no
        2026-05-20 a signup
        at 2026-06-07
        page customers=1 withheld=no_churn_source,base_incomplete
        24h S=1 E=1 retention=absent churn=absent departure=absent
        ",
    ),
    (
        "a log from the beginning is complete from the beginning",
        "
        set periods=365d churn_events=complete log_start=2026-05-01
        2026-05-01 a signup
        at 2026-06-07
        page withheld=none
        365d S=0 E=1 departure=0/1
        ",
    ),
];

/// Customers who stay and do not buy.
const DORMANCY: Tables = &[
    (
        "who has not ordered for that long is dormant, also who never did",
        "
        # 30 days before 1 July is 1 June, 90 are 2 April, 180 are 2 January, 365 are 1 July 2025.
        2025-06-01 a,b,c,d,e,g signup
        2026-06-01 a purchase
        2026-05-31T23:59:59.999 b purchase
        2025-06-30T23:59:59.999 c purchase
        2025-07-01 g purchase
        2026-06-30 e churn price
        at 2026-07-01
        page customers=5
        # b, c, d, g; then c, d, g; then c, d
        page dormant:30d=4 dormant:90d=3 dormant:180d=3 dormant:365d=2
        # Now also the orders of 1 June and of 1 July 2025 are too old.
        at 2026-07-01T00:00:00.001
        page dormant:30d=5 dormant:90d=3 dormant:180d=3 dormant:365d=3
        ",
    ),
    (
        "an order at the instant itself does not wake anybody yet",
        "
        2026-01-01 a signup
        2026-06-10T12:00 a purchase amount=0
        at 2026-06-10T12:00
        page dormant:30d=1
        at 2026-06-10T12:00:00.001
        page dormant:30d=0
        ",
    ),
    (
        "who is no customer is not dormant",
        "
        2024-01-01 a purchase
        2024-01-02 a churn price
        2026-06-10 b nps 9
        at 2026-06-10T12:00
        page customers=0 dormant:30d=0 dormant:90d=0 dormant:180d=0 dormant:365d=0
        ",
    ),
];

/// Departures of the same window in the four weeks before.
const EXPECTED: Tables = &[
    (
        "departures are expected as many as there were in the four weeks before, on average",
        "
        set timeout=30d
        2026-05-16 i1,i2 signup
        2026-05-24 a1..a20 signup
        # The windows end at noon of 22, 15, 8 and 1 June and are a day long.
        2026-06-01T06:00 a1..a5 churn price
        2026-06-08T06:00 a6..a10 churn price
        2026-06-14T18:00 a11..a16 churn moved
        2026-06-22T06:00 a17..a20 churn
        2026-06-20 b1..b12 signup
        2026-06-29T03:00 b1..b12 churn price
        at 2026-06-29T12:00
        # i1 and i2 timed out at midnight of 15 June.
        24h reasons=price:12 expected_departures=churn:5,inactivity:1/2
        ",
    ),
    (
        "a week is compared with the four weeks before, which leave no gap",
        "
        set periods=7d
        2026-05-01 a1..a9 signup
        # 35 and 7 days before 29 June are 25 May and 22 June.
        2026-05-24T23:59:59.999 a1 churn
        2026-05-25 a2 churn
        2026-05-31T23:59:59.999 a3 churn
        2026-06-01 a4 churn
        2026-06-08 a5 churn
        2026-06-21T23:59:59.999 a6 churn
        2026-06-22 a7 churn
        at 2026-06-29
        # a2 to a6 in four weeks, and a7 in the last one
        7d reasons=unspecified:1 expected_departures=churn:5/4,inactivity:0
        ",
    ),
    (
        "each window holds its start and not its end",
        "
        2026-05-01 a,b,c,d signup
        2026-06-20T23:59:59.999 a churn
        2026-06-21 b churn
        2026-06-21T23:59:59.999 c churn
        2026-06-22 d churn
        at 2026-06-29
        24h expected_departures=churn:1/2,inactivity:0
        ",
    ),
    (
        "who leaves, returns and leaves again departs twice",
        "
        2026-05-01 a signup
        2026-06-21T01:00 a churn price
        2026-06-21T02:00 a signup
        2026-06-21T03:00 a churn price
        2026-06-21T04:00 a signup
        2026-06-14T01:00 a churn price
        2026-06-14T02:00 a purchase
        at 2026-06-29
        24h expected_departures=churn:3/4,inactivity:0
        ",
    ),
    (
        "a shop without a customer at the start of the earliest window expects nothing",
        "
        set churn_events=complete periods=24h,7d
        # 29 days before 30 June.
        2026-06-01 a signup
        2026-06-20 a churn
        at 2026-06-30
        24h expected_departures=none
        7d expected_departures=none
        at 2026-06-30T00:00:00.001
        24h expected_departures=churn:0,inactivity:0
        7d expected_departures=none
        # 35 days before
        at 2026-07-06T00:00:00.001
        7d expected_departures=churn:1/4,inactivity:0
        page withheld_expected=none
        ",
    ),
    (
        "who leaves at the start of the earliest window was still a customer at it",
        "
        2026-05-01 a signup
        2026-06-01 a churn
        2026-06-02 b signup
        at 2026-06-30
        24h expected_departures=churn:1/4,inactivity:0
        at 2026-06-30T00:00:00.001
        24h expected_departures=none
        ",
    ),
    (
        "a churn event for inactivity is expected with the timeouts, every other with churn",
        "
        set timeout=20d reasons=moved
        2026-06-01 a,b,c signup
        2026-05-20 d,e signup
        2026-05-20 keeps signup
        # d, e and the third one time out on 9 June.
        2026-06-08T12:00 a churn inactivity
        2026-06-08T12:00 b churn price
        2026-06-08T12:00 c churn moved
        2026-06-09 keeps churn
        at 2026-06-16
        24h expected_departures=none
        at 2026-06-23
        24h expected_departures=churn:2/4,inactivity:1/4
        at 2026-06-24
        24h expected_departures=churn:0,inactivity:3/4
        ",
    ),
    (
        "only a day and a week have an expectation, however they are written",
        "
        set periods=24h,1d,1440m,7d,168h,1w,48h,2w,23h,30d,today,yesterday,this_week,last_week
        2026-05-01 a,b signup
        2026-06-21T12:00 a churn
        at 2026-06-29
        24h expected_departures=churn:1/4,inactivity:0
        1d expected_departures=churn:1/4,inactivity:0
        1440m expected_departures=churn:1/4,inactivity:0
        7d expected_departures=churn:1/4,inactivity:0
        168h expected_departures=churn:1/4,inactivity:0
        1w expected_departures=churn:1/4,inactivity:0
        48h expected_departures=none
        2w expected_departures=none
        23h expected_departures=none
        30d expected_departures=none
        today expected_departures=none
        yesterday expected_departures=none
        this_week expected_departures=none
        last_week expected_departures=none
        ",
    ),
    (
        "the weeks before are weeks of 168 hours, also when the clocks change",
        "
        set zone=Europe/Berlin
        2026-02-01 a,b,c signup
        # Summer time began on 29 March. 28 days before 10 April, 12:00 UTC
        2026-03-12T12:00 a churn
        2026-03-13T11:59:59.999 b churn
        2026-03-13T12:00 c churn
        at 2026-04-10T12:00
        24h expected_departures=churn:2/4,inactivity:0
        ",
    ),
    (
        "a late event is expected as if it had been in time",
        "
        2026-05-01 a,b signup
        2026-06-28 b churn
        2026-06-21T12:00 a churn
        at 2026-06-29
        24h expected_departures=churn:1/4,inactivity:0
        ",
    ),
    (
        "without a source of departures none are expected, and that is said",
        "
        set periods=7d
        2026-05-01 a signup
        at 2026-06-29
        7d expected_departures=none
        page withheld_expected=no_churn_source
        ",
    ),
    (
        "everybody must be known at the start of the earliest window",
        "
        set periods=24h,7d from_the_beginning=no base_complete_since=2026-05-31
        2026-05-01 a,b signup
        2026-06-21T12:00 a churn
        # A day begins to be compared on 31 May, a week on 25 May.
        at 2026-06-29
        24h expected_departures=churn:1/4,inactivity:0 retention=1
        7d expected_departures=none retention=1
        page withheld_expected=base_incomplete withheld=none
        at 2026-06-28T23:59:59.999
        24h expected_departures=none retention=1
        at 2026-07-05
        7d expected_departures=churn:1/4,inactivity:0
        page withheld_expected=none
        ",
    ),
    (
        "nothing is withheld of periods that have no expectation",
        "
        set periods=30d from_the_beginning=no
        2026-05-01 a,b signup
        2026-06-21T12:00 a churn
        at 2026-06-29
        page withheld_expected=none withheld=base_incomplete
        ",
    ),
];

/// NPS, CSAT and CES.
const SATISFACTION: Tables = &[
    (
        "70 promoters, 20 passives and 10 detractors are a score of 60",
        "
        2026-06-10 p1..p70 nps 9
        2026-06-10 q1..q20 nps 8
        2026-06-10 d1..d10 nps 6
        at 2026-06-10T12:00
        24h promoter=70 passive=20 detractor=10 nps=60 response_score=60
        # n = 103, p = 70.75/103, d = 10.75/103: 58.2524 -+ 1.959964 * 6.62393
        24h nps_lower=~45.27 nps_upper=~71.24
        ",
    ),
    (
        "10 promoters, 5 passives and 5 detractors are a score of 25",
        "
        2026-06-10 p1..p10 nps 10
        2026-06-10 q1..q5 nps 7
        2026-06-10 d1..d5 nps 0
        at 2026-06-10T12:00
        24h promoter=10 passive=5 detractor=5 nps=25 response_score=25
        # n = 23, p = 10.75/23, d = 5.75/23: 21.7391 -+ 1.959964 * 17.0693
        24h nps_lower=~-11.72 nps_upper=~55.19
        ",
    ),
    (
        "five promoters are a score of 100, of which 17.5 is sure",
        "
        2026-06-10 p1..p5 nps 10
        at 2026-06-10T12:00
        # n = 8, p = 0.71875, d = 0.09375: 62.5 -+ 1.959964 * 22.9640
        24h nps=100 nps_lower=~17.5 nps_upper=100
        24h nps_lower=~17.491
        ",
    ),
    (
        "a single detractor is a score of -100, and its bounds contain it",
        "
        2026-06-10 d nps 0
        at 2026-06-10T12:00
        # n = 4, p = 0.1875, d = 0.4375: -25 -+ 1.959964 * 37.5
        24h nps=-100 nps_lower=-100 nps_upper=~48.499
        ",
    ),
    (
        "no answer is no score, and counts of zero",
        "
        2026-06-10 a signup
        at 2026-06-10T12:00
        24h promoter=0 passive=0 detractor=0 nps=absent nps_lower=absent nps_upper=absent
        24h responses:promoter=0 responses:passive=0 responses:detractor=0 response_score=absent
        24h csat:1=0 csat:2=0 csat:3=0 csat:4=0 csat:5=0 csat=absent csat_mean=absent
        24h csat_lower=absent csat_upper=absent
        24h ces:1=0 ces:2=0 ces:3=0 ces:4=0 ces:5=0 ces:6=absent ces_mean=absent low_effort=absent
        page scale:nps,0,10,high=1 scale:csat,1,5,high=1 scale:ces,1,5,low=1
        ",
    ),
    (
        "0 to 6 are detractors, 7 and 8 passives, 9 and 10 promoters, 11 and -1 are nothing",
        "
        2026-06-10 a0 nps 0
        2026-06-10 a1 nps 1
        2026-06-10 a2 nps 2
        2026-06-10 a3 nps 3
        2026-06-10 a4 nps 4
        2026-06-10 a5 nps 5
        2026-06-10 a6 nps 6
        2026-06-10 a7 nps 7
        2026-06-10 a8 nps 8
        2026-06-10 a9 nps 9
        2026-06-10 a10 nps 10
        2026-06-10 a11 nps 11
        2026-06-10 a12 nps -1
        at 2026-06-10T12:00
        24h detractor=7 passive=2 promoter=2 nps=-500/11
        24h responses:detractor=7 responses:passive=2 responses:promoter=2 response_score=-500/11
        ",
    ),
    (
        "the score counts each customer once, by the latest answer in the window",
        "
        set periods=24h,7d
        2026-06-05 a nps 0
        2026-06-10T10:00 a nps 9
        2026-06-10T09:00 a nps 7
        2026-06-05 b nps 10
        2026-06-10T12:00 b nps 0
        at 2026-06-10T12:00
        24h promoter=1 passive=0 detractor=0 nps=100
        24h responses:promoter=1 responses:passive=1 responses:detractor=0 response_score=50
        7d promoter=2 passive=0 detractor=0 nps=100
        7d responses:promoter=2 responses:passive=1 responses:detractor=1 response_score=25
        at 2026-06-10T12:00:00.001
        24h promoter=1 passive=0 detractor=1 nps=0
        7d promoter=1 passive=0 detractor=1 nps=0 response_score=0
        ",
    ),
    (
        "an answer at t0 is in the window, one at t1 is not",
        "
        set periods=last_month
        2026-05-31T23:59:59.999 a nps 0
        2026-06-01 b nps 9
        2026-06-30T23:59:59.999 c nps 8
        2026-07-01 d nps 0
        at 2026-07-10
        last_month promoter=1 passive=1 detractor=0 nps=50 response_score=50
        ",
    ),
    (
        "whoever answers is counted, customer or not",
        "
        2026-06-01 a signup
        2026-06-02 a churn price
        2026-06-10 a,b nps 9
        2026-06-10 a,b csat 5
        2026-06-10 a,b ces 1
        at 2026-06-10T12:00
        page customers=0
        24h promoter=2 csat:5=2 ces:1=2
        ",
    ),
    (
        "every CSAT answer counts, also of one customer",
        "
        2026-06-10T01:00 a csat 5
        2026-06-10T02:00 a csat 4
        2026-06-10T03:00 a csat 3
        2026-06-10T04:00 a csat 1
        2026-06-10T04:00 a csat 0
        2026-06-10T04:00 a csat 6
        at 2026-06-10T12:00
        24h csat:1=1 csat:2=0 csat:3=1 csat:4=1 csat:5=1 csat=2/4 csat_mean=13/4
        # p = 1/2, n = 4: (0.5 + 0.480182 -+ 1.959964 * sqrt(0.0625 + 0.0600228)) / 1.960365
        24h csat_lower=~0.1500 csat_upper=~0.8500
        ",
    ),
    (
        "Wilson's bounds of 81 out of 263, as in Newcombe 1998",
        "
        2026-06-10 a1..a81 csat 4
        2026-06-10 b1..b182 csat 3
        at 2026-06-10T12:00
        24h csat=81/263 csat_lower=~0.2553 csat_upper=~0.3662
        ",
    ),
    (
        "Wilson's bounds of 15 out of 148, as in Newcombe 1998",
        "
        2026-06-10 a1..a15 csat 5
        2026-06-10 b1..b133 csat 2
        at 2026-06-10T12:00
        24h csat=15/148 csat_lower=~0.0624 csat_upper=~0.1605
        ",
    ),
    (
        "Wilson's bounds of 0 out of 20, as in Newcombe 1998",
        "
        2026-06-10 a1..a20 csat 1
        at 2026-06-10T12:00
        24h csat=0 csat_lower=0 csat_upper=~0.1611 csat_mean=1
        ",
    ),
    (
        "Wilson's bounds of 1 out of 29, as in Newcombe 1998",
        "
        2026-06-10 a csat 5
        2026-06-10 b1..b28 csat 1
        at 2026-06-10T12:00
        24h csat=1/29 csat_lower=~0.0061 csat_upper=~0.1718
        ",
    ),
    (
        "effort from 1 to 5, low is better: 1 and 2 tell of little effort",
        "
        2026-06-10 a ces 1
        2026-06-10 a ces 2
        2026-06-10 b,c ces 3
        2026-06-10 a ces 4
        2026-06-10 a ces 5
        2026-06-10 a ces 6
        2026-06-10 a ces 0
        at 2026-06-10T12:00
        24h ces:1=1 ces:2=1 ces:3=2 ces:4=1 ces:5=1 ces_mean=18/6 low_effort=2/6
        ",
    ),
    (
        "effort from 1 to 5, high is better: 4 and 5 tell of little effort",
        "
        set ces_better=high
        2026-06-10 a ces 1
        2026-06-10 a ces 3
        2026-06-10 a,b ces 4
        2026-06-10 a ces 5
        at 2026-06-10T12:00
        24h ces:1=1 ces:2=0 ces:3=1 ces:4=2 ces:5=1 ces_mean=17/5 low_effort=3/5
        page scale:ces,1,5,high=1 scale:ces,1,5,low=absent
        ",
    ),
    (
        "effort from 1 to 7, high is better: 5 to 7 tell of little effort",
        "
        set ces_max=7 ces_better=high
        2026-06-10 a ces 1
        2026-06-10 a ces 4
        2026-06-10 a ces 5
        2026-06-10 a ces 6
        2026-06-10 a,b ces 7
        2026-06-10 a ces 8
        at 2026-06-10T12:00
        24h ces:1=1 ces:4=1 ces:5=1 ces:6=1 ces:7=2 ces_mean=30/6 low_effort=4/6
        page scale:ces,1,7,high=1
        ",
    ),
    (
        "effort from 1 to 7, low is better: 1 to 3 tell of little effort",
        "
        set ces_max=7 ces_better=low
        2026-06-10 a ces 1
        2026-06-10 a ces 2
        2026-06-10 a ces 3
        2026-06-10 a ces 4
        2026-06-10 a ces 7
        at 2026-06-10T12:00
        24h ces:1=1 ces:2=1 ces:3=1 ces:4=1 ces:5=0 ces:6=0 ces:7=1 ces_mean=17/5 low_effort=3/5
        page scale:ces,1,7,low=1
        ",
    ),
    (
        "the surveys don't mix",
        "
        2026-06-10 a nps 5
        2026-06-10 a csat 5
        2026-06-10 a ces 5
        at 2026-06-10T12:00
        24h detractor=1 promoter=0 csat:5=1 csat=1 ces:5=1 low_effort=0
        ",
    ),
];

/// Change scores, and the share of customers that answered.
const CHANGES: Tables = &[
    (
        "a change is held against four weeks, with a standard error of both",
        "
        # The baseline of the last day is [12 May 12:00, 9 June 12:00).
        2026-05-12T11:59:59.999 b nps 9
        2026-05-12T12:00 a nps 0
        2026-06-09T12:00 c nps 10
        at 2026-06-10T12:00
        # One promoter: n = 4, p = 1.75/4, d = 0.75/4, (0.625 - 0.0625) / 4 = 0.140625; one detractor alike.
        # 100 * sqrt(0.140625 + 0.140625)
        24h nps=100 change=200 change_error=~53.0330
        ",
    ),
    (
        "of longer periods the baseline is twice as long",
        "
        set periods=14d,15d,30d
        # Baselines: [20 May, 17 June), [17 May, 16 June), [2 April, 1 June).
        2026-04-01T23:59:59.999 a nps 10
        2026-04-02 b1..b3 nps 0
        2026-05-17 c nps 10
        2026-05-20 d nps 0
        2026-06-25 e nps 10
        at 2026-07-01
        14d nps=100 change=200
        15d nps=100 change=100
        # 30d: 1 of 5 is a promoter, 4 are detractors: -60
        30d nps=100 change=160
        ",
    ),
    (
        "both windows count each customer once, by its latest answer there",
        "
        2026-05-20 a nps 0
        2026-05-25 a nps 10
        2026-06-10T01:00 a nps 3
        2026-06-10T02:00 a nps 8
        at 2026-06-10T12:00
        # One passive: n = 4, p = d = 0.75/4, 0.375 / 4 = 0.09375; one promoter: 0.140625.
        24h nps=0 change=-100 change_error=~48.4123
        ",
    ),
    (
        "no change without answers in both windows",
        "
        set periods=24h,7d,30d
        2026-06-05 a nps 9
        at 2026-06-10T12:00
        # 24h: before only; 7d and 30d: now only
        24h nps=absent change=absent change_error=absent
        7d nps=100 change=absent change_error=absent
        30d nps=100 change=absent change_error=absent
        ",
    ),
    (
        "periods of the calendar have no change score",
        "
        set periods=last_month,this_month,yesterday
        2026-04-10 a nps 0
        2026-05-10 a nps 9
        2026-06-09 a nps 9
        at 2026-06-10T12:00
        last_month nps=100 change=absent change_error=absent
        this_month nps=100 change=absent change_error=absent
        yesterday nps=100 change=absent change_error=absent
        ",
    ),
    (
        "the share that answered is one of the customers at the end",
        "
        set periods=last_month
        2026-05-01 a,b,c,d signup
        2026-06-10 a,x nps 9
        2026-06-11 a nps 8
        2026-05-31T23:59:59.999 b nps 9
        2026-07-01 b nps 9
        2026-06-01 b csat 5
        2026-06-05 c csat 5
        2026-06-10 c churn price
        2026-07-01 d churn price
        at 2026-07-05
        # E is a, b and d; c answered and left, x never was a customer.
        last_month E=3 answered:nps=1/3 answered:csat=1/3 answered:ces=0
        ",
    ),
    (
        "nobody at the end is no share",
        "
        2026-06-10 a nps 9
        at 2026-06-10T12:00
        24h E=0 answered:nps=absent answered:csat=absent answered:ces=absent
        ",
    ),
];

/// Answers by the channel on which the survey was answered.
const CHANNELS: Tables = &[
    (
        "every answer counts for its channel, also of one customer",
        "
        2026-06-10T01:00 a nps 9 channel=email
        2026-06-10T02:00 a nps 3 channel=email
        2026-06-10 a csat 5 channel=web
        2026-06-10 a csat 2 channel=email
        2026-06-10 b ces 3
        2026-06-10 b ces 4
        2026-06-10 c nps 8
        at 2026-06-10T12:00
        24h channels=email:2+1+0,web:0+1+0,unspecified:1+0+2
        24h channel_groups=email/promoter:1,email/detractor:1,unspecified/passive:1
        24h channel_nps=email:0,unspecified:0 channel_csat=email:0,web:1 channel_ces=unspecified:7/2
        ",
    ),
    (
        "a channel has series in the periods in which somebody answered on it",
        "
        set periods=24h,7d
        2026-06-05 a csat 4 channel=web
        2026-06-10 a nps 9 channel=email
        at 2026-06-10T12:00
        24h channels=email:1+0+0 channel_csat=none channel_ces=none
        7d channels=email:1+0+0,web:0+1+0 channel_csat=web:1
        ",
    ),
    (
        "nobody answered on any channel",
        "
        2026-06-10 a signup
        at 2026-06-10T12:00
        24h channels=none channel_groups=none channel_nps=none channel_csat=none channel_ces=none
        ",
    ),
    (
        "a text that no backend has left empty is a channel of its own, or unspecified",
        "
        2026-06-10 a nps 9 channel=unspecified
        2026-06-10 a nps 9
        2026-06-10 a nps 9 channel=Email
        2026-06-10 a nps 9 channel=email
        at 2026-06-10T12:00
        24h channels=unspecified:2+0+0,Email:1+0+0,email:1+0+0
        ",
    ),
    (
        "the channels shown are chosen once for all periods and surveys, the rest is other",
        "
        set max_label_values=1 periods=24h,7d
        2026-06-05 a1..a3 csat 5 channel=web
        2026-06-10 a1 nps 9 channel=email
        2026-06-10 a1 ces 2 channel=email
        2026-06-10 a2 nps 9 channel=sms
        2026-06-10 a1..a5 csat 1
        at 2026-06-10T12:00
        # email: 2 in the day and 2 in the week; web: 3 in the week; unspecified takes nobody's place
        24h channels=email:1+0+1,other:1+0+0,unspecified:0+5+0
        7d channels=email:1+0+1,other:1+3+0,unspecified:0+5+0
        7d channel_groups=email/promoter:1,other/promoter:1 channel_csat=other:1,unspecified:0
        ",
    ),
    (
        "a channel that is called other takes nobody's place",
        "
        set max_label_values=1
        2026-06-10 a1..a5 nps 9 channel=other
        2026-06-10 a1,a2 nps 3 channel=email
        2026-06-10 a1 nps 3 channel=web
        at 2026-06-10T12:00
        24h channels=other:6+0+0,email:2+0+0
        24h channel_groups=other/promoter:5,other/detractor:1,email/detractor:2
        24h channel_nps=other:400/6,email:-100
        ",
    ),
    (
        "channels that are as frequent go by text",
        "
        set max_label_values=2
        2026-06-10 a csat 5 channel=öde
        2026-06-10 a csat 5 channel=web
        2026-06-10 a csat 5 channel=Zoo
        at 2026-06-10T12:00
        24h channels=Zoo:0+1+0,web:0+1+0,other:0+1+0
        ",
    ),
    (
        "an allow-list of channels shows what it lists, how rare it may be",
        "
        set channels=sms,never max_label_values=1
        2026-06-10 a1..a3 csat 5 channel=web
        2026-06-10 a1 csat 2 channel=sms
        2026-06-10 a1 ces 2
        at 2026-06-10T12:00
        24h channels=sms:0+1+0,other:0+3+0,unspecified:0+0+1 channel_csat=sms:0,other:1
        ",
    ),
];

/// Orders and revenue.
const ORDERS: Tables = &[
    (
        "four orders in May: A twice, B for the first time, C again after March",
        "
        set periods=last_month
        2026-03-20 c purchase amount=50
        2026-05-01 a purchase amount=10
        2026-05-10 a purchase amount=20
        2026-05-03 b purchase amount=30
        2026-05-05 c purchase amount=40
        at 2026-06-15
        last_month orders=EUR:4 revenue=EUR:100 average=EUR:25 orders_each=4/3
        last_month first_time=2 returning=1 repeating=1 repeat_purchase=1/3 returning_buyers=1/3
        # A's second order and that of C
        last_month repeat_revenue=EUR:60/100
        page lifetime=EUR:150/3
        ",
    ),
    (
        "an order at t0 is in the window, one at t1 is not",
        "
        set periods=last_month
        2026-04-30T23:59:59.999 a purchase amount=1
        2026-05-01 b purchase amount=2
        2026-05-31T23:59:59.999 c purchase amount=4
        2026-06-01 d purchase amount=8
        at 2026-06-15
        last_month orders=EUR:2 revenue=EUR:6 average=EUR:3 first_time=2 returning=0 orders_each=1
        page lifetime=EUR:15/4
        at 2026-06-01
        last_month orders=EUR:2 revenue=EUR:6
        page lifetime=EUR:7/3
        ",
    ),
    (
        "no orders are counts of zero, and nothing to divide by",
        "
        2026-06-10 a signup
        at 2026-06-10T12:00
        24h orders=none revenue=none average=none repeat_revenue=none expected=none
        24h first_time=0 returning=0 repeating=0 reorder_base=0
        24h orders_each=absent repeat_purchase=absent returning_buyers=absent reorder=absent
        page lifetime=none
        ",
    ),
    (
        "currencies are never added, and an order for nothing is an order",
        "
        2026-06-09 a purchase amount=1
        2026-06-10 a purchase amount=12.50
        2026-06-10 a purchase amount=0.01 currency=USD
        2026-06-10 b purchase amount=0 currency=TRY
        at 2026-06-10T12:00
        24h orders=EUR:1,USD:1,TRY:1 revenue=EUR:12.5,USD:0.01,TRY:0 average=EUR:12.5,USD:0.01,TRY:0
        24h first_time=1 returning=1 repeating=1 orders_each=3/2
        # Of nothing there is no share.
        24h repeat_revenue=EUR:1,USD:1
        page lifetime=EUR:13.5,USD:0.01,TRY:0
        ",
    ),
    (
        "amounts are exact, from a millionth to twelve digits",
        "
        set periods=24h
        2026-06-10 a1..a10 purchase amount=0.1
        2026-06-10 b purchase amount=0.000001 currency=USD
        2026-06-10 c purchase amount=999999999999.999999 currency=TRY
        2026-06-10 d purchase amount=0.000001 currency=TRY
        at 2026-06-10T12:00
        24h revenue=EUR:1,USD:0.000001,TRY:1000000000000 average=EUR:0.1,USD:0.000001,TRY:500000000000
        ",
    ),
    (
        "of two first orders at one instant the smaller amount is the first, then the smaller currency",
        "
        2026-06-10 a purchase amount=10 currency=TRY
        2026-06-10 a purchase amount=10 currency=EUR
        2026-06-10 b purchase amount=10 currency=EUR
        2026-06-10 b purchase amount=5 currency=USD
        2026-06-10 c purchase amount=7 currency=CHF
        2026-06-10 c purchase amount=7 currency=CHF
        2026-06-10T01:00 d purchase amount=1 currency=JPY
        2026-06-10T00:00 d purchase amount=3 currency=JPY
        at 2026-06-10T12:00
        # First are a's EUR, b's USD, one of c's, and of d the earlier, though it is larger.
        24h revenue=EUR:20,TRY:10,USD:5,CHF:14,JPY:4
        24h repeat_revenue=EUR:10/20,TRY:1,USD:0,CHF:7/14,JPY:1/4
        24h first_time=4 returning=0 repeating=4
        ",
    ),
    (
        "the first order ever may be of another currency, and for nothing",
        "
        2026-06-01 a purchase amount=0 currency=USD
        2026-06-10 a purchase amount=10
        2026-06-10 b purchase amount=30
        at 2026-06-10T12:00
        24h repeat_revenue=EUR:10/40 returning=1 first_time=1
        ",
    ),
    (
        "returning is who ordered before the window, if only a millisecond",
        "
        set periods=last_month
        2026-04-30T23:59:59.999 a purchase
        2026-05-10 a purchase
        2026-05-01 b purchase
        2026-05-20 b purchase
        2026-05-20 c purchase amount=1
        2026-05-20 c purchase amount=2
        2026-04-10 d purchase
        2026-06-01 d purchase
        at 2026-06-15
        last_month first_time=2 returning=1 repeating=2 repeat_purchase=2/3 returning_buyers=1/3
        ",
    ),
    (
        "whoever orders is counted, also who left at once",
        "
        2026-06-10 a purchase
        2026-06-10T01:00 a churn price
        at 2026-06-10T12:00
        page customers=0
        24h orders=EUR:1 first_time=1
        ",
    ),
    (
        "a rolling period is held against the time before of the same length",
        "
        set periods=7d
        2026-06-01 a purchase
        2026-06-08 a purchase
        2026-06-07T23:59:59.999 b purchase
        2026-05-31T23:59:59.999 c purchase
        2026-06-10 c purchase
        2026-06-03 d purchase
        2026-06-15 d purchase
        2026-06-02 a purchase
        at 2026-06-15
        7d reorder_base=3 reorder=1/3
        ",
    ),
    (
        "a complete month is held against the month before, by the clocks of Istanbul",
        "
        set periods=last_month zone=Europe/Istanbul
        2026-03-31T21:00 a purchase
        2026-04-30T21:00 a purchase
        2026-03-31T20:59:59.999 b purchase
        2026-05-10 b purchase
        2026-04-30T20:59:59.999 c purchase
        2026-04-10 d purchase
        2026-05-31T21:00 d purchase
        at 2026-06-15
        last_month reorder_base=3 reorder=1/3
        ",
    ),
    (
        "yesterday is held against a day of 23 hours in New York",
        "
        set periods=yesterday zone=America/New_York
        2026-03-08T05:00 a purchase
        2026-03-08T04:59:59.999 b purchase
        2026-03-09T12:00 a,b purchase
        at 2026-03-10T12:00
        yesterday reorder_base=1 reorder=1
        ",
    ),
    (
        "a period to date is held against nothing",
        "
        set periods=today,this_month,this_year
        2026-05-10 a purchase
        2026-06-10 a purchase
        at 2026-06-10T12:00
        today reorder_base=absent reorder=absent first_time=0 returning=1
        this_month reorder_base=absent reorder=absent
        this_year reorder_base=absent reorder=absent
        ",
    ),
];

/// What a customer is worth.
const LIFETIME_VALUES: Tables = &[
    (
        "the lifetime value is over all orders before the instant, by currency",
        "
        2024-01-01 a purchase amount=30
        2026-06-01 a purchase amount=10
        2026-06-01 b purchase amount=5
        2026-06-02 b purchase amount=7 currency=TRY
        2026-06-01 c signup
        2026-06-10T12:00 c purchase amount=100
        at 2026-06-10T12:00
        page lifetime=EUR:45/2,TRY:7
        ",
    ),
    (
        "orders older than the history still count, and nobody becomes a first-time buyer",
        "
        set periods=7d history=400d churn_events=complete dimensions=plan
        2024-01-01 a purchase amount=30 kafka=2024-01-01 @plan=pro
        2024-01-02 a nps 9 kafka=2024-01-02
        2024-02-01 b purchase amount=20 currency=TRY kafka=2024-02-01
        2026-05-19 a purchase amount=10 kafka=2026-05-19
        2026-05-19 c purchase amount=1 kafka=2026-05-19
        at 2026-05-20
        page lifetime=EUR:41/2,TRY:20 dormant:365d=1
        7d first_time=1 returning=1 repeat_revenue=EUR:10/11 reorder_base=0
        7d groups=promoter:1+0,passive:0+0,detractor:0+0,none:1+0 group_revenue=promoter/EUR:10
        7d segments=pro:1+0+0+0,unknown:1+0+1+0 segment_revenue=pro/EUR:10,unknown/EUR:1
        ",
    ),
    (
        "the expected value is revenue for each customer, for as long as customers stay",
        "
        set periods=27d,28d,30d
        2026-05-10 a1..a10 signup
        2026-06-10 a1,a2 churn price
        2026-06-15 b signup
        2026-06-20 a3 purchase amount=190
        2026-06-21 x purchase amount=0 currency=TRY
        2026-06-22 x churn
        at 2026-07-01
        # S = 10, E = 9: 190 / 9.5 / (2/10)
        30d S=10 E=9 churn=0.2
        28d expected=EUR:100,TRY:0
        30d expected=EUR:100,TRY:0
        27d expected=none
        page withheld_value=none
        ",
    ),
    (
        "a month to date is long enough after 28 days",
        "
        set periods=this_month
        2026-05-10 a1..a4 signup
        2026-06-10 a1 churn price
        2026-06-20 a2 purchase amount=7
        at 2026-06-28T23:59:59.999
        this_month churn=1/4 expected=none
        at 2026-06-29
        # 7 / 3.5 / (1/4)
        this_month churn=1/4 expected=EUR:8
        ",
    ),
    (
        "where nobody left, or nobody was there, nothing is expected",
        "
        set periods=30d churn_events=complete
        2026-05-10 a signup
        2026-06-20 a purchase amount=7
        at 2026-07-01
        page withheld=none withheld_value=none
        30d churn=0 expected=none
        at 2026-06-05
        30d S=0 churn=absent expected=none
        ",
    ),
    (
        "without a churn source the expected value is withheld",
        "
        set periods=30d
        2026-05-10 a signup
        2026-06-20 a purchase amount=7
        at 2026-07-01
        page withheld=no_churn_source withheld_value=no_churn_source
        30d expected=none revenue=EUR:7
        ",
    ),
    (
        "for an unknown customer base the expected value is withheld where it could have been",
        "
        set periods=24h,27d from_the_beginning=no base_complete_since=2026-06-10
        2026-05-10 a,b signup
        2026-06-30T12:00 b churn price
        2026-06-20 a purchase amount=7
        at 2026-07-01
        page withheld=base_incomplete withheld_value=none
        24h churn=1/2
        27d churn=absent
        ",
    ),
    (
        "for an unknown customer base the expected value of a long period is withheld, of others not",
        "
        set periods=28d,35d from_the_beginning=no base_complete_since=2026-06-01
        2026-05-10 a,b signup
        2026-06-15 b churn price
        2026-06-20 a purchase amount=7
        at 2026-07-01
        page withheld=base_incomplete withheld_value=base_incomplete
        # 7 / 1.5 / (1/2)
        28d churn=1/2 expected=EUR:28/3
        35d churn=absent expected=none
        ",
    ),
];

/// Retention and revenue by NPS group.
const GROUPS: Tables = &[
    (
        "customers are grouped by what they had said when the period began",
        "
        set periods=30d
        2026-05-01 p1,p2,q,d,n,y signup
        2024-05-10 p1,p2 nps 9
        2026-05-10 q nps 3
        2026-05-10 q nps 7
        2026-05-10 d nps 9
        2026-05-31T23:59:59.999 d nps 0
        2026-05-10 y csat 5
        # At t0 and later it is too late to change the group.
        2026-06-01 p1 nps 0
        2026-06-15 n nps 10
        2026-06-10 p1,d churn price
        # Who was no customer at the start is in no group.
        2026-05-10 new nps 9
        2026-06-10 new signup
        at 2026-07-01
        page withheld=none
        30d groups=promoter:1+1,passive:1+0,detractor:0+1,none:2+0
        30d group_retention=promoter:1/2,passive:1,detractor:0,none:1
        30d group_revenue=none group_revenue_each=none
        ",
    ),
    (
        "a group without customers has counts of zero and no ratio",
        "
        set churn_events=complete
        2026-06-10 a signup
        at 2026-06-10T12:00
        24h groups=promoter:0+0,passive:0+0,detractor:0+0,none:0+0 group_retention=none
        ",
    ),
    (
        "revenue of a group is that of its customers at the start, also of those who left",
        "
        set periods=30d
        2026-05-01 p1,p2,q,d,n signup
        2026-05-10 p1,p2 nps 9
        2026-05-10 q nps 7
        2026-05-10 d nps 0
        2026-06-01 p1 purchase amount=10
        2026-06-30 p2 purchase amount=0.5
        2026-05-31T23:59:59.999 p2 purchase amount=1000
        2026-06-10 q purchase amount=20 currency=TRY
        2026-06-11 q purchase amount=0
        2026-06-05 d purchase amount=4
        2026-06-10 d churn price
        2026-07-01 n purchase amount=100
        2026-06-10 new purchase amount=100
        at 2026-07-01T00:00
        30d group_revenue=promoter/EUR:10.5,passive/TRY:20,passive/EUR:0,detractor/EUR:4
        30d group_revenue_each=promoter/EUR:10.5/2,passive/TRY:20,passive/EUR:0,detractor/EUR:4
        30d revenue=EUR:114.5,TRY:20
        ",
    ),
    (
        "without a churn source the retention of groups is withheld, the rest is not",
        "
        set periods=30d
        2026-05-01 p signup
        2026-05-10 p nps 9
        2026-06-10 p purchase amount=10
        at 2026-07-01
        page withheld=no_churn_source
        30d groups=promoter:1+0,passive:0+0,detractor:0+0,none:0+0 group_retention=none
        30d group_revenue=promoter/EUR:10 group_revenue_each=promoter/EUR:10
        ",
    ),
    (
        "for an unknown customer base the retention of groups is withheld for that period",
        "
        set periods=24h,30d from_the_beginning=no base_complete_since=2026-06-15
        2026-05-01 p,q signup
        2026-05-10 p nps 9
        2026-06-30T12:00 q churn
        at 2026-07-01
        page withheld=base_incomplete
        24h group_retention=promoter:1,none:0
        30d group_retention=none
        30d groups=promoter:1+0,passive:0+0,detractor:0+0,none:0+1
        ",
    ),
];

/// What customers had said before they left, or stayed.
const SCORED: Tables = &[
    (
        "low scores in the 90 days before they left, or before the end",
        "
        set periods=last_month
        # 90 days before 1 July is 2 April; before 10 June, 12 March; before 1 June, 3 March.
        2026-01-01 r1,r2,r3,r4,r5,r6,l1,l2,l3,l4,l5,l6,l7 signup
        2026-04-02 r1 nps 6
        2026-04-01T23:59:59.999 r2 csat 2
        2026-06-01 r3 nps 7
        2026-06-02 r3 csat 3
        2026-06-01 r4 ces 5
        2026-06-01 r5 nps 9
        2026-05-01 r5 csat 2
        2026-07-01 r6 csat 1
        2026-03-12 l1 nps 0
        2026-03-11T23:59:59.999 l2 nps 0
        2026-06-10 l3 csat 1
        2026-06-09 l4 csat 4
        2026-06-10 l1,l2,l3,l4 churn price
        # Who left twice: what counts is the last time.
        2026-06-10 l5 churn price
        2026-06-15 l5 signup
        2026-06-17 l5 nps 5
        2026-06-20 l5 churn price
        # Who comes back after the end was lost all the same.
        2026-06-20 l6 nps 9
        2026-06-25 l6 churn price
        2026-07-02 l6 signup
        2026-07-02 l6 nps 0
        # Who left just at the start was there at the start.
        2026-05-31 l7 csat 5
        2026-06-01 l7 churn price
        at 2026-07-05
        last_month retained=6 lost=7
        # retained: r1, r5 and r3; lost: l1, l5 and l4, l6, l7
        last_month scored=retained:2+1,lost:2+3 low_score=retained:2/3,lost:2/5
        ",
    ),
    (
        "who times out has left at that instant",
        "
        set periods=30d timeout=30d
        # 12 May and 30 days are 11 June, 90 days before are 13 March.
        2026-05-12 x,y,z purchase
        2026-03-13 x nps 6
        2026-03-12T23:59:59.999 y nps 6
        2026-06-11 z csat 1
        2026-06-10T23:59:59.999 z nps 7
        at 2026-07-01
        30d lost=3
        30d scored=retained:0+0,lost:1+1 low_score=lost:1/2
        ",
    ),
    (
        "who joined or came back in the period is neither retained nor lost",
        "
        set periods=30d
        2026-06-10 a signup
        2026-06-11 a nps 0
        2026-06-12 a churn price
        2026-06-10 b signup
        2026-06-11 b nps 0
        at 2026-07-01
        30d scored=retained:0+0,lost:0+0 low_score=none
        ",
    ),
    (
        "every low answer counts, also when a good one follows",
        "
        2026-06-01 a,b,c,d signup
        2026-06-02 a nps 0
        2026-06-05 a nps 10
        2026-06-02 b csat 2
        2026-06-05 b csat 5
        2026-06-02 c nps 7
        2026-06-02 c csat 3
        2026-06-02 d nps 10
        2026-06-02 d csat 1
        at 2026-06-10T12:00
        24h scored=retained:3+1,lost:0+0 low_score=retained:3/4
        ",
    ),
];

/// Customers, answers and orders by the values of dimensions.
const SEGMENTS: Tables = &[
    (
        "a change of plan is not churn: retained and lost by the plan at the start",
        "
        set periods=30d dimensions=plan
        2026-05-01 a,b,c signup @plan=free
        2026-06-10 a nps 9 @plan=pro
        2026-06-09 b purchase @plan=pro
        2026-06-10 b churn price
        2026-06-15 n signup @plan=free
        2026-06-20 n nps 3 @plan=pro
        2026-03-01 z signup @plan=basic
        2026-03-02 z churn price
        2026-06-20 z signup @plan=free
        at 2026-07-01
        page withheld=none
        # retained a and c, lost b, new n, reactivated z
        30d segments=free:2+1+0+1,pro:0+0+1+0 segment_retention=free:2/3
        30d segment_groups=pro/promoter:1,pro/detractor:1 segment_nps=pro:0
        30d segment_orders=pro/EUR:1 segment_revenue=pro/EUR:10
        # A month later everybody is where the change has led.
        at 2026-08-01
        30d segments=free:2+0+0+0,pro:2+0+0+0 segment_retention=free:1,pro:1
        30d segment_groups=none segment_nps=none segment_orders=none segment_revenue=none
        ",
    ),
    (
        "a value at t0 or t1 is not known there yet",
        "
        set periods=last_month dimensions=plan churn_events=complete
        2026-05-01 a,d signup @plan=free
        2026-06-01 a purchase @plan=pro
        2026-05-31T23:59:59.999 d purchase @plan=pro
        2026-06-10 b,c signup @plan=free
        2026-07-01 b purchase @plan=pro
        2026-06-30T23:59:59.999 c purchase amount=5 @plan=pro
        at 2026-07-05
        last_month segments=free:1+0+1+0,pro:1+0+1+0 segment_retention=free:1,pro:1
        last_month segment_orders=pro/EUR:2 segment_revenue=pro/EUR:15
        ",
    ),
    (
        "of two values at one instant the larger text counts",
        "
        set periods=30d dimensions=plan churn_events=complete
        2026-06-10 a signup @plan=pro
        2026-06-10 a nps 9 @plan=free
        2026-06-10 b signup @plan=10
        2026-06-10 b purchase @plan=9
        2026-06-10 c signup @plan=zzz
        2026-06-10 c csat 5 @plan=öde
        2026-06-10 d signup @plan=apple
        2026-06-10 d csat 5 @plan=Zoo
        2026-06-09 e csat 5 @plan=zzz
        2026-06-10 e signup @plan=apple
        at 2026-07-01
        30d segments=pro:0+0+1+0,9:0+0+1+0,öde:0+0+1+0,apple:0+0+2+0
        ",
    ),
    (
        "each dimension is known by itself, and what nobody told is unknown",
        "
        set dimensions=plan,country churn_events=complete periods=30d
        2026-06-10 a signup @plan=free @country=TR
        2026-06-11 a nps 9 @plan=pro
        2026-06-10 b signup
        2026-06-10 c signup @country=DE
        2026-06-10 d signup @plan=unknown
        2026-06-11 d purchase @mood=bad
        2026-06-10 e signup @country=TR @plan=free
        2026-06-12 e nps 9 @country=DE
        2026-06-11 e nps 9 @country=PT
        at 2026-07-01
        30d segments=pro/TR:0+0+1+0,unknown/unknown:0+0+2+0,unknown/DE:0+0+1+0,free/DE:0+0+1+0
        30d segment_groups=pro/TR/promoter:1,free/DE/promoter:1 segment_nps=pro/TR:100,free/DE:100
        30d segment_orders=unknown/unknown/EUR:1 segment_retention=none
        ",
    ),
    (
        "labels stand in the order of the dimensions",
        "
        set dimensions=country,plan
        2026-06-10 a signup @plan=free @country=TR
        at 2026-06-10T12:00
        24h segments=TR/free:0+0+1+0
        ",
    ),
    (
        "an event of any kind tells a value, a rejected or conflicting one does not",
        "
        set dimensions=plan churn_events=complete
        2026-06-10 a,b,c,d,e,f signup @plan=old
        2026-06-10T01:00 a csat 5 @plan=new
        2026-06-10T01:00 b churn price @plan=new
        2026-06-10T02:00 b signup
        2026-06-10T01:00 c purchase @plan=new
        2026-06-10T01:00 d nps 11 @plan=new
        2026-06-10T01:00 e csat 5 id=x @plan=old
        2026-06-10T01:00 e csat 5 id=x @plan=new
        2026-06-10T01:00 f csat 5 id=x @plan=old
        2026-06-10T01:00 f csat 5 id=x
        at 2026-06-10T12:00
        24h segments=new:0+0+3+0,old:0+0+3+0 csat:5=3
        ",
    ),
    (
        "an attribute at which nobody looks does not make another event of a repeat",
        "
        set dimensions=plan duplicate_window=1h
        2026-06-10 a csat 5 id=x @plan=pro
        2026-06-10 a csat 5 id=x @plan=pro @mood=bad
        2026-06-10 b csat 5
        2026-06-10T10:00 b csat 5
        2026-06-10 a csat 5 id=x @plan=pro @mood=good
        at 2026-06-10T12:00
        24h csat:5=3
        ",
    ),
    (
        "answers and orders belong to a segment, customers or not",
        "
        set dimensions=plan
        2026-06-10 a nps 9 @plan=free
        2026-06-10T01:00 a nps 3
        2026-06-10 b nps 10
        2026-06-10 c purchase amount=0 currency=TRY @plan=pro
        2026-06-10 c purchase amount=2
        2026-06-10T01:00 c churn price
        at 2026-06-10T12:00
        24h segments=none segment_retention=none
        24h segment_groups=free/detractor:1,unknown/promoter:1 segment_nps=free:-100,unknown:100
        24h segment_orders=pro/TRY:1,pro/EUR:1 segment_revenue=pro/TRY:0,pro/EUR:2
        ",
    ),
    (
        "a segment has all four statuses in the periods in which it has one",
        "
        set periods=24h,30d dimensions=plan
        2026-06-10 a signup @plan=pro
        2026-06-20 b signup @plan=free
        2026-06-25 b churn price
        at 2026-07-01
        24h segments=pro:1+0+0+0 segment_retention=pro:1
        30d segments=pro:0+0+1+0 segment_retention=none
        ",
    ),
    (
        "without dimensions there are no segments, and nothing of them is withheld",
        "
        2026-06-09 a purchase @plan=pro
        2026-06-10 a nps 9
        at 2026-06-10T12:00
        page withheld=no_churn_source withheld_segments=none
        24h segments=none segment_retention=none segment_groups=none segment_nps=none
        24h segment_orders=none segment_revenue=none
        ",
    ),
    (
        "the retention of segments is withheld with that of all",
        "
        set dimensions=plan periods=24h,30d from_the_beginning=no base_complete_since=2026-06-15
        2026-05-01 a signup @plan=pro
        at 2026-07-01
        page withheld=no_churn_source,base_incomplete
        24h segments=pro:1+0+0+0 segment_retention=none
        30d segments=pro:1+0+0+0 segment_retention=none
        ",
    ),
    (
        "the retention of segments is withheld for periods that start before the base is known",
        "
        set dimensions=plan periods=24h,30d from_the_beginning=no base_complete_since=2026-06-15
        set churn_events=complete
        2026-05-01 a signup @plan=pro
        at 2026-07-01
        page withheld=base_incomplete
        24h segment_retention=pro:1
        30d segment_retention=none
        ",
    ),
];

/// Which segments are shown by name.
const SEGMENTS_SHOWN: Tables = &[
    (
        "the segments with the most customers are shown, ties by text, the rest is other",
        "
        set dimensions=plan max_segments=2
        2026-06-10 a1..a3 signup @plan=pro
        2026-06-10 b1,b2 signup @plan=free
        2026-06-10 c1,c2 signup @plan=basic
        2026-06-10 d signup
        2026-06-10 b1,d nps 9
        2026-06-10T01:00 b1,c1 purchase
        at 2026-06-10T12:00
        24h segments=pro:0+0+3+0,basic:0+0+2+0,other:0+0+3+0
        24h segment_groups=other/promoter:2 segment_nps=other:100
        24h segment_orders=other/EUR:1,basic/EUR:1 segment_revenue=other/EUR:10,basic/EUR:10
        ",
    ),
    (
        "customers count for the segment of now, also where they stand in another",
        "
        set periods=30d dimensions=plan max_segments=1 churn_events=complete
        2026-05-01 a1,a2 signup @plan=free
        2026-05-01 b signup @plan=basic
        2026-06-10 a1,a2 nps 9 @plan=pro
        at 2026-07-01
        # Now there are two of pro and one of basic; of free there is nobody.
        30d segments=other:3+0+0+0 segment_retention=other:1
        30d segment_groups=pro/promoter:2
        ",
    ),
    (
        "segments without customers compete by their values",
        "
        set dimensions=plan max_segments=1
        2026-06-01 x signup @plan=b
        2026-06-01 y signup @plan=a
        2026-06-10 x,y churn price
        2026-06-10 z nps 9 @plan=0
        at 2026-06-10T12:00
        24h segments=other:0+2+0+0 segment_retention=other:0
        24h segment_groups=0/promoter:1
        ",
    ),
    (
        "a segment of which only orders are left competes too",
        "
        set dimensions=plan max_segments=1
        2026-06-10 x purchase @plan=a
        2026-06-10T01:00 x churn price
        2026-06-01 y signup @plan=b
        2026-06-10 y churn price
        at 2026-06-10T12:00
        24h segments=other:0+1+0+0 segment_orders=a/EUR:1
        ",
    ),
    (
        "what is called other takes nobody's place",
        "
        set dimensions=plan max_segments=1
        2026-06-10 a1..a5 signup @plan=other
        2026-06-10 b signup @plan=pro
        2026-06-10 c signup @plan=z
        at 2026-06-10T12:00
        24h segments=other:0+0+6+0,pro:0+0+1+0
        ",
    ),
    (
        "only where every value is other it is the rest, and every value of the rest is",
        "
        set dimensions=plan,country max_segments=1
        2026-06-10 a1..a3 signup @plan=other @country=TR
        2026-06-10 b1,b2 signup @plan=other @country=other
        2026-06-10 c signup @plan=pro @country=TR
        at 2026-06-10T12:00
        24h segments=other/TR:0+0+3+0,other/other:0+0+3+0
        ",
    ),
    (
        "segments with as many customers go by their values in the order of the dimensions",
        "
        set dimensions=plan,country max_segments=2
        2026-06-10 a signup @plan=b @country=a
        2026-06-10 b signup @plan=a @country=z
        2026-06-10 c signup @plan=Z @country=z
        at 2026-06-10T12:00
        24h segments=Z/z:0+0+1+0,a/z:0+0+1+0,other/other:0+0+1+0
        ",
    ),
    (
        "unknown takes a place like any other",
        "
        set dimensions=plan max_segments=1
        2026-06-10 a,b signup
        2026-06-10 c signup @plan=pro
        at 2026-06-10T12:00
        24h segments=unknown:0+0+2+0,other:0+0+1+0
        ",
    ),
    (
        "totals of a period stay right whatever is shown",
        "
        set dimensions=plan max_segments=1 periods=30d
        2026-05-01 a1..a4 signup @plan=a
        2026-05-01 b1..b3 signup @plan=b
        2026-05-01 c1..c2 signup @plan=c
        2026-06-10 a1,b1,b2,c1 churn price
        at 2026-07-01
        30d retained=5 lost=4
        30d segments=a:3+1+0+0,other:2+3+0+0 segment_retention=a:3/4,other:2/5
        ",
    ),
];

/// Customers by the month of their first spell.
const COHORTS: Tables = &[
    (
        "a cohort is a month, and its cells are the ends of months that have ended",
        "
        2026-01-31T23:59:59.999 a signup
        2026-02-01 b,c signup
        2026-02-10 b churn price
        # Just at the end of the month c is still there.
        2026-03-01 c churn price
        2026-03-15 d signup
        at 2026-03-20
        page cohorts=2026-01:1,2026-02:2,2026-03:1
        page cells=2026-01/00:1,2026-01/01:1,2026-02/00:1/2
        at 2026-03-31T23:59:59.999
        page cells=2026-01/00:1,2026-01/01:1,2026-02/00:1/2
        at 2026-04-01
        page cohorts=2026-01:1,2026-02:2,2026-03:1
        page cells=2026-01/00:1,2026-01/01:1,2026-01/02:1,2026-02/00:1/2,2026-02/01:0,2026-03/00:1
        ",
    ),
    (
        "a customer stays in the month of the first spell ever",
        "
        2026-01-10 a signup
        2026-02-10 a churn price
        2026-03-10 a signup
        at 2026-04-01
        page cohorts=2026-01:1 cells=2026-01/00:1,2026-01/01:0,2026-01/02:1
        ",
    ),
    (
        "who joins and leaves within a month belongs to it and is gone at its end",
        "
        2026-01-10 a,b signup
        2026-01-11 a churn price
        at 2026-02-01
        page cohorts=2026-01:2 cells=2026-01/00:1/2
        ",
    ),
    (
        "who never was a customer belongs to no cohort",
        "
        2026-01-10 a nps 9
        2026-01-10 b churn price
        at 2026-02-01
        page cohorts=none cells=none withheld_cohorts=none
        ",
    ),
    (
        "where customers start with a purchase their month does too",
        "
        set starts_with=purchase churn_events=complete
        2026-01-10 a,b signup
        2026-02-10 a purchase
        at 2026-03-01
        page cohorts=2026-02:1 cells=2026-02/00:1
        ",
    ),
    (
        "months by the clocks of Istanbul",
        "
        set zone=Europe/Istanbul churn_events=complete
        2026-02-28T20:59:59.999 a signup
        2026-02-28T21:00 b signup
        at 2026-03-31T20:59:59.999
        page cohorts=2026-02:1,2026-03:1 cells=2026-02/00:1
        at 2026-03-31T21:00
        page cells=2026-02/00:1,2026-02/01:1,2026-03/00:1
        ",
    ),
    (
        "the end of a month with a change of clocks in New York",
        "
        set zone=America/New_York
        2026-03-01T05:00 a,b,c signup
        2026-03-01T04:59:59.999 d signup
        2026-04-01T04:00 a churn price
        2026-04-01T03:59:59.999 b churn price
        2026-04-01T04:00 c,d churn price
        at 2026-04-02
        page cohorts=2026-02:1,2026-03:3
        page cells=2026-02/00:1,2026-02/01:1,2026-03/00:2/3
        ",
    ),
    (
        "a timeout ends the share at that instant, not when it is noticed",
        "
        set timeout=30d
        # a is gone on 9 February and comes back; b is there until 1 March, just at the end of the month.
        2026-01-10 a purchase
        2026-01-30 b purchase
        2026-03-05 a purchase
        at 2026-04-01
        page cohorts=2026-01:2 cells=2026-01/00:1,2026-01/01:1/2,2026-01/02:1/2
        ",
    ),
    (
        "a late order fills the gap in the cell too",
        "
        set timeout=30d
        2026-01-10 a purchase
        2026-03-05 a purchase
        2026-02-05 a purchase
        at 2026-04-01
        page cells=2026-01/00:1,2026-01/01:1,2026-01/02:1
        ",
    ),
    (
        "the newest months that have a customer are shown",
        "
        set cohorts=2 churn_events=complete
        2026-01-10 a signup
        2026-03-10 b signup
        2026-05-10 c signup
        at 2026-06-10
        page cohorts=2026-03:1,2026-05:1
        page cells=2026-03/00:1,2026-03/01:1,2026-03/02:1,2026-05/00:1
        at 2026-05-10
        page cohorts=2026-01:1,2026-03:1
        page cells=2026-01/00:1,2026-01/01:1,2026-01/02:1,2026-01/03:1,2026-03/00:1,2026-03/01:1
        ",
    ),
    (
        "twelve months are shown unless configured otherwise",
        "
        set churn_events=complete
        2024-12-10 z signup
        2025-01-10 a signup
        2025-02-10 b signup
        2025-03-10 c signup
        2025-04-10 d signup
        2025-05-10 e signup
        2025-06-10 f signup
        2025-07-10 g signup
        2025-08-10 h signup
        2025-09-10 i signup
        2025-10-10 j signup
        2025-11-10 k,l signup
        2025-12-10 m signup
        at 2025-12-20
        page cohorts=2025-01:1,2025-02:1,2025-03:1,2025-04:1,2025-05:1,2025-06:1,2025-07:1,2025-08:1,2025-09:1,2025-10:1,2025-11:2,2025-12:1
        ",
    ),
    (
        "months go on over the years",
        "
        set churn_events=complete
        2025-01-10 a signup
        at 2026-03-01
        page cells=2025-01/00:1,2025-01/01:1,2025-01/02:1,2025-01/03:1,2025-01/04:1,2025-01/05:1,2025-01/06:1,2025-01/07:1,2025-01/08:1,2025-01/09:1,2025-01/10:1,2025-01/11:1,2025-01/12:1,2025-01/13:1
        ",
    ),
    (
        "without a churn source the shares are withheld, the customers are not",
        "
        2026-01-10 a signup
        at 2026-03-01
        page withheld_cohorts=no_churn_source cohorts=2026-01:1 cells=none
        ",
    ),
    (
        "cohorts from before the customer base is known are withheld",
        "
        set from_the_beginning=no base_complete_since=2026-02-01 churn_events=complete
        2026-01-10 a signup
        2026-02-01 b signup
        at 2026-03-10
        page withheld=none withheld_cohorts=base_incomplete
        page cohorts=2026-01:1,2026-02:1 cells=2026-02/00:1
        ",
    ),
    (
        "a cohort that is not shown is not withheld",
        "
        set from_the_beginning=no base_complete_since=2026-02-01 churn_events=complete cohorts=1
        2026-01-10 a signup
        2026-02-01 b signup
        at 2026-03-10
        page withheld=none withheld_cohorts=none cohorts=2026-02:1 cells=2026-02/00:1
        ",
    ),
    (
        "a month in which the base became known is not known, also while it runs",
        "
        set from_the_beginning=no base_complete_since=2026-02-01T00:00:00.001 churn_events=complete
        2026-02-10 b signup
        at 2026-02-20
        page withheld=none withheld_cohorts=base_incomplete cohorts=2026-02:1 cells=none
        at 2026-03-10
        page withheld=none withheld_cohorts=base_incomplete cohorts=2026-02:1 cells=none
        ",
    ),
];

/// Whether events of each type still come.
const SILENCE: Tables = &[
    (
        "the latest event is the newest one before the instant",
        "
        # In seconds, midnight of 10 June 2026 is 1781049600.
        2026-06-09T23:59:59.999 a signup
        2026-06-10T00:00 a purchase
        2026-06-09T12:00 a purchase
        at 2026-06-10
        page latest=signup:1781049599.999,purchase:1781006400
        at 2026-06-10T00:00:00.001
        page latest=signup:1781049599.999,purchase:1781049600
        ",
    ),
    (
        "what is older than 35 days is not looked at",
        "
        2026-05-06 a signup
        at 2026-06-10
        page latest=signup:1778025600 usual_gap=none
        at 2026-06-10T00:00:00.001
        page latest=none
        ",
    ),
    (
        "nothing at all has no latest event, no gap and no stretch",
        "
        2026-06-10 a signup
        at 2026-06-10
        page latest=none usual_gap=none week_ago=none withheld=no_churn_source
        ",
    ),
    (
        "the usual gap is that of the 28 days before",
        "
        2026-05-12T23:59:59.999 a,b,c purchase
        2026-05-13 a purchase
        2026-06-09T23:59:59.999 b purchase
        2026-06-10 a purchase
        at 2026-06-10
        # 28 days are 2419200 seconds, and two orders are in them.
        page usual_gap=purchase:1209600
        ",
    ),
    (
        "every type has numbers of its own, and the surveys are one",
        "
        2026-06-01 a signup
        2026-06-02 a,b purchase
        2026-06-03 a churn
        2026-06-04 a nps 9
        2026-06-05 a csat 4
        2026-06-06 a ces 2
        at 2026-06-10
        page usual_gap=signup:2419200,purchase:1209600,churn:2419200,survey_submitted:806400
        page latest=signup:1780272000,purchase:1780358400,churn:1780444800,survey_submitted:1780704000
        ",
    ),
    (
        "an event counts also where it opens and ends nothing",
        "
        set starts_with=purchase
        # b was never a customer, and a is one already.
        2026-06-01 a signup
        2026-06-02 a purchase
        2026-06-03 a signup
        2026-06-04 b churn
        2026-06-05 b churn
        at 2026-06-10
        page usual_gap=signup:1209600,purchase:2419200,churn:1209600
        ",
    ),
    (
        "a repeat is the same event, and one that is rejected is none",
        "
        2026-06-01 a purchase id=x
        2026-06-01 a purchase id=x
        2026-06-02 a nps 11
        at 2026-06-10
        page usual_gap=purchase:2419200
        ",
    ),
    (
        "of one customer, events of one type at one millisecond are one",
        "
        2026-06-01 a,b,c signup
        2026-06-01 a signup
        2026-06-02 a churn price
        2026-06-02 a churn moved
        2026-06-03 a purchase amount=5
        2026-06-03 a purchase amount=7
        2026-06-03T00:00:00.001 a purchase amount=7
        2026-06-04 a nps 9
        2026-06-04 a csat 5
        at 2026-06-10
        24h orders=none
        page usual_gap=signup:806400,purchase:1209600,churn:2419200,survey_submitted:2419200
        ",
    ),
    (
        "the stretch of a week ago holds the newest 30 events before it",
        "
        # A week before 17 June.
        2026-06-09T23:00 a1..a10 purchase
        2026-06-09T22:00 a1..a10 purchase
        2026-06-09T21:00 a1..a9 purchase
        2026-06-09T19:30 b purchase
        2026-06-09T19:00 a1..a10 purchase
        # Too late to count.
        2026-06-10 a1..a10 purchase
        at 2026-06-17
        # Four and a half hours.
        page week_ago=purchase:16200
        ",
    ),
    (
        "less than 30 events are no stretch, and 29 in four weeks are less",
        "
        2026-05-13 b purchase
        2026-06-01 a1..a29 purchase
        at 2026-06-17
        # 28 days
        page week_ago=purchase:2419200
        at 2026-06-17T00:00:00.001
        page week_ago=none
        ",
    ),
    (
        "of 30 events at one instant the stretch begins at it",
        "
        2026-06-09T23:59:59.999 a1..a31 churn
        at 2026-06-17
        page week_ago=churn:0.001
        at 2026-06-16T23:59:59.999
        page week_ago=none
        ",
    ),
];

/// Which records are events, and which are the same one.
const EVENTS: Tables = &[
    (
        "a repeat is the same event",
        "
        2026-06-10 a signup id=s
        2026-06-10 a csat 5 id=x channel=web
        2026-06-10 a csat 5 id=x channel=web
        2026-06-10T01:00 a churn price id=c
        2026-06-10T01:00 a churn price id=c
        2026-06-10 a signup id=s
        at 2026-06-10T12:00
        page customers=0
        24h csat:5=1 joined=1 early=1 departure=1/1 reasons=price:1
        ",
    ),
    (
        "a repeat is the same event however far apart",
        "
        set periods=90d duplicate_window=1d
        2026-05-01 a csat 5 id=x kafka=2026-05-01
        2026-05-01 a signup id=s kafka=2026-05-01
        2026-05-02 a churn price id=c kafka=2026-05-02
        2026-06-20 b csat 1 kafka=2026-06-20
        2026-05-01 a csat 5 id=x kafka=2026-06-20
        2026-05-01 a signup id=s kafka=2026-06-20
        2026-05-02 a churn price id=c kafka=2026-06-20
        at 2026-06-21
        page customers=0
        90d csat:5=1 csat:1=1 joined=1 early=1 departure=1/1 reasons=price:1
        ",
    ),
    (
        "two events that differ in nothing but the id are two",
        "
        2026-06-10 a csat 5 id=x
        2026-06-10 a csat 5 id=y
        2026-06-10 a nps 9 id=v
        2026-06-10 a nps 9 id=w
        at 2026-06-10T12:00
        24h csat:5=2 responses:promoter=2 promoter=1
        ",
    ),
    (
        "an id belongs to its customer",
        "
        2026-06-10 a csat 5 id=x
        2026-06-10 b csat 5 id=x
        2026-06-10 c csat 1 id=x
        at 2026-06-10T12:00
        24h csat:5=2 csat:1=1
        ",
    ),
    (
        "of two records with one id and other content the first to arrive wins",
        "
        2026-06-10 a csat 5 id=x
        2026-06-10 a csat 1 id=x
        2026-06-10 b csat 1 id=x
        2026-06-10 b csat 5 id=x
        2026-06-10 c nps 9 id=x
        2026-06-10T01:00 c nps 9 id=x
        2026-06-10 d signup id=x
        2026-06-10 d purchase id=x
        2026-06-10 e churn price id=x
        2026-06-10 e signup id=x
        at 2026-06-10T12:00
        page customers=1
        24h csat:5=1 csat:1=1 responses:promoter=1
        ",
    ),
    (
        "the first keeps its place when the second comes again",
        "
        2026-06-10 a csat 5 id=x
        2026-06-10 a csat 1 id=x
        2026-06-10 a csat 1 id=x
        2026-06-10 a csat 5 id=x
        at 2026-06-10T12:00
        24h csat:5=1 csat:1=0
        ",
    ),
    (
        "an id is remembered for the duplicate window of Kafka timestamps",
        "
        set periods=90d
        2026-05-01 a csat 5 id=x kafka=2026-05-01
        2026-05-01 a csat 1 id=x kafka=2026-05-04
        2026-05-02 a csat 2 id=y kafka=2026-05-04
        2026-06-10 a csat 3 id=y kafka=2026-06-10
        at 2026-06-20
        90d csat:5=1 csat:1=0 csat:2=1 csat:3=1
        ",
    ),
    (
        "without Kafka timestamps an id is remembered by event time",
        "
        set periods=90d
        2026-05-01 a csat 5 id=x
        2026-05-04 a csat 1 id=x
        2026-05-04 a csat 2 id=y
        2026-06-10 b csat 4
        2026-06-10 a csat 3 id=y
        at 2026-06-20
        90d csat:5=1 csat:1=0 csat:2=1 csat:3=1 csat:4=1
        ",
    ),
    (
        "an event may be ahead of its Kafka timestamp by the skew, and no more",
        "
        2026-06-10T10:05 a csat 5 id=x kafka=2026-06-10T10:00
        2026-06-10T10:05:00.001 a csat 4 id=y kafka=2026-06-10T10:00
        at 2026-06-10T12:00
        24h csat:5=1 csat:4=0
        ",
    ),
    (
        "without a Kafka timestamp no event is too far ahead",
        "
        2030-01-01T10:00 a csat 5
        at 2030-01-01T12:00
        24h csat:5=1
        ",
    ),
    (
        "a rejected record does not use its id up",
        "
        2026-06-10 a nps 11 id=x
        2026-06-10 a nps 9 id=x
        2026-06-10T10:00 b csat 4 id=x kafka=2026-06-10T09:00
        2026-06-10T08:00 b csat 5 id=x kafka=2026-06-10T09:00
        at 2026-06-10T12:00
        24h promoter=1 csat:4=0 csat:5=1
        ",
    ),
    (
        "events are possible from 2000 to 2069",
        "
        set churn_events=complete
        1999-12-31T23:59:59.999 a signup
        2000-01-01 b signup
        2069-12-31T23:59:59.999 c signup
        2070-01-01 d signup
        at 2000-01-01T12:00
        page customers=1
        24h S=0 E=1 joined=1
        at 2070-01-02
        page customers=2
        24h S=2 E=2 retained=2
        at 2070-01-01T23:59:59.999
        24h S=1 E=2 retained=1 new=1
        ",
    ),
];

/// Which reasons are shown by name.
const LABELS: Tables = &[
    (
        "a reason has a series in the periods in which it occurred",
        "
        set periods=24h,7d
        2026-06-01 a1..a6 signup
        2026-06-05 a1,a2 churn price
        2026-06-10 a3 churn moved
        2026-06-10 a4 churn
        at 2026-06-10T12:00
        24h reasons=moved:1,unspecified:1
        7d reasons=price:2,moved:1,unspecified:1
        ",
    ),
    (
        "the most frequent reasons are shown, the rest is other",
        "
        set max_label_values=2
        2026-06-01 a1..a9 signup
        2026-06-10 a1,a2,a3 churn price
        2026-06-10 a4,a5 churn moved
        2026-06-10 a6,a7 churn service
        2026-06-10 a8 churn apple
        at 2026-06-10T12:00
        24h reasons=price:3,moved:2,other:3 departure=8/9
        ",
    ),
    (
        "unspecified and inactivity are always shown and take nobody's place",
        "
        set max_label_values=1 timeout=30d periods=30d
        2026-05-20 a1..a9 signup
        2026-06-10 a1,a2,a3 churn
        2026-06-10 a4,a5 churn price
        2026-06-10 a6 churn moved
        2026-06-10 a7 churn inactivity
        at 2026-06-20
        30d reasons=unspecified:3,price:2,other:1,inactivity:3
        ",
    ),
    (
        "the reasons shown are chosen once for all periods, by the sum over them",
        "
        set max_label_values=1 periods=24h,7d
        2026-06-01 a1..a6 signup
        2026-06-05 a1,a2,a3 churn price
        2026-06-10 a4,a5 churn moved
        at 2026-06-10T12:00
        # moved: 2 in the day and 2 in the week; price: 3 in the week
        24h reasons=moved:2
        7d reasons=moved:2,other:3
        ",
    ),
    (
        "ties go by text",
        "
        set max_label_values=2
        2026-06-01 a1..a4 signup
        2026-06-10 a1 churn öde
        2026-06-10 a2 churn zzz
        2026-06-10 a3 churn apple
        2026-06-10 a4 churn Zoo
        at 2026-06-10T12:00
        24h reasons=Zoo:1,apple:1,other:2
        ",
    ),
    (
        "an allow-list shows what it lists, how rare it may be",
        "
        set reasons=moved,never max_label_values=1 timeout=30d periods=30d
        2026-05-20 a1..a9 signup
        2026-06-10 a1,a2,a3 churn price
        2026-06-10 a4 churn moved
        2026-06-10 a5,a6 churn
        at 2026-06-20
        30d reasons=other:3,moved:1,unspecified:2,inactivity:3
        ",
    ),
    (
        "a reason that is called other takes nobody's place",
        "
        set max_label_values=1
        2026-06-01 a1..a9 signup
        2026-06-10 a1..a4 churn other
        2026-06-10 a5,a6 churn price
        2026-06-10 a7 churn moved
        at 2026-06-10T12:00
        24h reasons=other:5,price:2
        ",
    ),
];
