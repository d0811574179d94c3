//! One comparison, as it is told.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::checkpoint::Entry;
use crate::command::verify::refold::{Comparison, Verdict};

/// What is said about one comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Nothing for a file, which is compared with all partitions.
    pub partition: Option<i32>,
    /// The file that was folded.
    pub file: Option<String>,
    /// The sum of the next offsets of the checkpoint that it began with; nothing at the beginning.
    pub from: Option<i64>,
    /// The same of the checkpoint that it is compared with.
    pub to: i64,
    /// Records that were folded.
    pub records: u64,
    pub seconds: f64,
    /// The first 16 hexadecimal digits of the digest of the checkpoint.
    pub expected: Option<String>,
    /// Those of the digest that came out.
    pub refolded: Option<String>,
    /// `ok`, `differs` or `not compared`.
    pub verdict: &'static str,
    /// What differs, or why it was not compared.
    pub why: Option<String>,
}

impl Line {
    #[must_use]
    pub fn of(partition: i32, from: Option<i64>, entry: &Entry, comparison: &Comparison) -> Self {
        let expected = Some(format!("{:016x}", entry.digest16));
        Self {
            partition: Some(partition),
            from,
            ..Self::new(entry.offset, comparison, expected)
        }
    }

    /// Of a file, beside the sum of the newest checkpoints.
    #[must_use]
    pub fn of_file(path: &Path, to: i64, comparison: &Comparison, expected: Option<u128>) -> Self {
        Self {
            file: Some(path.display().to_string()),
            ..Self::new(to, comparison, expected.map(first_digits))
        }
    }

    fn new(to: i64, comparison: &Comparison, expected: Option<String>) -> Self {
        let (verdict, why) = match &comparison.verdict {
            Verdict::Equal => ("ok", None),
            Verdict::Differs(what) => ("differs", Some((*what).to_owned())),
            Verdict::NotCompared(why) => ("not compared", Some(why.clone())),
        };
        Self {
            partition: None,
            file: None,
            from: None,
            to,
            records: comparison.records,
            seconds: comparison.took.as_secs_f64(),
            expected,
            refolded: comparison.refolded.map(first_digits),
            verdict,
            why,
        }
    }
}

fn first_digits(digest: u128) -> String {
    let mut digits = format!("{digest:032x}");
    digits.truncate(16);
    digits
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.partition, &self.file) {
            (Some(partition), _) => write!(f, "partition {partition}  ")?,
            (None, Some(file)) => write!(f, "{file}  ")?,
            (None, None) => {}
        }
        match self.from {
            Some(from) => write!(f, "{from}..{}", self.to)?,
            None => write!(f, "beginning..{}", self.to)?,
        }
        if let Some(refolded) = &self.refolded {
            let speed = self.records as f64 / self.seconds.max(1e-9);
            write!(f, "  {} records, {speed:.0}/s", self.records)?;
            let expected = self.expected.as_deref().unwrap_or("-");
            let sign = if refolded == expected { '=' } else { '/' };
            write!(f, "  {expected} {sign} {refolded}")?;
        }
        match (self.verdict, &self.why) {
            ("ok", _) => f.write_str("  ok"),
            ("differs", Some(what)) => write!(f, "  DIFFERS: {what}"),
            (_, why) => write!(
                f,
                "  cannot be compared: {}",
                why.as_deref().unwrap_or_default()
            ),
        }
    }
}
