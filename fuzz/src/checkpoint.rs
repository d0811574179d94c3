//! Checkpoints: any bytes are refused, or hold facts with their digest that can be gone on with.
//!
//! ```text
//!  0 | bytes                  as they are, and as a checkpoint whose checksum is right; also as text,
//!                             for a name, a mark or an id
//!  1 | body                   behind the head that every snapshot has
//!  2.. | patches | script     the snapshot of a script, with some bytes changed
//! ```

use std::sync::Arc;

use tenure::checkpoint::name::Name;
use tenure::checkpoint::{CommitMark, TopicId, format};
use tenure::ledger::hash::checksum;
use tenure::ledger::settings::FoldSettings;
use tenure::ledger::snapshot;

use super::script::Script;

/// Magic, format and fingerprint of the settings.
const HEAD: usize = 8 + 4 + 16;
const PATCH: usize = 3;

/// Reads bytes as a snapshot.
///
/// # Panics
/// If something is accepted that would have been written otherwise.
pub fn check(bytes: &[u8]) {
    match bytes {
        [] => {}
        [0, raw @ ..] => {
            check_read(raw, &Arc::new(FoldSettings::default()), None);
            check_decoded(raw);
            check_decoded(&sealed(raw));
            check_text(&String::from_utf8_lossy(raw));
        }
        [1, body @ ..] => {
            let settings = Arc::new(FoldSettings::default());
            let empty = snapshot::write(&tenure::ledger::Shard::new(Arc::clone(&settings), 1));
            let head = &empty[..HEAD];
            check_read(&[head, body].concat(), &settings, None);
        }
        [patches, rest @ ..] => check_patched(usize::from(patches - 2) % 8, rest),
    }
}

fn check_patched(patches: usize, bytes: &[u8]) {
    let Some((patches, script)) = bytes.split_at_checked(patches * PATCH) else {
        return;
    };
    let Some(script) = Script::read(script) else {
        return;
    };
    let mut shard = script.empty();
    for (offset, step) in (0..).zip(&script.steps) {
        assert!(step.fold(&mut shard, offset));
    }
    let whole = snapshot::write(&shard);
    let read = snapshot::read(&whole, Arc::clone(&script.settings)).expect("own bytes");
    assert_eq!(snapshot::write(&read), whole);
    let mut body = whole;
    for patch in patches.chunks_exact(PATCH) {
        let at = usize::from(u16::from_le_bytes([patch[0], patch[1]]));
        let length = body.len();
        body[at % length] = patch[2];
    }
    check_read(&body, &script.settings, Some(&script));
}

/// The start of a checkpoint, the bytes, and the checksum of both.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = b"tenure\x00\n".to_vec();
    sealed.extend_from_slice(&format::FORMAT.to_le_bytes());
    sealed.extend_from_slice(bytes);
    let sum = checksum(&sealed);
    sealed.extend_from_slice(&sum.to_le_bytes());
    sealed
}

/// What is decoded is decoded again once it was written again.
fn check_decoded(bytes: &[u8]) {
    if let Ok((header, body)) = format::decode(bytes) {
        let again = format::encode(&header, body);
        assert_eq!(format::decode(&again), Ok((header.clone(), body)));
        let key = header.name().key();
        if Name::of_key(&key).is_some() {
            check_text(&key);
        }
    }
}

/// What is read of a text is written as that text.
fn check_text(text: &str) {
    if let Some(name) = Name::of_key(text) {
        assert_eq!(name.key(), text);
    }
    if let Ok(id) = text.parse::<TopicId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(mark) = text.parse::<CommitMark>() {
        assert_eq!(mark.to_string().parse(), Ok(mark));
    }
}

/// What is accepted has the digest of its facts and one form, and can be gone on with: whether every
/// byte is as it was written is for the checksum of a checkpoint to tell.
fn check_read(bytes: &[u8], settings: &Arc<FoldSettings>, script: Option<&Script>) {
    let Ok(mut shard) = snapshot::read(bytes, Arc::clone(settings)) else {
        return;
    };
    assert_eq!(shard.digest(), shard.digest_recomputed());
    let written = snapshot::write(&shard);
    let again = snapshot::read(&written, Arc::clone(settings)).expect("own bytes");
    assert!(snapshot::write(&again) == written, "one state has one form");
    let steps = script.map_or(&[][..], |script| &script.steps);
    let next = shard.position(0).map_or(0, |position| position.next_offset);
    for (offset, step) in (next..i64::MAX).zip(steps) {
        step.fold(&mut shard, offset);
    }
    assert_eq!(shard.digest(), shard.digest_recomputed());
}
