"""Every peer and Tenure on one topic: fill it, run each, check the answers, print the table.

Owns the experiment. Promises that everything it starts is ended, whatever happens, and that it takes
no longer than its deadline. Knows of the programs only their command lines and what they write.
Called by ./run, which prepares everything and finds the programs.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone

import answers
import broker
import processes

HERE = os.path.dirname(os.path.abspath(__file__))
TOPIC = "customer-events"
DAYS = 365
SEED = 1
# Between two looks at Tenure's page: often enough that the ends of what is measured are sharp.
LOOK_EVERY_SECONDS = 0.05
MIB = 1024 * 1024


@dataclass
class Topic:
    """A filled topic, and its events again in a file."""
    servers: str
    events: str
    records: int
    at: int
    reference: dict


@dataclass(frozen=True)
class Program:
    """Tenure, a peer, or a variant of a peer with further arguments."""
    name: str
    variant: str = ""
    arguments: tuple = ()

    def __str__(self):
        return f"{self.name}, {self.variant}" if self.variant else self.name


TENURE = Program("tenure")


@dataclass
class Reading:
    """One program's reading of the topic."""
    run: int
    program: Program
    version: str
    records: int
    seconds: float
    cpu_seconds: float
    whole_cpu_seconds: float
    peak_bytes: int
    differing: list


def main():
    arguments = parse()
    end_on_signals(arguments.deadline)
    with tempfile.TemporaryDirectory(prefix="tenure-peers.") as folder:
        try:
            readings, failed = measure(arguments, folder)
        except processes.Failed as failure:
            say(str(failure))
            return 1
    print(table(arguments, readings, failed))
    return 1 if failed or any(reading.differing for reading in readings) else 0


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenure", required=True)
    parser.add_argument("--customers", type=int, required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--deadline", type=int, required=True)
    parser.add_argument("--no-variants", action="store_true")
    parser.add_argument("peers", nargs="*")
    return parser.parse_args()


def end_on_signals(deadline):
    """Interruptions and the deadline leave through the blocks that end what was started."""
    def leave(number, _frame):
        if number == signal.SIGALRM:
            say(f"gave up after {deadline} s; --deadline takes another number of seconds")
        raise SystemExit(128 + number)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(name, leave)
    signal.alarm(deadline)


def measure(arguments, folder):
    say("starting Apache Kafka")
    readings, failed = [], {}
    with broker.kafka(folder) as servers:
        topic = fill(arguments, folder, servers)
        for run in range(1, arguments.runs + 1):
            for program in programs(arguments):
                say(f"run {run} of {arguments.runs}: {program}")
                try:
                    reading = read(arguments.tenure, run, program, topic, folder)
                except processes.Failed as failure:
                    say(str(failure))
                    failed[program] = "failed"
                    continue
                readings.append(reading)
                say("  " + summary(reading))
    return readings, failed


def programs(arguments):
    """Tenure, and each peer followed by the variants that its folder lists, `NAME: ARGUMENT...` a line."""
    found = [TENURE]
    for peer in arguments.peers:
        found.append(Program(peer))
        variants = os.path.join(HERE, peer, "variants")
        if os.path.exists(variants) and not arguments.no_variants:
            with open(variants, encoding="utf-8") as lines:
                for name, _, given in (line.partition(":") for line in lines if line.strip()):
                    found.append(Program(peer, name.strip(), tuple(given.split())))
    return found


def read(tenure, run, program, topic, folder):
    # Each program finds the machine as quiet as the others do, and a folder of its own.
    with tempfile.TemporaryDirectory(prefix=f"{program.name}.", dir=folder) as own:
        if program == TENURE:
            return read_with_tenure(tenure, run, topic, own)
        return read_with_peer(program, run, topic, own)


# --- the topic -----------------------------------------------------------------------------------


def fill(arguments, folder, servers):
    say(f"filling a topic of {arguments.partitions} partitions with {arguments.customers} customers' year")
    until = datetime.now(timezone.utc).replace(microsecond=0)
    at, instant = int(until.timestamp()) * 1000, until.strftime("%Y-%m-%dT%H:%M:%SZ")
    generate = [arguments.tenure, "generate", "--customers", str(arguments.customers), "--days", str(DAYS),
                "--seed", str(SEED), "--until", instant]
    told = succeed(generate + ["--to", "kafka", "--bootstrap-servers", servers, "--topic", TOPIC,
                               "--create-topic", "--partitions", str(arguments.partitions)]).stderr
    records = int(re.search(r"^([\d,]+) events \(", told, re.MULTILINE)[1].replace(",", ""))
    events = os.path.join(folder, "events.ndjson")
    with open(events, "wb") as file:
        succeed(generate, stdout=file)
    say("the reference")
    with open(events, "rb") as lines:
        counted = answers.of_events(lines, at)
    page = replay(arguments.tenure, events, instant)
    return Topic(servers, events, records, at, answers.of_page(page) | counted)


def replay(tenure, events, instant):
    return succeed([tenure, "replay", "--at", instant, events], stdout=subprocess.PIPE).stdout


def succeed(command, stdout=subprocess.DEVNULL):
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
    if done.returncode != 0:
        raise processes.Failed(f"{' '.join(command[:2])} ended with {done.returncode}\n{done.stderr}")
    return done


# --- the programs --------------------------------------------------------------------------------


def read_with_peer(program, run, topic, folder):
    """A peer measures itself, from its first record to its last; the whole is measured from outside."""
    result, log = os.path.join(folder, "result.json"), os.path.join(folder, "log")
    command = [os.path.join(HERE, program.name, "run"), "--bootstrap-servers", topic.servers, "--topic", TOPIC,
               "--at", str(topic.at), "--records", str(topic.records), "--result", result, *program.arguments]
    before = processes.children_cpu_seconds()
    with processes.running(command, log, cwd=folder) as process:
        process.wait()
    whole = processes.children_cpu_seconds() - before
    if process.returncode != 0 or not os.path.exists(result):
        raise processes.Failed(f"{program} ended with {process.returncode}\n{processes.tail(log)}")
    with open(result, encoding="utf-8") as file:
        found = json.load(file)
    differing = answers.differences(topic.reference, found["answers"])
    if found["records"] != topic.records:
        differing.append(f"records: {found['records']} instead of {topic.records}")
    return Reading(run, program, found["version"], topic.records, found["seconds"], found["cpu_seconds"], whole,
                   found["rss_bytes"], differing)


def read_with_tenure(tenure, run, topic, folder):
    """Tenure is looked at from outside: by scrapes, and in `/proc`."""
    [port] = processes.free_ports(1)
    log = os.path.join(folder, "log")
    command = [tenure, "run", "--listen", f"127.0.0.1:{port}", "--bootstrap-servers", topic.servers, "--topics", TOPIC]
    before = processes.children_cpu_seconds()
    with processes.running(command, log, cwd=folder) as process:
        processes.await_that(lambda: broker.listens(port), 60, "Tenure's page")
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as page:
            begin, end = follow(process, log, page, topic.records)
            published = numbers(process, log, page)
        peak = processes.peak_bytes(process.pid)
    whole = processes.children_cpu_seconds() - before
    version = succeed([tenure, "--version"], stdout=subprocess.PIPE).stdout.split()[1]
    differing = compare_published(tenure, topic, published)
    return Reading(run, TENURE, version, topic.records, end[0] - begin[0], end[1] - begin[1], whole, peak, differing)


def follow(process, log, page, records):
    """Time and CPU at the last look at which nothing was applied, and at the first at which all was."""
    begin = None
    while True:
        processes.require(process, log)
        look = (time.monotonic(), processes.cpu_seconds(process.pid))
        applied = total(scrape(page), "tenure_events_total")
        if applied == 0 or begin is None:
            begin = look
        if applied >= records:
            return begin, (time.monotonic(), processes.cpu_seconds(process.pid))
        time.sleep(LOOK_EVERY_SECONDS)


def numbers(process, log, page):
    """The first page with all numbers after everything was applied."""
    found = []

    def complete():
        processes.require(process, log)
        found[:] = [scrape(page)]
        return total(found[0], "tenure_kafka_partition_lag_records") == 0 and "\ntenure_customers " in found[0]
    processes.await_that(complete, 60, "Tenure's numbers")
    return found[0]


def compare_published(tenure, topic, page):
    """The page is of another instant than the peers' results, so it is compared with a replay as of that."""
    at = float(re.search(r"^tenure_report_timestamp_seconds (\S+)$", page, re.MULTILINE)[1])
    instant = datetime.fromtimestamp(round(at * 1000) / 1000, timezone.utc).isoformat(timespec="milliseconds")
    reference = answers.of_page(replay(tenure, topic.events, instant))
    return answers.differences(reference, answers.of_page(page))


def scrape(page):
    page.request("GET", "/metrics")
    return page.getresponse().read().decode()


def total(page, name):
    """The sum of all series of a metric."""
    values = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE)
    return sum(map(float, values))


# --- the table -----------------------------------------------------------------------------------


def summary(reading):
    millions = reading.records / 1e6
    agreement = "right" if not reading.differing else "; ".join(reading.differing)
    return (f"{reading.records / reading.seconds:,.0f} events a second, "
            f"{reading.cpu_seconds / millions:.2f} CPU seconds per million, {reading.peak_bytes / MIB:,.0f} MiB, {agreement}")


def table(arguments, readings, failed):
    lines = [f"{machine()}. Medians of {arguments.runs}; {arguments.customers:,} customers, "
             f"{arguments.partitions} partitions.", "",
             "| program | events a second | CPU s per million | of Tenure's | whole process, CPU s | peak memory | right |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for program in programs(arguments):
        own = [reading for reading in readings if reading.program == program]
        lines.append(row(program, own, readings) if own else f"| {program} | {failed[program]} | | | | | |")
    return "\n".join(lines)


def row(program, own, readings):
    records = own[0].records
    # Ratios are taken within one run: the machine's mood changes from one to the next.
    ratios = [one.cpu_seconds / other.cpu_seconds for one in own for other in readings
              if other.program == TENURE and other.run == one.run]
    differing = sorted({line for reading in own for line in reading.differing})
    return " | ".join([
        f"| {program.name} {own[0].version}{program.variant and ', ' + program.variant}",
        f"{statistics.median(records / reading.seconds for reading in own):,.0f}",
        f"{statistics.median(reading.cpu_seconds for reading in own) / records * 1e6:.2f}",
        f"{statistics.median(ratios):.1f} times" if ratios else "",
        f"{statistics.median(reading.whole_cpu_seconds for reading in own):.1f}",
        f"{max(reading.peak_bytes for reading in own) / MIB:,.0f} MiB",
        f"{'; '.join(differing) or 'yes'} |"])


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        processor = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(re.search(r"^MemTotal:\s+(\d+)", file.read(), re.MULTILINE)[1]) / MIB
    commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return (f"{processor[1] if processor else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores shared by "
            f"the broker, the program and this benchmark, {memory:.0f} GiB, Linux {os.uname().release}; "
            f"tenure at {commit.stdout.strip() or 'unknown'}, {datetime.now(timezone.utc):%Y-%m-%d}")


def say(text):
    print(f"tenure: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
