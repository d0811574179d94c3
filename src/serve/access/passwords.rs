//! Whether a password is right, without its comparison getting in anybody's way.
//!
//! Owns what is remembered of passwords that were right, and the queue of those to be compared.
//! Promises that somebody who was admitted before is admitted at once, that one password is compared
//! at a time, that wrong ones take at most a quarter of one core, that nobody fills the queue alone,
//! and that the time taken does not tell whether a user exists. Does not know requests.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use siphasher::sip128::{Hasher128, SipHasher24};
use tokio::sync::Semaphore;

use crate::config::web::PasswordHash;

/// Digests of 16 bytes. There is one for each user and version of the file; beyond it all are
/// forgotten, and compared again.
const MOST_REMEMBERED: usize = 1024;
/// Passwords from one address that wait; all together are no more than there are connections.
const MOST_WAITING: usize = 4;
/// How much longer than its comparison a wrong password keeps the next one waiting.
const PAUSE: u32 = 3;

/// The desk at which passwords are compared.
pub(super) struct Passwords {
    /// Of this process, so that nobody can tell anything from how long a look-up takes.
    key: (u64, u64),
    right: Mutex<HashSet<u128>>,
    waiting: Mutex<HashMap<IpAddr, usize>>,
    turn: Arc<Semaphore>,
}

/// What is found about a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Others from the same address wait already.
    Busy,
}

/// A place in the queue, given back when dropped.
struct Place<'a> {
    waiting: &'a Mutex<HashMap<IpAddr, usize>>,
    peer: IpAddr,
}

impl Passwords {
    pub fn new() -> Arc<Self> {
        let random = || RandomState::new().hash_one(0_u8);
        Arc::new(Self {
            key: (random(), random()),
            right: Mutex::default(),
            waiting: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Compares, in its turn, on a thread that may take its time.
    pub async fn judge(
        self: &Arc<Self>,
        peer: IpAddr,
        users: &BTreeMap<String, PasswordHash>,
        user: &[u8],
        password: Vec<u8>,
    ) -> Verdict {
        let of_user = std::str::from_utf8(user)
            .ok()
            .and_then(|user| users.get(user));
        // For an unknown user a password is compared too, with the slowest hash there is.
        let hash = of_user.or_else(|| users.values().max_by_key(|hash| hash.cost()));
        let Some(hash) = hash.cloned() else {
            return Verdict::Wrong;
        };
        let known = of_user.is_some();
        let digest = self.digest(user, &hash, &password);
        if known && locked(&self.right).contains(&digest) {
            return Verdict::Right;
        }
        let Some(place) = Place::take(&self.waiting, peer) else {
            return Verdict::Busy;
        };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else {
            return Verdict::Busy;
        };
        let desk = Arc::clone(self);
        let (answer, answered) = tokio::sync::oneshot::channel();
        // Not waited for: who gave up meanwhile still takes their turn, and the pause after it.
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let right = hash.is_of(&password) && known;
            if right {
                desk.remember(digest);
            }
            let _ = answer.send(right);
            if !right {
                std::thread::sleep(begun.elapsed() * PAUSE);
            }
            drop(turn);
        });
        let right = answered.await.unwrap_or(false);
        drop(place);
        if right {
            Verdict::Right
        } else {
            Verdict::Wrong
        }
    }

    fn remember(&self, digest: u128) {
        let mut right = locked(&self.right);
        if right.len() >= MOST_REMEMBERED {
            right.clear();
        }
        right.insert(digest);
    }

    /// With the hash in it, so that a changed password is compared again.
    fn digest(&self, user: &[u8], hash: &PasswordHash, password: &[u8]) -> u128 {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        for part in [user, password] {
            hasher.write(&part.len().to_le_bytes());
            hasher.write(part);
        }
        hash.hash(&mut hasher);
        hasher.finish128().as_u128()
    }
}

impl<'a> Place<'a> {
    fn take(waiting: &'a Mutex<HashMap<IpAddr, usize>>, peer: IpAddr) -> Option<Self> {
        let mut places = locked(waiting);
        let taken = places.entry(peer).or_default();
        if *taken >= MOST_WAITING {
            return None;
        }
        *taken += 1;
        Some(Self { waiting, peer })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = locked(self.waiting);
        if let Some(taken) = places.get_mut(&self.peer) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                places.remove(&self.peer);
            }
        }
    }
}

/// Both maps are whole at every instant, so a panic elsewhere does not spoil them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
