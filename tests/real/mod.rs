//! The real parts that tests run against: Apache Kafka, a schema registry, Prometheus, Alertmanager, and the
//! program itself.
//!
//! Owns starting, asking and ending them, each on free ports of the loopback interface and in a
//! folder of its own. Promises that nothing outlives the test process, however it ends, and that
//! a part that is not there is a failure and not a skip. Deliberately knows nothing of what Tenure
//! computes.
//!
//! A test binary includes it with `mod real;`. One that leaves parts of it unused says so:
//! `#[expect(dead_code, reason = "these tests need only …")] mod real;`

pub mod alertmanager;
pub mod folder;
pub mod host;
pub mod http;
pub mod kafka;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod registry;

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a condition that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Repeats an attempt until it succeeds and returns its value; panics with the last failure, and
/// what was waited for, when the deadline has passed.
#[track_caller]
pub fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(failure) if started.elapsed() >= deadline => {
                panic!("waited {deadline:?} for {what}: {failure}")
            }
            Err(_) => thread::sleep(LOOK_EVERY),
        }
    }
}

/// Ports that no system gives to who asks for any, as the program under test and clients do: a
/// broker that is down for a while must find its own again, and nobody else behind it.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Picks `N` different ports of the loopback interface that nobody listens on. Another process can
/// take one before it is used: who starts a server on them tries again with others.
pub fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are picked, or the same one could come twice.
    let held = [(); N].map(|()| free_port());
    held.map(|listener| match listener.local_addr() {
        Ok(address) => address.port(),
        Err(error) => panic!("a listener without an address: {error}"),
    })
}

fn free_port() -> TcpListener {
    let count = u64::from(PORTS.end - PORTS.start);
    for _ in 0..1000 {
        // Each state is seeded anew by the system.
        let random = RandomState::new().hash_one(0) % count;
        let port = PORTS.start + u16::try_from(random).unwrap_or_default();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
    }
    panic!("no free port in {PORTS:?}")
}

/// Finds a part that `scripts/test` installs: where the variable says, else in the cache folder
/// (`in_cache` is its place there), else among the programs of the system.
pub fn installed(variable: &str, in_cache: &str, program: Option<&str>) -> PathBuf {
    if let Some(path) = env::var_os(variable) {
        return present(PathBuf::from(path), variable);
    }
    let cached = cache_folder()
        .map(|cache| cache.join(in_cache))
        .filter(|path| path.exists());
    cached
        .or_else(|| program.and_then(on_path))
        .unwrap_or_else(|| {
            panic!(
                "{in_cache} is not there; run ./scripts/test once: it installs what the tests need"
            )
        })
}

fn present(path: PathBuf, variable: &str) -> PathBuf {
    assert!(
        path.exists(),
        "{variable} names {}, which is not there",
        path.display()
    );
    path
}

/// Where `scripts/test` keeps what is no package of the system.
pub fn cache_folder() -> Option<PathBuf> {
    let own = env::var_os("TENURE_CACHE").map(PathBuf::from);
    let shared = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let of_home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    own.or_else(|| shared.or_else(of_home).map(|folder| folder.join("tenure")))
}

/// A program of the system.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
