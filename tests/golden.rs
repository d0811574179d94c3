//! The whole page for a fixed log, and the counts of what was read.
//!
//! A golden file proves sameness, not truth: the oracle is for truth. Look at every changed number
//! before taking a new page with `TENURE_BLESS=1 cargo test --test golden`.

#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Standard output and standard error of a replay.
fn replay(arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["replay", "--at", "2026-11-21T00:00:00Z"])
        .args(["--set", "dimensions=plan,country"])
        .args(arguments)
        .arg(golden("events.ndjson"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .into()
}

#[test]
fn the_page_of_a_fixed_log_is_the_golden_one() {
    let (page, _) = replay(&[]);
    let file = golden("page.txt");
    if std::env::var_os("TENURE_BLESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    for (number, (got, expected)) in (1..).zip(page.lines().zip(expected.lines())) {
        assert_eq!(got, expected, "line {number}");
    }
    assert_eq!(page.lines().count(), expected.lines().count());
}

#[test]
fn every_line_is_counted_by_what_became_of_it() {
    let (_, stderr) = replay(&[]);
    let expected = "\
read 71 lines: 33 applied, 32 redundant, 51 of them late, 1 repeated, 1 conflicting, 4 rejected
  rejected: invalid_json 1
  rejected: unknown_type 1
  rejected: invalid_time 1
  rejected: score_out_of_range 1
  attributes ignored: 1
";
    assert_eq!(stderr, expected);
}

#[test]
fn attributes_that_cannot_be_labels_are_counted() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let line = |id: u32, attributes: &str| {
        format!(
            r#"{{"event_id":"{id}","type":"signup","customer_id":{id},"occurred_at":"2026-11-01T00:00:00Z","attributes":{attributes}}}"#
        )
    };
    let lines = [
        line(1, r#"{"plan":["pro"],"country":{"code":"TR"}}"#),
        line(2, r#"{"plan":"pro","country":[]}"#),
        line(3, r#"{"plan":null,"country":true,"seats":[]}"#),
        line(4, "[]"),
    ];
    std::fs::write(log.path(), lines.join("\n")).unwrap();
    for (dimensions, ignored) in [
        ("plan,country", "  attributes ignored: 3\n"),
        ("plan", "  attributes ignored: 1\n"),
        ("", ""),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(["replay", "--at", "2026-11-21T00:00:00Z"])
            .args(["--set", "dimensions=plan,country"])
            .args(["--set", &format!("dimensions={dimensions}")])
            .arg(log.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let expected = format!(
            "read 4 lines: 3 applied, 0 redundant, 0 repeated, 0 conflicting, 1 rejected\n  \
             rejected: wrong_type 1\n{ignored}"
        );
        assert_eq!(stderr, expected, "{dimensions}");
    }
}

#[test]
fn the_default_instant_is_a_millisecond_after_the_newest_event() {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .arg("replay")
        .arg(golden("events.ndjson"))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("as of 2026-11-20T23:00:00.001Z"),
        "{stderr}"
    );
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(
        page.contains("tenure_report_timestamp_seconds 1795215600.001"),
        "{page}"
    );
}

#[test]
fn settings_of_the_evaluation_change_the_page_and_not_the_counts() {
    let (page, counts) = replay(&["--set", "inactivity_timeout=30d", "--set", "periods=7d"]);
    assert!(page.contains("tenure_customers 4\n"), "{page}");
    assert!(!page.contains("period=\"30d\""));
    assert_eq!(counts, replay(&[]).1);
}
