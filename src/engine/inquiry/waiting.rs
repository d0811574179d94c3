//! Who waits for an answer, for how long, and whose turn it is.
//!
//! Owns the order of questions and the patience of those who ask. Promises that nobody waits for an
//! engine that ends, and that whoever gives up gives up their turn. Knows no questions.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender};

use crate::engine::live::Live;
use crate::engine::worker::Task;
use crate::serve::api::archive::Asker;
use crate::serve::api::refusal::Refusal;

/// Questions that wait for their turn.
const MOST_WAITING: usize = 8;
/// How often it is looked whether somebody still waits.
const PULSE: Duration = Duration::from_millis(50);

/// Somebody waits, for a limited time.
pub(super) struct Waiting<'a> {
    pub live: &'a Live,
    pub asker: &'a Asker,
    pub until: Instant,
    /// What they are told when the time is over.
    pub otherwise: Refusal,
}

impl Waiting<'_> {
    /// Why there is no sense in waiting any longer, if so.
    pub fn over(&self) -> Result<(), Refusal> {
        if self.live.is_stopping() || self.live.failure().is_some() {
            return Err(Refusal::Stopping);
        }
        if self.asker.is_gone() || Instant::now() >= self.until {
            return Err(self.otherwise.clone());
        }
        Ok(())
    }

    pub fn send(&self, queue: &Sender<Task>, mut task: Task) -> Result<(), Refusal> {
        loop {
            self.over()?;
            task = match queue.send_timeout(task, PULSE) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Timeout(task)) => task,
                Err(SendTimeoutError::Disconnected(_)) => return Err(Refusal::Stopping),
            };
        }
    }

    /// An answer; nothing if whoever was asked has let go of the question.
    pub fn receive<T>(&self, answered: &Receiver<T>) -> Result<Option<T>, Refusal> {
        loop {
            self.over()?;
            match answered.recv_timeout(PULSE) {
                Ok(answer) => return Ok(Some(answer)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    /// Lets a moment pass.
    pub fn moment(&self) -> Result<(), Refusal> {
        self.over()?;
        std::thread::sleep(PULSE);
        Ok(())
    }
}

/// Whose turn it is: one at a time, and not too many who wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    line: Mutex<Line>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    taken: bool,
    waiting: usize,
}

/// The turn of one question, over when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    pub fn take<'a>(&'a self, waiting: &Waiting<'_>) -> Result<Turn<'a>, Refusal> {
        let mut line = lock(&self.line);
        if line.waiting >= MOST_WAITING {
            return Err(Refusal::Busy);
        }
        line.waiting += 1;
        let outcome = loop {
            if !line.taken {
                line.taken = true;
                break Ok(Turn(self));
            }
            if let Err(refusal) = waiting.over() {
                break Err(refusal);
            }
            let (again, _) = self
                .ended
                .wait_timeout(line, PULSE)
                .unwrap_or_else(PoisonError::into_inner);
            line = again;
        };
        line.waiting -= 1;
        outcome
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.line).taken = false;
        self.0.ended.notify_one();
    }
}

/// What is behind these locks is whole at every instant, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossbeam_channel::bounded;

    use super::*;
    use crate::telemetry::Telemetry;

    fn live() -> Live {
        let telemetry = Telemetry::new().expect("the catalogue has no clash");
        Live::new(Arc::new(telemetry))
    }

    fn waiting<'a>(live: &'a Live, asker: &'a Asker, time: Duration) -> Waiting<'a> {
        Waiting {
            live,
            asker,
            until: Instant::now() + time,
            otherwise: Refusal::Busy,
        }
    }

    #[test]
    fn one_has_its_turn_eight_wait_and_the_next_is_told_to_come_again() {
        let (live, asker, turns) = (live(), Asker::default(), Turns::default());
        let long = || waiting(&live, &asker, Duration::from_mins(1));
        let first = turns.take(&long()).unwrap();
        let none = waiting(&live, &asker, Duration::ZERO);
        assert_eq!(turns.take(&none).unwrap_err(), Refusal::Busy);
        std::thread::scope(|scope| {
            let queue: Vec<_> = (0..MOST_WAITING)
                .map(|_| scope.spawn(|| turns.take(&long()).map(drop)))
                .collect();
            while lock(&turns.line).waiting < MOST_WAITING {
                std::thread::yield_now();
            }
            let begun = Instant::now();
            assert_eq!(turns.take(&long()).unwrap_err(), Refusal::Busy);
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it was told at once"
            );
            drop(first);
            for waiter in queue {
                assert_eq!(waiter.join().unwrap(), Ok(()));
            }
        });
        assert_eq!(lock(&turns.line).waiting, 0);
        assert!(turns.take(&none).is_ok(), "nobody has the turn any more");
    }

    #[test]
    fn nobody_waits_for_an_engine_that_ends() {
        let (live, asker, turns) = (live(), Asker::default(), Turns::default());
        let _first = turns.take(&waiting(&live, &asker, Duration::ZERO)).unwrap();
        live.stopping();
        let long = waiting(&live, &asker, Duration::from_mins(1));
        assert_eq!(turns.take(&long).unwrap_err(), Refusal::Stopping);
        let (_sender, receiver) = bounded::<()>(1);
        assert_eq!(long.receive(&receiver), Err(Refusal::Stopping));
    }
}
