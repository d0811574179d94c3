//! Why a question is not answered: a closed list, each with its code, its status and the way out.
//!
//! Nothing that a client sent is in any text here.

use axum::http::StatusCode;

use crate::event::Timestamp;
use crate::measure::catalogue::Measure;
use crate::measure::pass::HistoryGone;

/// A question that is not answered, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{name}: {expected}")]
    BadParameter {
        /// One that is known.
        name: String,
        expected: String,
    },
    /// A parameter that nobody would look at: a misspelt one must not mean the default.
    #[error("there is a parameter that is not known here; known are {}{}", .known.join(", "), meant(.nearest.as_ref()))]
    UnknownParameter {
        known: Vec<String>,
        nearest: Option<String>,
    },
    #[error("there is no metric of that name{}; docs/measures.md names all", meant_of(.nearest))]
    UnknownMetric { nearest: Vec<&'static Measure> },
    #[error(
        "the latest instant that every partition has reached is {latest}: ask for it or an earlier one"
    )]
    NotReached { latest: Timestamp },
    #[error(
        "the log is being read for the first time, and not every partition has told how far it has \
         come: ask again later, /-/ready tells what is waited for"
    )]
    NotReady,
    #[error(
        "records were lost before they were read, so no number would be right: see the log and \
         restart on a topic that is whole"
    )]
    Degraded,
    #[error(
        "the topics have other partitions than are read by now, so no number would be whole: new ones \
         are read in some seconds, so ask again; if this stays, look at the log"
    )]
    Incomplete,
    #[error("{0}")]
    HistoryGone(#[from] HistoryGone),
    #[error("that is too much work for one question: {fits} would fit; take {way}")]
    TooMuch {
        /// How many instants of the same question are allowed, at most.
        fits: Fits,
        way: &'static str,
    },
    #[error("the answer took longer than {seconds} s: ask for fewer instants or a single period")]
    TimedOut { seconds: u64 },
    #[error("other questions are being answered: one is answered at a time, ask again soon")]
    Busy,
    #[error("the process is stopping")]
    Stopping,
    #[error(
        "show the token: `Authorization: Bearer TOKEN`, with the content of the file of \
         `api.token_file`; or `X-Tenure-Token: TOKEN`, where users need the former for themselves"
    )]
    Unauthorized,
    #[error("name and password are needed here, of one of the users in the web config file")]
    UnknownUser,
    #[error(
        "only this machine may ask: others need users in a web config file (`web.config_file`), or \
         `api.open: true` where everybody who can connect may know the numbers"
    )]
    Elsewhere,
    #[error(
        "this machine may be asked as `localhost` or by an address, not by another name, which may be \
         that of a web page: use such an address, or configure users (`web.config_file`) or \
         `api.open: true`"
    )]
    OtherName,
    #[error(
        "only other instances may ask this, with `Authorization: Bearer TOKEN`, the content of the \
         file of `cluster.token_file`"
    )]
    NoPeer,
    #[error("other instances may ask this where a token is configured: `cluster.token_file`")]
    NoPeers,
    #[error("there are too many requests: ask again later")]
    TooManyRequests,
    #[error("looking up customers is off: see `api.customers`")]
    Disabled,
    #[error("no event of such a customer has been read")]
    UnknownCustomer,
    #[error(
        "this customer was found in several partitions, so each of them knows a part only: records \
         must be keyed by customer id"
    )]
    SplitCustomer,
    /// Another instance has part of the answer and does not give it, or nobody has it.
    #[error("{0}")]
    OtherInstances(#[from] Missing),
    #[error("the answer could not be written")]
    Unwritable,
}

/// A partition that another instance should answer for, and why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("partition {partition}{}: {trouble}", with(.instance.as_ref()))]
pub struct Missing {
    pub partition: i32,
    /// Who has it, as far as that is known.
    pub instance: Option<String>,
    pub trouble: Trouble,
}

/// Why another instance does not answer, with the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error(
        "no instance says that it has it: it is being moved, or an instance is missing; ask again soon"
    )]
    NoOwner,
    #[error(
        "it is not read here, and without a report topic nobody knows by whom: set \
         cluster.report_topic on every instance"
    )]
    NoReportTopic,
    #[error(
        "it has not answered within {seconds} s: it is stopped or overloaded; ask for fewer instants or \
         a single period, or again later"
    )]
    Silent { seconds: u64 },
    #[error(
        "it is asked over HTTP, for which there is no token: set cluster.token_file on every instance"
    )]
    TokenMissing,
    #[error(
        "it does not take the token of this instance: cluster.token_file has to hold the same on \
         every instance"
    )]
    TokenRefused,
    #[error(
        "{why}; it has to be reachable at what it has as cluster.advertise, and its certificate \
         vouched for by cluster.ca_file"
    )]
    Unreachable { why: String },
    #[error("what it names as its address is none: set cluster.advertise there")]
    NoAddress,
    #[error("it is another version of the program: bring all instances to one version")]
    OtherVersion,
    #[error(
        "its settings, its topics or its digest key are other ones (definition_hash): give every \
         instance the same"
    )]
    OtherDefinition,
    #[error("it knows the topics with {partitions} partitions: restart the one that is behind")]
    OtherPartitions { partitions: i32 },
    #[error("it has moved again and again: ask again soon")]
    Moving,
    #[error("{}: ask for an earlier instant, or again later", reached_only(*.reached))]
    NotReached { reached: Option<Timestamp> },
    #[error("looking up customers is off there: set api.customers on every instance")]
    CustomersOff,
    #[error("it is stopping: ask again soon")]
    Stopping,
    #[error("its log is not whole, so no number would be right: see its log and /-/ready")]
    NotWhole,
    #[error(
        "what answers there gives no answer to this question: is cluster.advertise the address of an \
         instance, and are all of one version?"
    )]
    Unlike,
    #[error("it failed to answer: see its log")]
    Failed,
}

fn with(instance: Option<&String>) -> String {
    instance.map_or_else(String::new, |instance| format!(" is with {instance}"))
}

fn reached_only(reached: Option<Timestamp>) -> String {
    match reached {
        Some(reached) => format!("it has reached {reached}"),
        None => "it is being restored, and how far it has come is not known yet".to_owned(),
    }
}

/// How many instants fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fits(pub u64);

impl std::fmt::Display for Fits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            1 => f.write_str("one instant"),
            fits => write!(f, "{fits} instants"),
        }
    }
}

fn meant(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

fn meant_of(nearest: &[&'static Measure]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = nearest.iter().map(|measure| measure.name).collect();
    format!("; near is {}", names.join(", "))
}

impl Refusal {
    /// A known parameter with a value that is not understood.
    pub(super) fn bad(name: &str, expected: &str) -> Self {
        Self::BadParameter {
            name: name.to_owned(),
            expected: expected.to_owned(),
        }
    }

    /// One of the closed list of codes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadParameter { .. } => "bad_parameter",
            Self::UnknownParameter { .. } => "unknown_parameter",
            Self::UnknownMetric { .. } => "unknown_metric",
            Self::NotReached { .. } => "not_reached",
            Self::NotReady => "not_ready",
            Self::Degraded => "degraded",
            Self::Incomplete => "incomplete",
            Self::HistoryGone(_) => "history_gone",
            Self::TooMuch { .. } => "too_much",
            Self::TimedOut { .. } => "timed_out",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::Unauthorized | Self::UnknownUser | Self::NoPeer => "unauthorized",
            Self::Elsewhere | Self::OtherName => "forbidden",
            Self::TooManyRequests => "too_many_requests",
            Self::Disabled | Self::NoPeers => "disabled",
            Self::UnknownCustomer => "unknown_customer",
            Self::SplitCustomer => "split_customer",
            Self::OtherInstances(_) => "other_instances",
            Self::Unwritable => "unwritable",
        }
    }

    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadParameter { .. }
            | Self::UnknownParameter { .. }
            | Self::UnknownMetric { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::UnknownUser | Self::NoPeer => StatusCode::UNAUTHORIZED,
            Self::Elsewhere | Self::OtherName => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Disabled | Self::NoPeers | Self::UnknownCustomer => StatusCode::NOT_FOUND,
            Self::Degraded | Self::Incomplete | Self::SplitCustomer => StatusCode::CONFLICT,
            Self::NotReached { .. } | Self::HistoryGone(_) | Self::TooMuch { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::NotReady
            | Self::TimedOut { .. }
            | Self::Busy
            | Self::Stopping
            | Self::OtherInstances(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unwritable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// After how many seconds asking again may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::TooManyRequests => Some(1),
            Self::Busy => Some(5),
            Self::NotReady | Self::Stopping => Some(10),
            Self::OtherInstances(missing) => missing.trouble.retry_after(),
            Self::TimedOut { .. } => Some(60),
            _ => None,
        }
    }
}

impl Trouble {
    /// After how many seconds asking again may help, where nobody has to configure anything first.
    const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::NoOwner
            | Self::Moving
            | Self::Stopping
            | Self::NotReached { .. }
            | Self::Unreachable { .. } => Some(10),
            Self::Silent { .. } => Some(60),
            Self::NoReportTopic
            | Self::TokenMissing
            | Self::TokenRefused
            | Self::NoAddress
            | Self::OtherVersion
            | Self::OtherDefinition
            | Self::OtherPartitions { .. }
            | Self::CustomersOff
            | Self::NotWhole
            | Self::Unlike
            | Self::Failed => None,
        }
    }
}
