//! What happens to the instances and to the brokers, one thing after the other.
//!
//! Owns the list of faults and their doing. Promises that after each of them everybody serves new
//! numbers again, within a deadline, before the next one begins, so that each has its own standstill
//! in the table. Knows nothing of what the numbers should be.

use std::time::{Duration, Instant};

use super::fleet::{Fleet, PLACES};
use super::load::{Lead, Log};
use super::proof::Proof;
use crate::real::kafka::Kafka;
use crate::real::process::Signal;

/// From a fault to new numbers at everybody. Sessions, elections and restores are in it, on a machine
/// that is busy with all of them.
const RECOVERY: Duration = Duration::from_mins(2);

/// One fault. Instances go by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Asked to end, one after the other, and started again each.
    RollingRestart,
    /// Killed, and started again at once.
    Kill(usize),
    /// Killed, and started again when the group has noticed.
    KillAndWait(usize),
    /// Two at the same moment.
    KillTwo(usize, usize),
    /// Frozen until the group has given away what it had, then thawed.
    Freeze(usize),
    Add(usize),
    Remove(usize),
    /// Both asked to end at the same moment.
    RemoveTwo(usize, usize),
    /// A broker is gone for a while.
    Broker(u16),
}

/// Most kinds of faults, each once: with four instances at most, and two at the end.
pub const ONCE: [Fault; 6] = [
    Fault::RollingRestart,
    Fault::Kill(0),
    Fault::Freeze(1),
    Fault::Add(3),
    Fault::Broker(2),
    Fault::RemoveTwo(0, 1),
];

/// More of them, in another order, and over and over; it begins and ends with the same two instances.
pub const AGAIN: [Fault; 19] = [
    Fault::Add(0),
    Fault::KillTwo(2, 3),
    Fault::Freeze(0),
    Fault::Add(1),
    Fault::RollingRestart,
    Fault::KillAndWait(1),
    Fault::Broker(3),
    Fault::Add(4),
    Fault::KillAndWait(4),
    Fault::Freeze(2),
    Fault::Remove(4),
    Fault::Kill(3),
    Fault::Freeze(3),
    Fault::Broker(1),
    Fault::Kill(1),
    Fault::KillAndWait(2),
    Fault::RollingRestart,
    Fault::Broker(2),
    Fault::RemoveTwo(0, 1),
];

/// Who does all this.
pub struct Chaos<'a> {
    pub kafka: &'a mut Kafka,
    pub fleet: &'a mut Fleet,
    pub log: &'a Log,
    pub session: Duration,
    /// Quiet time between two faults.
    pub pause: Duration,
}

impl Chaos<'_> {
    /// Does it, waits until all is well again, and notes what was noticed of it.
    pub fn happens(&mut self, fault: Fault, proof: &mut Proof) {
        let begun = Instant::now();
        self.fleet.standstill();
        match fault {
            Fault::RollingRestart => self.restart_each(),
            Fault::Kill(place) => {
                self.fleet.end(&[place], Signal::Kill);
                self.fleet.start(place);
            }
            Fault::KillAndWait(place) => {
                self.fleet.end(&[place], Signal::Kill);
                self.fleet.look_for(self.session * 3 / 2);
                self.fleet.start(place);
            }
            Fault::KillTwo(one, other) => {
                self.fleet.end(&[one, other], Signal::Kill);
                self.fleet.start(one);
                self.fleet.start(other);
            }
            Fault::Freeze(place) => {
                self.fleet.freeze(place);
                self.fleet.look_for(self.session * 2);
                self.fleet.thaw(place);
            }
            Fault::Add(place) => self.fleet.start(place),
            Fault::Remove(place) => self.fleet.end(&[place], Signal::Terminate),
            Fault::RemoveTwo(one, other) => self.fleet.end(&[one, other], Signal::Terminate),
            Fault::Broker(node) => self.lose(node),
        }
        self.fleet.serves_anew(RECOVERY);
        let what = format!("{fault:?}, well again after {:.0?}", begun.elapsed());
        proof.fault(what, self.fleet.standstill());
        self.fleet.look_for(self.pause);
    }

    fn restart_each(&mut self) {
        for place in self.fleet.awake() {
            self.fleet.end(&[place], Signal::Terminate);
            self.fleet.start(place);
            self.fleet.serves_anew(RECOVERY);
        }
    }

    fn lose(&mut self, node: u16) {
        self.log.lead(Lead::Far);
        // What was sent under the usual lead has arrived by then.
        self.fleet.look_for(Duration::from_secs(1));
        self.kafka.kill(node);
        self.fleet.look_for(self.session * 2);
        self.kafka.boot(node);
        self.fleet.serves_anew(RECOVERY);
        self.log.lead(Lead::Usual);
    }
}

/// The places that a list of faults begins with.
pub const FIRST: [usize; 3] = [0, 1, 2];

const _: () = assert!(FIRST.len() < PLACES, "somebody can be added");
