//! A TCP proxy in front of a broker, for faults of the network.
//!
//! Owns one listening port and the connections through it. Promises that bytes arrive as they were
//! and in order, or not at all, but for one that a test wants changed. Deliberately knows nothing of
//! Kafka: clients come here because the broker advertises this port.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A proxy, ended on drop.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: Arc<Line>,
}

/// What all connections share.
#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The port of the broker.
    target: Option<u16>,
    /// Nothing passes; connections are accepted all the same, as a black hole behind a router does.
    stalled: bool,
    ended: bool,
    /// What is to be changed in what the broker says.
    damage: Option<Damage>,
    damaged: bool,
    /// Both ends of every connection.
    connections: Vec<TcpStream>,
}

/// A bit to be changed: in the byte that lies so far behind the beginning of one of the texts.
#[derive(Debug)]
struct Damage {
    /// Only where so many bytes come at once.
    among: usize,
    texts: Vec<Vec<u8>>,
    behind: usize,
}

impl Damage {
    fn place(&self, bytes: &[u8]) -> Option<usize> {
        if bytes.len() < self.among {
            return None;
        }
        let begins = |text: &[u8]| bytes.windows(text.len()).position(|found| found == text);
        let at = self.texts.iter().find_map(|text| begins(text))? + self.behind;
        (at < bytes.len()).then_some(at)
    }
}

impl Proxy {
    /// Listens on a free port. Connections wait until a target is named.
    pub fn listen() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener.local_addr();
        let port = address
            .unwrap_or_else(|error| panic!("a listener without an address: {error}"))
            .port();
        let line = Arc::new(Line::default());
        let of_thread = Arc::clone(&line);
        thread::spawn(move || of_thread.accept(&listener));
        Self { port, line }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Names the port of the loopback interface where connections lead.
    pub fn lead_to(&self, port: u16) {
        self.line.state().target = Some(port);
        self.line.changed.notify_all();
    }

    /// Lets nothing pass any more, and says nothing about it.
    pub fn stall(&self) {
        self.line.state().stalled = true;
    }

    /// Lets everything pass again, also what has waited.
    pub fn go_on(&self) {
        self.line.state().stalled = false;
        self.line.changed.notify_all();
    }

    /// Changes one bit of what the broker says next, `among` so many bytes at once: in the byte that
    /// lies so far behind the beginning of one of these texts.
    pub fn damage(&self, among: usize, texts: Vec<Vec<u8>>, behind: usize) {
        let mut state = self.line.state();
        state.damage = Some(Damage {
            among,
            texts,
            behind,
        });
        state.damaged = false;
    }

    /// Whether the change that was asked for last was made.
    pub fn has_damaged(&self) -> bool {
        self.line.state().damaged
    }

    /// Closes every connection; new ones are possible.
    pub fn cut(&self) {
        for connection in self.line.state().connections.drain(..) {
            // One that its client has closed is as good as cut.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.state().ended = true;
        self.line.changed.notify_all();
        self.cut();
        // Wakes the thread that accepts; if it has ended already there is nothing to wake.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().flatten() {
            if self.state().ended {
                return;
            }
            let line = Arc::clone(self);
            thread::spawn(move || line.connect(client));
        }
    }

    fn connect(self: Arc<Self>, client: TcpStream) {
        let Some(target) = self.when_open(|state| state.target) else {
            return;
        };
        // A broker that is down refuses, and the client sees its connection closed.
        let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
            return;
        };
        let (Ok(client_side), Ok(broker_side)) = (client.try_clone(), broker.try_clone()) else {
            return;
        };
        self.keep(&client, &broker);
        let line = Arc::clone(&self);
        thread::spawn(move || line.pump(broker_side, client_side, Self::damage));
        self.pump(client, broker, |_, _| {});
    }

    fn damage(&self, bytes: &mut [u8]) {
        let mut state = self.state();
        let damage = state.damage.as_ref();
        if let Some(at) = damage.and_then(|damage| damage.place(bytes)) {
            bytes[at] ^= 1;
            state.damage = None;
            state.damaged = true;
        }
    }

    fn keep(&self, client: &TcpStream, broker: &TcpStream) {
        let ends = [client.try_clone(), broker.try_clone()];
        self.state().connections.extend(ends.into_iter().flatten());
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, change: fn(&Self, &mut [u8])) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            change(self, &mut buffer[..read]);
            if self.when_open(|_| Some(())).is_none() || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        // The other direction ends with this one.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits until bytes may pass and the question has an answer; nothing after the end.
    fn when_open<T>(&self, question: impl Fn(&State) -> Option<T>) -> Option<T> {
        let mut state = self.state();
        loop {
            if state.ended {
                return None;
            }
            if !state.stalled
                && let Some(answer) = question(&state)
            {
                return Some(answer);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
