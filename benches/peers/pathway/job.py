"""The job in Pathway: retention, NPS and counts over 30 days, from one topic of events.

Owns the dataflow and what is measured of it. Promises every answer exactly, for valid events, as of
the instant it is asked for. Knows nothing of the reference.

             events                       everything that is computed for each record is computed here
               |
      +--------+---------+
      |                  |
   earlier            within the period, 30 days of a year
      |                  |
      |                  +-------------------+
      |                  |                   |
   last fact of       last fact of        repeats once, by customer and id
   each customer      each customer          |
      |                  |                orders and their revenue, sign-ups, churns, answers, by kind
   opens: active     closes: gone
      |                  |
   customers         those of them who are lost
"""

import argparse
import json
import os
import resource
import signal
import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pathway as pw

PERIOD_MILLIS = 30 * 24 * 60 * 60 * 1000
MILLIONTHS = 6
# RFC 3339 with any zone, `Z` included. The fraction may be absent.
RFC_3339 = "%Y-%m-%dT%H:%M:%S.%f%#z"
# Unix milliseconds have 13 digits for centuries to come, the shortest time in RFC 3339 has 20.
LONGEST_MILLIS = 15
# The name of the threads that read from Kafka, as far as the kernel keeps it.
READER = "pathway:connect"


class Event(pw.Schema):
    """What the job needs of an event. Fields of two JSON types are `Any`: the parser keeps both."""

    event_id: str
    type: str
    customer_id: Any
    occurred_at: Any
    amount: Any = pw.column_definition(default_value=None)
    currency: str = pw.column_definition(default_value="")
    survey: str = pw.column_definition(default_value="")
    score: int = pw.column_definition(default_value=0)


# --- the dataflow --------------------------------------------------------------------------------


def read(servers, topic):
    """The events of the topic from its first record to what is its end now."""
    return pw.io.kafka.read(
        {
            "bootstrap.servers": servers,
            "group.id": "tenure-peer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": "false",
        },
        topic=topic,
        schema=Event,
        format="json",
        mode="static",
        autocommit_duration_ms=None,
    )


def timed(events, at):
    """The events with their customer, what they mean to its spells, and the side of `at - 30d`.

    `fact` orders the facts of a customer: by time, a churn before a start at the same instant. Its
    last bit says whether the fact opens a spell.

    Each further table with expressions of its own would have its rows sorted once more by the engine,
    which costs more than parsing the time once for each of three columns.
    """
    text = pw.this.occurred_at.to_string()
    millis = pw.if_else(
        text.str.len() <= LONGEST_MILLIS,
        pw.unwrap(text.str.parse_int(optional=True)),
        pw.cast(int, text.dt.strptime(RFC_3339, contains_timezone=True).dt.timestamp("ms")),
    )
    start = at - PERIOD_MILLIS
    return events.select(
        pw.this.event_id,
        pw.this.type,
        pw.this.amount,
        pw.this.currency,
        pw.this.survey,
        pw.this.score,
        # 42 and "42" are one customer.
        customer=pw.this.customer_id.to_string(),
        fact=millis * 2 + pw.if_else(pw.this.type == "churn", 0, 1),
        earlier=(millis < start) & (pw.this.type != "survey_submitted"),
        within=(millis >= start) & (millis < at),
    )


def retention(events):
    """The customers at the start of the period, and those of them who are lost at its end."""
    # Nothing but the greatest fact is asked for: each further column is another arrangement, and a
    # join with it.
    earlier = events.filter(pw.this.earlier).groupby(pw.this.customer).reduce(last=pw.reducers.max(pw.this.fact))
    within = (
        events.filter(pw.this.within)
        .filter(pw.this.type != "survey_submitted")
        .groupby(pw.this.customer)
        .reduce(last=pw.reducers.max(pw.this.fact))
    )
    customers = earlier.filter(pw.this.last % 2 == 1)
    gone = within.filter(pw.this.last % 2 == 0)
    return count(customers), count(customers.intersect(gone))


def counts(events):
    """Number and sum of the events of the period by what they are, each event once."""
    asked = pw.if_else(pw.this.type == "survey_submitted", pw.this.survey, "")
    kind = pw.if_else(
        pw.this.type == "purchase",
        pw.this.currency,
        pw.if_else(asked == "nps", group(pw.this.score), asked),
    )
    once = (
        events.filter(pw.this.within)
        .select(
            pw.this.customer,
            pw.this.event_id,
            said=pw.make_tuple(pw.this.type, kind, millionths()),
        )
        .groupby(pw.this.customer, pw.this.event_id)
        .reduce(said=pw.reducers.any(pw.this.said))
    )
    return (
        once.select(type=pw.this.said[0], kind=pw.this.said[1], amount=pw.this.said[2])
        .groupby(pw.this.type, pw.this.kind)
        .reduce(pw.this.type, pw.this.kind, number=pw.reducers.count(), amount=pw.reducers.sum(pw.this.amount))
    )


def group(score):
    return pw.if_else(score >= 9, "promoter", pw.if_else(score >= 7, "passive", "detractor"))


def millionths():
    """The amount of an order as an integer: there is no decimal type.

    By way of a double, which is exact up to two thousand million units of the currency.
    """
    amount = pw.this.amount.to_string().str.parse_float() * 10**MILLIONTHS
    return pw.if_else(pw.this.type == "purchase", pw.cast(int, amount.num.round()), 0)


def count(table):
    return table.reduce(number=pw.reducers.count())


# --- what comes out ------------------------------------------------------------------------------


@dataclass
class Usage:
    """What this process has used up to a moment."""

    wall: float
    cpu: float

    @staticmethod
    def now():
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Usage(time.monotonic(), used.ru_utime + used.ru_stime)


class Results:
    """The newest rows of the tables with results, and when the last of them came."""

    def __init__(self):
        self.rows = {}
        self.changed = None

    def collect(self, name, table):
        """Follows a table; its rows are found under `name`."""
        rows = self.rows[name] = {}

        def on_change(key, row, time, is_addition):
            # Of a changed row, the new one may come before the old one goes.
            if is_addition:
                rows[key] = row
            elif rows.get(key) == row:
                del rows[key]
            self.changed = Usage.now()

        pw.io.subscribe(table, on_change)

    def number(self, name):
        """The number in a table of at most one row."""
        return sum(row["number"] for row in self.rows[name].values())


def answers(results):
    customers, lost = results.number("customers"), results.number("lost")
    kinds = {(row["type"], row["kind"]): row for row in results.rows["counts"].values()}

    def number(wanted):
        return sum(row["number"] for (kind, _), row in kinds.items() if kind == wanted)

    promoters, passives, detractors = (
        kinds.get(("survey_submitted", name), {"number": 0})["number"]
        for name in ("promoter", "passive", "detractor")
    )
    responses = promoters + passives + detractors
    return {
        "retention_customers": customers,
        "retained_customers": customers - lost,
        "retention_ratio": (customers - lost) / customers if customers else None,
        "promoters": promoters,
        "passives": passives,
        "detractors": detractors,
        "nps": 100 * (promoters - detractors) / responses if responses else None,
        "orders": number("purchase"),
        "revenue": {
            currency: decimal(row["amount"]) for (kind, currency), row in kinds.items() if kind == "purchase"
        },
        "signups": number("signup"),
        "churns": number("churn"),
        "answers": number("survey_submitted"),
    }


def decimal(amount):
    return format(Decimal(amount).scaleb(-MILLIONTHS).normalize(), "f")


class FirstRecord(threading.Thread):
    """Notes what was used when the engine began to read: before that, it is built in Python."""

    def __init__(self):
        super().__init__(daemon=True)
        self.usage = Usage.now()

    def run(self):
        while not any(map(is_reader, os.listdir("/proc/self/task"))):
            time.sleep(0.005)
        self.usage = Usage.now()


def is_reader(thread):
    try:
        with open(f"/proc/self/task/{thread}/comm", encoding="utf-8") as name:
            return name.read().startswith(READER)
    except OSError:
        return False


def main():
    arguments = parse()
    # Left alone, Pathway would first finish what it has read.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    events = read(arguments.bootstrap_servers, arguments.topic)
    told = timed(events, arguments.at)
    customers, lost = retention(told)
    results = Results()
    results.collect("records", count(events))
    results.collect("customers", customers)
    results.collect("lost", lost)
    results.collect("counts", counts(told))

    first = FirstRecord()
    first.start()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE, default_logging=False)

    records = results.number("records")
    if records != arguments.records:
        raise SystemExit(f"{records} records are in the result, not {arguments.records}")
    begin, end = first.usage, results.changed
    with open(arguments.result, "w", encoding="utf-8") as file:
        json.dump(
            {
                "peer": "pathway",
                "version": pw.__version__,
                "records": records,
                "seconds": end.wall - begin.wall,
                "cpu_seconds": end.cpu - begin.cpu,
                "startup_cpu_seconds": begin.cpu,
                "rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "answers": answers(results),
            },
            file,
        )


def parse():
    parser = argparse.ArgumentParser(description="Retention, NPS and counts over 30 days, in Pathway.")
    parser.add_argument("--bootstrap-servers", required=True, metavar="HOST:PORT")
    parser.add_argument("--topic", required=True, metavar="NAME")
    parser.add_argument("--at", required=True, type=int, metavar="MILLIS", help="the instant, Unix milliseconds")
    parser.add_argument("--records", required=True, type=int, metavar="N", help="records in the topic")
    parser.add_argument("--result", required=True, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
