//! PromQL of the panels: every selector with the job and the instance that the reader chose.
//!
//! Every instance of a job serves the same measures, so one of them is taken, and never their sum.
//! Ratios are taken as Tenure computed them; where something is added up, it is counts.

/// How long a number may be away before a panel shows a gap, as in the lines of time series.
const BRIDGE: &str = "10m";

/// The series of one metric.
pub fn of(metric: &str, matchers: &str) -> String {
    let comma = if matchers.is_empty() { "" } else { ", " };
    format!(r#"{metric}{{job=~"$job", instance=~"$instance"{comma}{matchers}}}"#)
}

/// A measure as one of the instances serves it.
pub fn shared(metric: &str, matchers: &str) -> String {
    format!("max without (instance, pod) ({})", of(metric, matchers))
}

/// A measure of the chosen period.
pub fn chosen(metric: &str) -> String {
    shared(metric, PERIOD)
}

pub const PERIOD: &str = r#"period="$period""#;

/// A measure for a headline: with its past, but only while there is a number. A panel that shows
/// the last value would go on showing one that has been withheld for hours.
pub fn headline(metric: &str, matchers: &str) -> String {
    format!(
        "{} and max without (instance, pod) (last_over_time({}[{BRIDGE}] @ end()))",
        shared(metric, matchers),
        of(metric, matchers)
    )
}

/// How much a counter grows in a second, added up by labels.
pub fn rate(by: &str, metric: &str, matchers: &str) -> String {
    format!(
        "sum by ({by}) (rate({}[$__rate_interval]))",
        of(metric, matchers)
    )
}

/// By how much a counter grew in the time range, added up by labels.
pub fn growth(by: &str, metric: &str, matchers: &str) -> String {
    format!(
        "sum by ({by}) (increase({}[$__range]))",
        of(metric, matchers)
    )
}

/// A quantile of a histogram over the last moments, by job.
pub fn quantile(quantile: &str, metric: &str) -> String {
    format!(
        "histogram_quantile({quantile}, sum by (job, le) (rate({}[$__rate_interval])))",
        of(&format!("{metric}_bucket"), "")
    )
}

/// The age of a time stamp, with the largest of each job.
pub fn age(metric: &str) -> String {
    format!("time() - min by (job) ({})", of(metric, ""))
}
