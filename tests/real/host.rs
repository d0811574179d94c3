//! A host whose disk hangs or fails while a test wants it to, and whose clock is wrong.
//!
//! Owns a small library in C that the process preloads in front of the system's own. Promises that
//! only what is synced to the disk, what checkpoints are read, and the wall clock are touched. It
//! takes the C
//! compiler that building the Kafka client takes anyway, and a program that is linked dynamically.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use super::folder::KeptFolder;

const SOURCE: &str = include_str!("host.c");

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Works,
    Fails,
    /// It does not return before the mood is another one.
    Hangs,
}

/// The host of some processes.
#[derive(Debug)]
pub struct Host {
    orders: KeptFolder,
    clock_ahead: i64,
}

impl Host {
    /// A host on which everything works.
    pub fn new() -> Self {
        Self::with_clock_ahead(0)
    }

    /// A host whose wall clock is so many seconds ahead, or behind if negative.
    pub fn with_clock_ahead(seconds: i64) -> Self {
        Self {
            orders: KeptFolder::new("host"),
            clock_ahead: seconds,
        }
    }

    /// Puts the command on this host.
    pub fn hold(&self, command: &mut Command) {
        command.env("TENURE_TEST_CLOCK", self.clock_ahead.to_string());
        command.env("LD_PRELOAD", library().path().join("host.so"));
        command.env("TENURE_TEST_DISK", self.orders.path());
    }

    /// What happens to everything that is synced from now on.
    pub fn syncs(&self, mood: Mood) {
        self.order("sync", mood);
    }

    /// What happens to checkpoints that are opened from now on.
    pub fn reads(&self, mood: Mood) {
        self.order("read", mood);
    }

    fn order(&self, call: &str, mood: Mood) {
        let order = match mood {
            Mood::Works => "work",
            Mood::Fails => "fail",
            Mood::Hangs => "hang",
        };
        // Renamed, so that nobody reads half of it.
        let (staged, file) = (
            self.orders.path().join(format!("{call}.new")),
            self.orders.path().join(call),
        );
        fs::write(&staged, order)
            .and_then(|()| fs::rename(&staged, &file))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }
}

/// Compiled once for all tests of a binary.
fn library() -> &'static KeptFolder {
    static LIBRARY: OnceLock<KeptFolder> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = KeptFolder::new("host-library");
        let source = folder.path().join("host.c");
        fs::write(&source, SOURCE)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", source.display()));
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(folder.path().join("host.so"))
            .arg(&source)
            .arg("-ldl")
            .output()
            .unwrap_or_else(|error| panic!("cannot run cc: {error}"));
        assert!(
            compiled.status.success(),
            "{}",
            String::from_utf8_lossy(&compiled.stderr)
        );
        folder
    })
}
