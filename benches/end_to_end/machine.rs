//! What the figures were measured on. Reads `/proc` of this machine and of processes, nothing else.

use std::fs;
use std::process::Command;

/// The kernel tells times of processes in hundredths of a second, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// The list of jars says the release of Kafka.
const JARS: &str = include_str!("../../scripts/kafka/jars.sha256");

/// One line: machine, software, date.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = kibibytes("/proc/meminfo", "MemTotal") / 1024.0 / 1024.0;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (_, client) = rdkafka::util::get_rdkafka_version();
    format!(
        "{processor}, {cores} cores shared by the broker, tenure and this benchmark, {memory:.0} GiB, \
         Linux {}; Apache Kafka {} with one node, librdkafka {client}; tenure at {}, {}",
        kernel.trim(),
        kafka_release(),
        output("git", &["describe", "--always", "--dirty"]),
        output("date", &["--utc", "+%Y-%m-%d"]),
    )
}

/// Seconds of CPU that a process has used, in user and in kernel mode.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|text| text.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// Bytes of memory that a process holds now.
pub fn resident_bytes(pid: u32) -> f64 {
    kibibytes(&format!("/proc/{pid}/status"), "VmRSS") * 1024.0
}

/// Bytes of memory that a process held at most.
pub fn resident_bytes_max(pid: u32) -> f64 {
    kibibytes(&format!("/proc/{pid}/status"), "VmHWM") * 1024.0
}

fn kafka_release() -> &'static str {
    let broker = JARS
        .lines()
        .find_map(|line| line.split_once("  kafka_2.13-"));
    let release = broker.and_then(|(_, jar)| jar.strip_suffix(".jar"));
    release.unwrap_or("of an unknown release")
}

fn kibibytes(file: &str, name: &str) -> f64 {
    let value = field(file, name).unwrap_or_default();
    let number = value.split_whitespace().next();
    number.and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

/// The value of the first line `name: value` of a file.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let (_, value) = line.split_once(':')?;
    Some(value.trim().to_owned())
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.ok().filter(|output| output.status.success());
    text.map_or_else(
        || "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
