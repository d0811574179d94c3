//! Checkpoints in stores: no damage goes unnoticed, nothing that may be needed is deleted, and the
//! folder is nobody else's.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};

use tenure::checkpoint::choice::{Accept, Choice};
use tenure::checkpoint::format::{decode, encode, seal};
use tenure::checkpoint::name::DAMAGED;
use tenure::checkpoint::store::StoreErrorKind;
use tenure::checkpoint::{
    Bounds, Circumstances, Header, Listed, LoadError, Log, Note, Objects, OpenError, Shelf,
    Situation, Storage, StoreError, TopicId, Unusable, Witnessed, choose,
};
use tenure::config::StateUrl;
use tenure::engine::intake::take;
use tenure::event::Timestamp;
use tenure::event::decode::Decoder;
use tenure::ledger::Shard;
use tenure::ledger::hash::{Hashes, checksum};
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::shard::LastRecord;
use tenure::ledger::snapshot::{fingerprint, write};

const TOPIC: &str = "customer-events";

/// Objects in memory.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

fn missing(key: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Missing, format!("find {key}"), "no object")
}

impl Storage for Memory {
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let (objects, folder) = (self.0.lock().unwrap(), format!("{prefix}/"));
        let under = objects.iter().filter(|(key, _)| key.starts_with(&folder));
        let listed = under.map(|(key, bytes)| Listed {
            key: key.clone(),
            bytes: bytes.len() as u64,
        });
        Ok(listed.collect())
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let objects = self.0.lock().unwrap();
        objects.get(key).cloned().ok_or_else(|| missing(key))
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(key.to_owned(), bytes);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut objects = self.0.lock().unwrap();
        let bytes = objects.remove(from).ok_or_else(|| missing(from))?;
        objects.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        let mut objects = self.0.lock().unwrap();
        objects.remove(key).map(|_| ()).ok_or_else(|| missing(key))
    }
}

/// A log that has everything, and in which nothing has changed.
struct Whole;

impl Log for Whole {
    fn bounds(&mut self, _: usize) -> Bounds {
        Bounds {
            low: 0,
            high: i64::MAX,
        }
    }

    fn topic_id(&mut self, _: usize) -> Option<TopicId> {
        Some(TopicId([7; 16]))
    }

    fn witness(&mut self, _: usize, _: &LastRecord) -> Witnessed {
        Witnessed::Same
    }
}

fn settings() -> Arc<FoldSettings> {
    Arc::new(FoldSettings {
        dimensions: vec!["plan".to_owned(), "country".to_owned()],
        ..FoldSettings::default()
    })
}

fn golden(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("golden").join(name)
}

/// So many lines the golden log had when the golden checkpoint was written.
const LINES: usize = 42;

/// A shard that has folded the first lines of the golden log.
fn shard(settings: &Arc<FoldSettings>, lines: usize) -> Shard {
    let log = fs::read_to_string(golden("events.ndjson")).unwrap();
    let decoder = Decoder::new(settings.decoding());
    let hashes = Hashes::new(settings.digest_key);
    let mut shard = Shard::new(Arc::clone(settings), 1);
    shard.start_at(0, 0);
    for (offset, line) in (0..).zip(log.lines().take(lines)) {
        let recorded_at = Timestamp::from_millis(1_795_000_000_000 + offset);
        assert!(shard.advance(0, offset, Some(recorded_at)));
        take(
            &mut shard,
            &decoder,
            Some(line.as_bytes()),
            Some(recorded_at),
        );
        let last = LastRecord {
            offset,
            hash: hashes.record(Some(recorded_at), Some(line.as_bytes())),
            leader_epoch: Some(3),
        };
        shard.saw(0, last);
    }
    shard
}

/// A larger shard, with a customer for each offset.
fn growing(settings: &Arc<FoldSettings>, next: i64) -> Shard {
    let decoder = Decoder::new(settings.decoding());
    let mut shard = Shard::new(Arc::clone(settings), 1);
    shard.start_at(0, 0);
    for offset in 0..next {
        assert!(shard.advance(0, offset, None));
        let event = format!(
            r#"{{"event_id":"{offset}","type":"signup","customer_id":"{offset}","occurred_at":"2026-11-01T00:00:00Z"}}"#
        );
        take(&mut shard, &decoder, Some(event.as_bytes()), None);
    }
    shard
}

fn header(shard: &Shard, partition: i32) -> Header {
    Header::of(
        shard,
        &Circumstances {
            partition,
            partitions: 12,
            topics: &[(TOPIC.to_owned(), Some(TopicId([7; 16])))],
            complete_until: Some(Timestamp::from_millis(1_795_000_000_000)),
            created_at: Timestamp::from_millis(1_795_000_000_500),
            accepted: &[],
            changed: &[],
        },
    )
}

fn shelf(storage: &Arc<dyn Storage>, settings: &FoldSettings, keep: usize) -> Shelf {
    let topics = [TOPIC.to_owned()];
    Shelf::new(Arc::clone(storage), &topics, fingerprint(settings), keep)
}

fn save(shelf: &Shelf, shard: &Shard) -> tenure::checkpoint::Saved {
    shelf.save(header(shard, 0), write(shard)).unwrap()
}

fn in_folder(folder: &Path) -> Arc<dyn Storage> {
    Arc::new(Objects::open(&StateUrl::Folder(folder.to_owned())).unwrap())
}

// Damage.

/// What happens with a damaged newest checkpoint: it is noticed, set aside, and the older one used.
fn check_damage(damaged: &[u8], good: &[u8], what: &dyn Fn() -> String) {
    let settings = settings();
    let memory = Arc::new(Memory::default());
    let storage: Arc<dyn Storage> = Arc::<Memory>::clone(&memory);
    let shelf = shelf(&storage, &settings, 3);
    let key = |bytes: &[u8]| decode(bytes).unwrap().0.name().key();
    let whole = encode(
        &header(&shard(&settings, 4), 0),
        &write(&shard(&settings, 4)),
    );
    memory.put(&key(good), damaged.to_vec()).unwrap();
    memory.put(&key(&whole), whole.clone()).unwrap();
    let newest = shelf.newest_first(0).unwrap().remove(0);
    match shelf.load(&newest, &settings) {
        Err(LoadError::Unusable(Unusable::Damaged(_))) => {}
        other => panic!("{}: {other:?}", what()),
    }
    let situation = Situation {
        partition: 0,
        partitions: 12,
        settings: &settings,
        committed: &[None],
        accept: Accept::default(),
    };
    let chosen = choose(&shelf, &situation, &mut Whole).unwrap();
    let Choice::Resume(checkpoint) = &chosen.choice else {
        panic!("{}: {chosen:?}", what());
    };
    assert_eq!(checkpoint.header.offset(), 4, "{}", what());
    assert!(
        matches!(&chosen.notes[..], [Note::SetAside { renamed: true, .. }]),
        "{}: {:?}",
        what(),
        chosen.notes
    );
    let kept = memory.get(&format!("{}{DAMAGED}", newest.key)).unwrap();
    assert_eq!(kept, damaged, "{}: kept as it is", what());
}

fn small() -> Vec<u8> {
    let settings = settings();
    let shard = shard(&settings, 6);
    encode(&header(&shard, 0), &write(&shard))
}

#[test]
fn every_flipped_bit_is_noticed_and_the_older_checkpoint_is_used() {
    let good = small();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[at] ^= 1 << bit;
            assert!(decode(&damaged).is_err(), "bit {bit} of byte {at}");
            // The whole way once for each byte, by another bit each time.
            if bit == at % 8 {
                check_damage(&damaged, &good, &|| format!("bit {bit} of byte {at}"));
            }
        }
    }
}

#[test]
fn every_truncation_is_noticed_and_the_older_checkpoint_is_used() {
    let good = small();
    for end in 0..good.len() {
        check_damage(&good[..end], &good, &|| format!("cut at {end}"));
    }
    check_damage(&[&good[..], &[0]].concat(), &good, &|| {
        "one more".to_owned()
    });
}

#[test]
fn a_checkpoint_under_the_name_of_another_one_is_none() {
    let settings = settings();
    let good = small();
    let memory = Arc::new(Memory::default());
    let storage: Arc<dyn Storage> = Arc::<Memory>::clone(&memory);
    let shelf = shelf(&storage, &settings, 3);
    let name = decode(&good).unwrap().0.name();
    for other in [
        tenure::checkpoint::name::Name {
            partition: 1,
            ..name.clone()
        },
        tenure::checkpoint::name::Name {
            offset: 99,
            ..name.clone()
        },
        tenure::checkpoint::name::Name {
            digest: 1,
            ..name.clone()
        },
    ] {
        memory.put(&other.key(), good.clone()).unwrap();
        let entry = shelf.newest_first(other.partition).unwrap().remove(0);
        let outcome = shelf.load(&entry, &settings);
        assert!(
            matches!(outcome, Err(LoadError::Unusable(Unusable::Damaged(_)))),
            "{}",
            other.key()
        );
        memory.delete(&other.key()).unwrap();
    }
}

#[test]
fn any_bytes_under_a_good_checksum_are_read_without_a_panic() {
    let settings = settings();
    let memory = Arc::new(Memory::default());
    let storage: Arc<dyn Storage> = Arc::<Memory>::clone(&memory);
    let shelf = shelf(&storage, &settings, 3);
    let good = small();
    let name = decode(&good).unwrap().0.name();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut read = 0;
    for round in 0..30_000 {
        let mut bytes = if round % 4 == 0 {
            let length = random() as usize % 400;
            (0..length).map(|_| random() as u8).collect()
        } else {
            let mut bytes = good[..good.len() - 16].to_vec();
            for _ in 0..=random() % 4 {
                let at = random() as usize % bytes.len();
                match random() % 3 {
                    0 => bytes[at] = random() as u8,
                    1 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, 0xff),
                }
            }
            bytes
        };
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        memory.put(&name.key(), bytes).unwrap();
        let entry = shelf.newest_first(0).unwrap().remove(0);
        // Only what changed nothing that is a fact, a position or a name can be read.
        if let Ok(checkpoint) = shelf.load(&entry, &settings) {
            assert_eq!(checkpoint.shard.digest(), checkpoint.header.digest.0);
            read += 1;
        }
    }
    assert!(read < 30_000 / 2, "{read} were read");
}

#[test]
fn a_checkpoint_holds_no_customer_id() {
    let settings = settings();
    let decoder = Decoder::new(settings.decoding());
    let mut shard = Shard::new(Arc::clone(&settings), 1);
    shard.start_at(0, 0);
    assert!(shard.advance(0, 0, None));
    let event = br#"{"event_id":"canary-event","type":"signup","customer_id":"canary-customer","occurred_at":"2026-11-01T00:00:00Z"}"#;
    take(&mut shard, &decoder, Some(event), None);
    assert_eq!(shard.customers().len(), 1);
    let bytes = encode(&header(&shard, 0), &write(&shard));
    let shown = String::from_utf8_lossy(&bytes);
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!shown.contains("tenure-built-in!"), "the digest key");
}

// Sameness of the form.

#[test]
fn the_golden_checkpoint_of_format_1_is_read_and_would_be_written_again() {
    let settings = settings();
    let file = golden("checkpoint-1.ckpt");
    if std::env::var_os("TENURE_BLESS").is_some() && !file.exists() {
        let shard = shard(&settings, LINES);
        fs::write(&file, encode(&header(&shard, 3), &write(&shard))).unwrap();
    }
    let bytes = fs::read(&file).unwrap();
    let memory = Arc::new(Memory::default());
    let storage: Arc<dyn Storage> = Arc::<Memory>::clone(&memory);
    let shelf = shelf(&storage, &settings, 3);
    let (header, body) = decode(&bytes).unwrap();
    memory.put(&header.name().key(), bytes.clone()).unwrap();
    let entry = shelf.newest_first(3).unwrap().remove(0);
    let checkpoint = shelf.load(&entry, &settings).unwrap();
    assert_eq!(checkpoint.header.offset(), LINES as i64);
    let folded = shard(&settings, LINES);
    assert_eq!(checkpoint.shard.digest(), folded.digest());
    assert_eq!(checkpoint.shard.position(0), folded.position(0));
    assert!(write(&folded) == body, "the same log has the same bytes");
    let again = seal(checkpoint.header, write(&checkpoint.shard));
    assert!(again == bytes, "what was read is written as it was");
}

// Folders.

#[test]
fn a_folder_is_its_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("state");
    let storage = in_folder(&folder);
    let settings = settings();
    let saved = save(&shelf(&storage, &settings, 3), &shard(&settings, 6));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = folder.join(&saved.entry.key);
    assert_eq!(mode(&file), 0o600);
    let mut inside = file.parent().unwrap();
    while inside != place.path() {
        assert_eq!(mode(inside), 0o700, "{}", inside.display());
        inside = inside.parent().unwrap();
    }
}

#[test]
fn a_folder_that_everybody_may_write_to_and_a_file_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let open = place.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = |path: &Path| Objects::open(&StateUrl::Folder(path.to_owned())).unwrap_err();
    assert!(matches!(refused(&open), OpenError::Open { .. }));
    assert!(matches!(refused(&file), OpenError::NoFolder { .. }));
    assert!(matches!(
        refused(&file.join("below")),
        OpenError::Folder { .. }
    ));
}

#[test]
fn what_a_killed_process_left_half_written_is_swept_at_the_start() {
    let place = tempfile::tempdir().unwrap();
    let storage = in_folder(place.path());
    let settings = settings();
    let shelf = shelf(&storage, &settings, 3);
    let saved = save(&shelf, &shard(&settings, 6));
    let file = place.path().join(&saved.entry.key);
    let staged = |number: u32| PathBuf::from(format!("{}#{number}", file.display()));
    for number in [1, 2] {
        fs::write(staged(number), "half").unwrap();
    }
    let old = SystemTime::now() - Duration::from_mins(11);
    let left = fs::File::open(staged(1)).unwrap();
    left.set_modified(old).unwrap();
    fs::File::open(&file).unwrap().set_modified(old).unwrap();
    assert_eq!(
        shelf.newest_first(0).unwrap().len(),
        1,
        "they are not listed"
    );
    drop(in_folder(place.path()));
    assert!(!staged(1).exists());
    assert!(staged(2).exists(), "somebody may be writing it");
    assert!(file.exists());
}

#[test]
fn writers_of_one_name_at_once_leave_one_whole_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let settings = settings();
    let shard = growing(&settings, 3000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let storage = in_folder(place.path());
                let shelf = shelf(&storage, &settings, 2);
                for _ in 0..5 {
                    let saved = shelf.save(header(&shard, 0), write(&shard)).unwrap();
                    assert!(saved.not_thinned.is_none(), "{saved:?}");
                    assert!(shelf.load(&saved.entry, &settings).is_ok());
                }
            });
        }
    });
    let storage = in_folder(place.path());
    let shelf = shelf(&storage, &settings, 2);
    let entries = shelf.newest_first(0).unwrap();
    assert_eq!(entries.len(), 1);
    assert!(shelf.load(&entries[0], &settings).is_ok());
}

#[test]
fn two_writers_at_different_offsets_never_thin_out_what_is_needed() {
    let place = tempfile::tempdir().unwrap();
    let settings = settings();
    let (settings, place) = (&settings, place.path());
    std::thread::scope(|scope| {
        for step in [3, 7] {
            scope.spawn(move || {
                let storage = in_folder(place);
                let shelf = shelf(&storage, settings, 3);
                for round in 1..=30 {
                    let saved = save(&shelf, &growing(settings, round * step));
                    let left = shelf.newest_first(0).unwrap();
                    assert!(left[0].offset >= saved.entry.offset);
                    assert!(
                        left.len() as i64 >= round.min(3),
                        "{left:?} after {saved:?}"
                    );
                }
            });
        }
    });
    let storage = in_folder(place);
    let shelf = shelf(&storage, settings, 3);
    let left = shelf.newest_first(0).unwrap();
    let offsets: Vec<i64> = left.iter().map(|entry| entry.offset).collect();
    assert_eq!(offsets[..3], [210, 203, 196], "{offsets:?}");
    for entry in &left {
        assert!(shelf.load(entry, settings).is_ok());
    }
}

/// A file system in memory, unmounted whatever happens.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Nothing where mounting is not allowed.
    fn of(folder: &Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder)
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        mounted.then(|| Self(folder.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(),
            "{} is still mounted",
            self.0.display()
        );
    }
}

#[test]
fn on_a_full_disk_old_checkpoints_stay_and_thinning_still_works() {
    let place = tempfile::tempdir().unwrap();
    let Some(_mounted) = Tmpfs::of(place.path(), "size=1m,mode=700") else {
        eprintln!("SKIPPED: mounting a tmpfs needs root and mount(8)");
        return;
    };
    let storage = in_folder(place.path());
    let settings = settings();
    let shelf = shelf(&storage, &settings, 1);
    let first = save(&shelf, &growing(&settings, 100));
    let ballast = place.path().join("ballast");
    fs::write(&ballast, vec![1; 900 << 10]).unwrap();
    let shard = growing(&settings, 10_000);
    let error = shelf.save(header(&shard, 0), write(&shard)).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    let left = shelf.newest_first(0).unwrap();
    assert_eq!(left.len(), 1);
    assert!(shelf.load(&first.entry, &settings).is_ok());
    let folder = place.path().join(&first.entry.key);
    let files = fs::read_dir(folder.parent().unwrap()).unwrap();
    assert_eq!(files.count(), 1, "what was half written is gone");
    // With as little room as a small checkpoint needs, the older one makes way.
    let saved = save(&shelf, &growing(&settings, 101));
    assert_eq!(saved.deleted, [first.entry]);
    // Without any room at all, deleting still works.
    fs::remove_file(&ballast).unwrap();
    let _ = fs::write(&ballast, vec![1; 1 << 20]);
    storage.delete(&saved.entry.key).unwrap();
    assert!(shelf.newest_first(0).unwrap().is_empty());
}

// Stores that do not behave.

#[test]
fn a_store_that_hangs_is_given_up_at_the_deadline() {
    let slow = ThrottleConfig {
        wait_put_per_call: Duration::from_hours(1),
        wait_list_per_call: Duration::from_hours(1),
        wait_get_per_call: Duration::from_hours(1),
        wait_delete_per_call: Duration::from_hours(1),
        ..ThrottleConfig::default()
    };
    let hanging = Arc::new(ThrottledStore::new(InMemory::new(), slow));
    let objects = Objects::over(hanging, String::new(), None)
        .unwrap()
        .with_deadlines(Duration::from_millis(20), Duration::from_millis(20));
    let start = Instant::now();
    let errors = [
        objects.put("v1/x", vec![1]).unwrap_err(),
        objects.get("v1/x").unwrap_err(),
        objects.list("v1").unwrap_err(),
        objects.delete("v1/x").unwrap_err(),
    ];
    drop(objects);
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::Deadline, "{error}");
    }
    assert!(start.elapsed() < Duration::from_mins(1));
}

#[test]
fn a_store_can_be_asked_on_a_thread_of_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let objects = Objects::over(Arc::new(InMemory::new()), String::new(), None).unwrap();
        objects.put("v1/x", vec![1, 2]).unwrap();
        objects.rename("v1/x", "v1/y").unwrap();
        assert_eq!(objects.get("v1/y").unwrap(), [1, 2]);
        let error = objects.get("v1/x").unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Missing, "{error}");
    });
}
