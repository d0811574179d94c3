//! Whether a password is right, without its comparison getting in anybody's way.
//!
//! Owns what is remembered of passwords that were right, and the queue of those to be compared.
//! Promises that somebody who was admitted before is admitted at once, that one password is compared
//! at a time, that wrong ones from one address take at most a quarter of one core and keep no other
//! address waiting for more than one comparison each, and that the time taken does not tell whether a
//! user exists. Does not know requests.
//!
//! ```text
//!  address A   o o [o]--+                     wrong: the address pauses, not the desk
//!  address B     o [o]--+--> desk, one at a time --> right: remembered
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use siphasher::sip128::{Hasher128, SipHasher24};
use tokio::sync::Semaphore;

use crate::config::web::PasswordHash;

/// Digests of 16 bytes. There is one for each user and version of the file; beyond it all are
/// forgotten, and compared again.
const MOST_REMEMBERED: usize = 1024;
/// Passwords from one address that wait or pause; all together are little more than there are
/// connections.
const MOST_WAITING: usize = 4;
/// How much longer than its comparison a wrong password keeps the next one of its address waiting.
const PAUSE: u32 = 3;

/// The desk at which passwords are compared.
pub(super) struct Passwords {
    /// Of this process, so that nobody can tell anything from how long a look-up takes.
    key: (u64, u64),
    right: Mutex<HashSet<u128>>,
    lines: Mutex<HashMap<IpAddr, Line>>,
    turn: Arc<Semaphore>,
}

/// Those of one address, of whom one at a time goes to the desk.
struct Line {
    length: usize,
    head: Arc<Semaphore>,
}

/// What is found about a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Others from the same address wait already.
    Busy,
}

/// A place in a line, given back when dropped.
struct Place {
    desk: Arc<Passwords>,
    address: IpAddr,
}

impl Passwords {
    pub fn new() -> Arc<Self> {
        let random = || RandomState::new().hash_one(0_u8);
        Arc::new(Self {
            key: (random(), random()),
            right: Mutex::default(),
            lines: Mutex::default(),
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
        let Some((place, head)) = Place::take(self, peer) else {
            return Verdict::Busy;
        };
        let Ok(head) = head.acquire_owned().await else {
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
            drop(turn);
            if !right {
                std::thread::sleep(begun.elapsed() * PAUSE);
            }
            drop(head);
            drop(place);
        });
        if answered.await.unwrap_or(false) {
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

impl Place {
    /// A place in the line of the address, and the way to its head.
    fn take(desk: &Arc<Passwords>, peer: IpAddr) -> Option<(Self, Arc<Semaphore>)> {
        let address = line_of(peer);
        let mut lines = locked(&desk.lines);
        let line = lines.entry(address).or_insert_with(|| Line {
            length: 0,
            head: Arc::new(Semaphore::new(1)),
        });
        if line.length >= MOST_WAITING {
            return None;
        }
        line.length += 1;
        let desk = Arc::clone(desk);
        Some((Self { desk, address }, Arc::clone(&line.head)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = locked(&self.desk.lines);
        if let Some(line) = lines.get_mut(&self.address) {
            line.length -= 1;
            if line.length == 0 {
                lines.remove(&self.address);
            }
        }
    }
}

/// Who has one address of the newer kind usually has all that begin alike.
pub(super) fn line_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(long) => Ipv6Addr::from(u128::from(long) >> 64 << 64).into(),
    }
}

/// Both maps are whole at every instant, so a panic elsewhere does not spoil them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
