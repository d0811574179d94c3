//! `tenure state`: what it lists, what it checks, and what it deletes and leaves.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use tempfile::TempDir;
use tenure::checkpoint::{Circumstances, Header, Objects, Shelf};
use tenure::config::StateUrl;
use tenure::engine::intake::take;
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::ledger::Shard;
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::snapshot::{fingerprint, write};

const TOPIC: &str = "customer-events";

/// A folder with checkpoints of two partitions, of the default settings and of others.
struct Folder {
    place: TempDir,
}

impl Folder {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let folder = Self { place };
        let other = FoldSettings {
            dimensions: vec!["plan".to_owned()],
            ..FoldSettings::default()
        };
        for (settings, partition, offsets) in [
            (FoldSettings::default(), 0, vec![10, 20, 30]),
            (FoldSettings::default(), 1, vec![7]),
            (other, 0, vec![15]),
        ] {
            for next in offsets {
                folder.save(&settings, partition, next);
            }
        }
        folder
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("state")
    }

    fn save(&self, settings: &FoldSettings, partition: i32, next: i64) {
        let storage = Objects::open(&StateUrl::Folder(self.path())).unwrap();
        let topics = [TOPIC.to_owned()];
        let shelf = Shelf::new(Arc::new(storage), &topics, fingerprint(settings), 100);
        let decoder = Decoder::new(settings.decoding());
        let mut shard = Shard::new(Arc::new(settings.clone()), 1);
        shard.start_at(0, 0);
        for offset in 0..next {
            assert!(shard.advance(0, offset, None));
            let event = format!(
                r#"{{"event_id":"{offset}","type":"signup","customer_id":"{offset}","occurred_at":"2026-11-01T00:00:00Z"}}"#
            );
            take(&mut shard, &decoder, Some(event.as_bytes()), None);
        }
        let header = Header::of(
            &shard,
            &Circumstances {
                partition,
                partitions: 2,
                topics: &[(TOPIC.to_owned(), None)],
                complete_until: Timestamp::from_rfc3339("2026-11-02T00:00:00Z"),
                created_at: Timestamp::from_rfc3339("2026-11-03T00:00:00Z").unwrap(),
                accepted: &[],
                changed: &[],
            },
        );
        shelf.save(header, write(&shard)).unwrap();
    }

    /// The names of all files below the folder, sorted.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    /// Changes a bit in the middle of the file whose name has this in it.
    fn damage(&self, part: &str) -> PathBuf {
        let files = self.files();
        let file = files
            .iter()
            .find(|file| file.to_string_lossy().contains(part))
            .unwrap();
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() * 3 / 4;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
        file.clone()
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Outcome {
        run_at(&self.path(), command, arguments)
    }
}

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

fn run_at(folder: &Path, command: &str, arguments: &[&str]) -> Outcome {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["state", command, "--state"])
        .arg(folder)
        .args(arguments)
        .env_remove("TENURE_CONFIG")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Outcome {
    #[track_caller]
    fn json(&self) -> Vec<serde_json::Value> {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}", self.stderr))
    }
}

#[test]
fn the_list_says_what_a_restart_would_use() {
    let folder = Folder::new();
    let list = folder.run("list", &[]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    let columns = |line: &str| {
        let mut columns: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        // Age and size differ from one day and one version to the next.
        let at = columns.len() - 3;
        columns.drain(at..at + 2);
        columns.join(" ")
    };
    let lines: Vec<String> = list.stdout.lines().skip(2).map(columns).collect();
    assert_eq!(
        lines,
        [
            "fits 0 30 30",
            "fits 0 20 20",
            "fits 0 10 10",
            "fits 1 7 7",
            "other settings 0 15 15"
        ],
        "{}",
        list.stdout
    );
}

#[test]
fn the_list_as_json_names_every_checkpoint() {
    let folder = Folder::new();
    let list = folder.run("list", &["--format", "json"]).json();
    assert_eq!(list.len(), 5);
    let newest = &list[0];
    assert_eq!(newest["state"], "fits");
    assert_eq!(newest["customers"], 30);
    assert_eq!(newest["created_at"], "2026-11-03T00:00:00.000Z");
    assert_eq!(newest["complete_until"], "2026-11-02T00:00:00.000Z");
    for line in &list {
        let file = folder.path().join(line["key"].as_str().unwrap());
        assert_eq!(line["bytes"], fs::metadata(&file).unwrap().len());
    }
    let other_topics = ["--format", "json", "--topics", "orders"];
    let strangers = folder.run("list", &other_topics).json();
    assert!(strangers.iter().all(|line| line["state"] == "other topics"));
}

#[test]
fn inspecting_finds_damage_and_changes_nothing() {
    let folder = Folder::new();
    let whole = folder.run("inspect", &["--format", "json"]);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    let findings = whole.json();
    assert_eq!(findings.len(), 2, "the newest of each partition");
    for finding in &findings {
        assert_eq!(finding["verdict"], "whole");
        assert_eq!(finding["digest_checked"], true);
    }
    assert_eq!(findings[0]["header"]["topics"][0]["next_offset"], 30);
    let before = folder.files();
    folder.damage("p00000/00000000000000000030-");
    let damaged = folder.run("inspect", &[]);
    assert_eq!(damaged.code, 1);
    assert!(
        damaged.stdout.contains("it is damaged"),
        "{}",
        damaged.stdout
    );
    assert_eq!(damaged.stderr, "error: one checkpoint is damaged\n");
    assert_eq!(folder.files(), before, "only a service sets aside");
}

#[test]
fn what_other_settings_made_is_checked_as_far_as_that_goes() {
    let folder = Folder::new();
    let list = folder.run("list", &["--format", "json"]).json();
    let other = list.iter().find(|line| line["state"] == "other settings");
    let key = other.unwrap()["key"].as_str().unwrap().to_owned();
    let found = folder.run("inspect", &["--format", "json", &key]).json();
    assert_eq!(found[0]["digest_checked"], false);
    assert!(found[0]["verdict"].as_str().unwrap().starts_with("whole; "));
    let fitting = ["--format", "json", "--set", "dimensions=plan", &key];
    let found = folder.run("inspect", &fitting).json();
    assert_eq!(found[0]["digest_checked"], true);
}

#[test]
fn pruning_keeps_the_newest_whole_ones() {
    let folder = Folder::new();
    folder.damage("p00000/00000000000000000030-");
    let before = folder.files();
    let dry = folder.run("prune", &["--keep", "1", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(dry.stdout.starts_with("would delete v1/"), "{}", dry.stdout);
    assert_eq!(folder.files(), before);
    let pruned = folder.run("prune", &["--keep", "1"]);
    assert_eq!(pruned.stdout, dry.stdout.replace("would delete", "deleted"));
    let left: Vec<bool> = ["30-", "20-", "10-", "7-", "15-"]
        .iter()
        .map(|end| {
            let files = folder.files();
            files
                .iter()
                .any(|file| file.to_string_lossy().contains(&format!("00{end}")))
        })
        .collect();
    assert_eq!(left, [true, true, false, true, true], "30 is damaged");
}

#[test]
fn pruning_other_settings_and_what_was_set_aside() {
    let folder = Folder::new();
    let file = folder.damage("p00000/00000000000000000030-");
    let aside = PathBuf::from(format!("{}.damaged", file.display()));
    fs::rename(&file, &aside).unwrap();
    let pruned = folder.run("prune", &["--other-settings"]);
    assert_eq!(pruned.code, 0, "{}", pruned.stderr);
    assert_eq!(pruned.stdout.lines().count(), 1);
    assert!(aside.exists());
    let pruned = folder.run("prune", &["--damaged"]);
    assert_eq!(pruned.stdout.lines().count(), 1);
    assert!(!aside.exists());
    assert_eq!(folder.files().len(), 3);
}

#[test]
fn a_wrong_configuration_does_not_delete_everything() {
    let folder = Folder::new();
    let before = folder.files();
    for arguments in [
        &["--other-settings", "--set", "history=500d"][..],
        &["--other-settings", "--damaged", "--set", "history=500d"],
    ] {
        let refused = folder.run("prune", arguments);
        assert_eq!(refused.code, 2, "{}", refused.stdout);
        assert!(
            refused.stderr.contains("no checkpoint in"),
            "{}",
            refused.stderr
        );
    }
    let unclear = folder.run("prune", &[]);
    assert_eq!(unclear.code, 2);
    assert_eq!(folder.files(), before);
}

#[test]
fn a_place_that_is_not_there_is_not_made() {
    let place = tempfile::tempdir().unwrap();
    let nowhere = place.path().join("nowhere");
    for command in ["list", "inspect"] {
        let outcome = run_at(&nowhere, command, &[]);
        assert_eq!(outcome.code, 69, "{}", outcome.stderr);
    }
    assert!(!nowhere.exists());
    let outcome = run_at(Path::new("null"), "list", &[]);
    assert_eq!(outcome.code, 78, "{}", outcome.stderr);
    let empty = run_at(place.path(), "list", &[]);
    assert_eq!(empty.code, 0);
    assert!(empty.stdout.contains("no checkpoints"), "{}", empty.stdout);
    let nothing = run_at(place.path(), "inspect", &[]);
    assert_eq!(nothing.code, 1, "{}", nothing.stderr);
}
