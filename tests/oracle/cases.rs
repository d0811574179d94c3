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
        SATISFACTION,
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
];
