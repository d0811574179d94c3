//! Asking another instance, over HTTP.
//!
//! Owns who has which partitions, as others tell it, the addresses, what is shown to be let in, and
//! what an answer means. Promises that a question ends (time and size of an answer are bounded), that
//! there is a bound on those under way, that the token goes to the address of an instance alone and
//! never along a redirect, and that no error holds a secret or an id. Does not know how a question
//! came about, nor how answers are merged.
//!
//! ```text
//!  POST http://tenure-1:9736/peer/v1/partial      POST .../peer/v1/customer
//!  Authorization: Bearer TOKEN
//!  <question>                       ->  200 <answer, or why there is none>
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::config::Config;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::cluster::asked::{
    CustomerAnswer, CustomerQuestion, PartialAnswer, PartialQuestion, Refused, Unreadable, read,
    written,
};
use crate::cluster::record::Definition;
use crate::config::ClusterSettings;
use crate::event::Timestamp;

/// What a partition contributes to a question is asked for there.
pub const PARTIAL_PATH: &str = "/peer/v1/partial";
/// A customer is asked for there.
pub const CUSTOMER_PATH: &str = "/peer/v1/customer";
/// The largest question: 2,000 instants, 10,000 partitions and 50 periods take less than half of it.
pub const LARGEST_QUESTION: usize = 128 << 10;
/// The largest answer: some million segments of a period.
pub const LARGEST_ANSWER: usize = 64 << 20;

/// Until somebody is connected: instances are near each other.
const CONNECT: Duration = Duration::from_secs(2);
/// Questions under way, each a thread.
const MOST_UNDER_WAY: usize = 64;

/// What is known of the instances that share the work.
pub trait Elsewhere: Send + Sync + 'static {
    /// How many partitions each topic has; nothing while that is not known.
    fn partitions(&self) -> Option<i32>;

    /// Who has which partition, as far as that is known; what this instance has itself may be among
    /// them and is not looked at.
    fn owners(&self) -> BTreeMap<i32, Owner>;

    /// What decides the numbers, equal on instances that may add up theirs; nothing while that is not
    /// known.
    fn definition(&self) -> Option<Definition>;
}

/// An instance that has a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub instance: String,
    /// `http://` or `https://` with host and port.
    pub address: String,
    /// The instant up to which the partition is complete there.
    pub reached: Option<Timestamp>,
}

impl Owner {
    /// Whether it is the same instance at the same address.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.instance, &self.address) == (&other.instance, &other.address)
    }
}

/// Why another instance gave no answer. Holds no secret and nothing personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It says so.
    Refused(Refused),
    /// It does not take this token, or has none.
    Token,
    /// It is not reached, or does not answer in time: why.
    Unreached(String),
    /// What it names as its address is none.
    NoAddress,
    /// What it answers is not what an instance would.
    Unlike,
    /// It has another version of the program.
    OtherVersion,
    /// The question is larger than [`LARGEST_QUESTION`], or the answer than [`LARGEST_ANSWER`].
    TooLarge,
    /// Too many questions are under way.
    Busy,
}

/// How other instances are asked.
pub struct Peers {
    config: Config,
    /// What is shown: a secret.
    authorization: String,
    under_way: AtomicUsize,
}

/// Connections for one question, to any number of instances. Whoever gives up the question
/// hangs up, so that the other instances see at once that nobody waits any more.
#[derive(Debug, Clone)]
pub struct Line {
    agent: Agent,
    peers: Arc<Peers>,
}

/// One of the questions under way, until it is dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}

impl Peers {
    /// Nothing without a token: nobody would answer. An error if the certificates of the authorities
    /// are none.
    pub fn new(settings: &ClusterSettings) -> Result<Option<Self>, String> {
        let Some(token) = &settings.token else {
            return Ok(None);
        };
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &settings.authorities {
            let found = parse_pem(pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let found: Vec<Certificate<'static>> = found.collect();
            if found.is_empty() {
                return Err("cluster.ca_file holds no certificate (PEM)".to_owned());
            }
            tls = tls.root_certs(RootCerts::from(found));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The token must not go anywhere else.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            // Instances reach each other directly; a proxy would see the token.
            .proxy(None)
            .tls_config(tls.build())
            .build();
        Ok(Some(Self {
            config,
            authorization: format!("Bearer {}", token.reveal()),
            under_way: AtomicUsize::new(0),
        }))
    }

    /// A line for one question.
    #[must_use]
    pub fn line(self: &Arc<Self>) -> Line {
        Line {
            agent: self.config.clone().into(),
            peers: Arc::clone(self),
        }
    }
}

impl Line {
    /// Ends whatever is under way, at once.
    pub fn hang_up(self) {
        self.agent.shutdown();
    }

    /// What the partitions of another instance contribute to a question.
    pub fn partial(
        &self,
        address: &str,
        question: &PartialQuestion,
        time: Duration,
    ) -> Result<PartialAnswer, Unanswered> {
        self.ask(address, PARTIAL_PATH, question, time)
    }

    /// What the partitions of another instance know of a customer.
    pub fn customer(
        &self,
        address: &str,
        question: &CustomerQuestion,
        time: Duration,
    ) -> Result<CustomerAnswer, Unanswered> {
        self.ask(address, CUSTOMER_PATH, question, time)
    }

    fn ask<A: DeserializeOwned>(
        &self,
        address: &str,
        path: &str,
        question: &impl Serialize,
        time: Duration,
    ) -> Result<A, Unanswered> {
        if !is_address(address) {
            return Err(Unanswered::NoAddress);
        }
        let _under_way = UnderWay::begin(&self.peers.under_way).ok_or(Unanswered::Busy)?;
        let question = written(question).filter(|bytes| bytes.len() <= LARGEST_QUESTION);
        let question = question.ok_or(Unanswered::TooLarge)?;
        let failed = |error: ureq::Error| match error {
            ureq::Error::BodyExceedsLimit(_) => Unanswered::TooLarge,
            error => Unanswered::Unreached(format!("{address} does not answer: {error}")),
        };
        let request = self.agent.post(format!("{address}{path}"));
        let request = request
            .header("Authorization", &self.peers.authorization)
            .header("Content-Type", "application/octet-stream")
            .config()
            .timeout_global(Some(time))
            .build();
        let mut response = request.send(&question).map_err(failed)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config();
        let bytes = match status {
            200 => body.limit(LARGEST_ANSWER as u64).read_to_vec(),
            400 => return Err(Unanswered::OtherVersion),
            401 | 403 | 404 => return Err(Unanswered::Token),
            429 => return Err(Unanswered::Refused(Refused::Busy)),
            _ => return Err(Unanswered::Unlike),
        };
        let answer: Result<A, Refused> =
            read(&bytes.map_err(failed)?).map_err(|unreadable| match unreadable {
                Unreadable::OtherFormat => Unanswered::OtherVersion,
                Unreadable::Damaged => Unanswered::Unlike,
            })?;
        answer.map_err(Unanswered::Refused)
    }
}

impl<'a> UnderWay<'a> {
    /// Nothing if there are too many.
    fn begin(count: &'a AtomicUsize) -> Option<Self> {
        let one = Self(count);
        let before = count.fetch_add(1, Ordering::Relaxed);
        (before < MOST_UNDER_WAY).then_some(one)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether this is the address of an instance and nothing besides: it comes from a topic, and the
/// token goes there.
fn is_address(text: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    rest.is_some_and(|host| !host.is_empty() && host.bytes().all(letter))
}
