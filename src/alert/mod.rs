//! Alerts: the rules by which Prometheus tells people that something is wrong.
//!
//! Owns which alerts there are, what they look at, their thresholds and their texts. Promises rules
//! that fit one configuration: its periods, topics, intervals, targets and severities. Deliberately
//! does not know where rules are written to, how they are evaluated, or who is told.

pub mod guards;
