//! Who may stay connected, and for how long.
//!
//! Owns the seats: a fixed number, one for each connection. Promises that idle, half-open and slow
//! connections never keep a newcomer out for long, and that no connection outlives the time its
//! phase allows. Does not know HTTP beyond when a request has been read and its answer was written.
//!
//! ```text
//!          first byte         request read          let in            answer written
//!   idle --------------> asking ----------> proving --------> answering ----------> idle
//!                          ^
//!                          +-- where a new connection begins, and again after a TLS handshake
//! ```

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::serve::http::Limits;

/// How long a client may read an answer, or its password be compared, before its seat can go to a
/// newcomer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often somebody without a seat looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// All seats of the endpoint, at most `limits.connections` of them taken.
pub(super) struct Seats {
    limits: Limits,
    taken: Mutex<Taken>,
    changed: Notify,
}

#[derive(Default)]
struct Taken {
    seats: HashMap<u64, Arc<Seat>>,
    next_number: u64,
}

/// The seat of one connection, given back when dropped.
pub(super) struct Ticket {
    seats: Arc<Seats>,
    seat: Arc<Seat>,
    number: u64,
}

struct Seat {
    phase: watch::Sender<Phase>,
    claimed: Notify,
}

/// What a connection is about, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle(Instant),
    /// A request is expected, or the first part of it was read.
    Asking(Instant),
    /// A request was read, and it is not yet known whether it is answered.
    Proving(Instant),
    /// The request is answered, nothing of the answer was written.
    Answering(Instant),
    /// A part of the answer was written.
    Writing(Instant),
}

impl Phase {
    fn since(self) -> Instant {
        match self {
            Self::Idle(since)
            | Self::Asking(since)
            | Self::Proving(since)
            | Self::Answering(since)
            | Self::Writing(since) => since,
        }
    }

    fn deadline(self, limits: &Limits) -> Instant {
        let allowed = match self {
            Self::Idle(_) => limits.idle_time,
            Self::Asking(_) | Self::Proving(_) => limits.header_time,
            Self::Answering(_) => limits.thinking_time,
            Self::Writing(_) => limits.answer_time,
        };
        self.since() + allowed
    }

    /// Whether a newcomer may have the seat.
    fn yields(self, now: Instant) -> bool {
        match self {
            Self::Idle(_) | Self::Asking(_) => true,
            // It is not the client that is slow, and what takes long is bounded elsewhere.
            Self::Answering(_) => false,
            // Who guesses passwords keeps nobody out, and who knows one gets a moment to show it.
            Self::Proving(since) | Self::Writing(since) => now >= since + PATIENCE,
        }
    }
}

impl Seats {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Waits until a newcomer can have a seat. Nothing is lost when this is dropped.
    pub(super) async fn room(&self) {
        while !self.has_room() {
            // Seats also become free by mere time, which nobody announces.
            let _ = timeout(LOOK_AGAIN, self.changed.notified()).await;
        }
    }

    /// Takes a seat; when none is free, of the one that has been waiting longest.
    pub(super) fn take(self: &Arc<Self>) -> Ticket {
        let now = Instant::now();
        let seat = Arc::new(Seat {
            phase: watch::Sender::new(Phase::Asking(now)),
            claimed: Notify::new(),
        });
        let mut taken = self.lock();
        while taken.seats.len() >= self.limits.connections {
            let Some(number) = taken.longest_waiting(now) else {
                break;
            };
            if let Some(seat) = taken.seats.remove(&number) {
                seat.claimed.notify_one();
            }
        }
        let number = taken.next_number;
        taken.next_number += 1;
        taken.seats.insert(number, Arc::clone(&seat));
        Ticket {
            seats: Arc::clone(self),
            seat,
            number,
        }
    }

    fn has_room(&self) -> bool {
        let now = Instant::now();
        let taken = self.lock();
        taken.seats.len() < self.limits.connections
            || taken
                .seats
                .values()
                .any(|seat| seat.phase.borrow().yields(now))
    }

    /// The map is whole at every instant, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Who yields before who does not, and of these the one in its phase for the longest time.
    fn longest_waiting(&self, now: Instant) -> Option<u64> {
        let rank = |seat: &Seat| {
            let phase = *seat.phase.borrow();
            (!phase.yields(now), phase.since())
        };
        let (number, _) = self
            .seats
            .iter()
            .min_by_key(|(number, seat)| (rank(seat), **number))?;
        Some(*number)
    }
}

impl Ticket {
    /// The connection's stream, watched for what it says about the phase.
    pub(super) fn watch<S>(&self, stream: S) -> Watched<S> {
        Watched {
            stream,
            seats: Arc::clone(&self.seats),
            seat: Arc::clone(&self.seat),
        }
    }

    /// For what the stream alone does not tell.
    pub(super) fn marks(&self) -> Marks {
        Marks(Arc::clone(&self.seat))
    }

    /// Waits until the connection has to go: a newcomer got its seat, or its time is over.
    pub(super) async fn end(&self) {
        tokio::select! {
            () = self.seat.claimed.notified() => {}
            () = self.overdue() => {}
        }
    }

    async fn overdue(&self) {
        let mut phase = self.seat.phase.subscribe();
        loop {
            let deadline = phase.borrow_and_update().deadline(&self.seats.limits);
            tokio::select! {
                () = sleep_until(deadline) => return,
                // The seat holds the sender, so this is a change and not an end.
                _ = phase.changed() => {}
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.seats.lock().seats.remove(&self.number);
        self.seats.changed.notify_one();
    }
}

/// Notes how far a connection has come.
#[derive(Clone)]
pub(super) struct Marks(Arc<Seat>);

impl Marks {
    /// The connection is encrypted from now on, and the first request is expected.
    pub(super) fn encrypted(&self) {
        self.0.phase.send_replace(Phase::Asking(Instant::now()));
    }

    /// A request has been read.
    pub(super) fn read(&self) {
        self.0.phase.send_replace(Phase::Proving(Instant::now()));
    }

    /// It is known how the request is answered, or who does it.
    pub(super) fn judged(&self) {
        self.0.phase.send_replace(Phase::Answering(Instant::now()));
    }
}

/// A stream that tells its seat what happens on it.
pub(super) struct Watched<S> {
    stream: S,
    seats: Arc<Seats>,
    seat: Arc<Seat>,
}

impl<S> Watched<S> {
    fn heard(&self) {
        self.seat.phase.send_if_modified(|phase| {
            let first = matches!(phase, Phase::Idle(_));
            if first {
                *phase = Phase::Asking(Instant::now());
            }
            first
        });
    }

    fn wrote(&self) {
        self.seat.phase.send_if_modified(|phase| {
            let first = matches!(phase, Phase::Answering(_));
            if first {
                *phase = Phase::Writing(Instant::now());
            }
            first
        });
    }

    /// A flush before the first byte of the answer says nothing.
    fn flushed(&self) {
        let answered = self.seat.phase.send_if_modified(|phase| {
            let done = matches!(phase, Phase::Writing(_));
            if done {
                *phase = Phase::Idle(Instant::now());
            }
            done
        });
        if answered {
            self.seats.changed.notify_one();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.wrote();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.wrote();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
