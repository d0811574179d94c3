//! Log lines counted by level, so that a dashboard shows when the log is worth reading.

use prometheus::{IntCounter, Registry};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::telemetry::{catalogue, counters};

/// One counter for each level.
#[derive(Clone)]
pub struct LogCounters {
    error: IntCounter,
    warn: IntCounter,
    info: IntCounter,
    debug: IntCounter,
    trace: IntCounter,
}

/// Counts each log line that gets through the filters of its subscriber.
pub struct LogLayer(LogCounters);

impl LogCounters {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let lines = counters(registry, &catalogue::LOG_MESSAGES)?;
        Ok(Self {
            error: lines.with_label_values(&["error"]),
            warn: lines.with_label_values(&["warn"]),
            info: lines.with_label_values(&["info"]),
            debug: lines.with_label_values(&["debug"]),
            trace: lines.with_label_values(&["trace"]),
        })
    }

    /// A layer for the subscriber, beside the one that writes the lines and under the same filter.
    #[must_use]
    pub fn layer(&self) -> LogLayer {
        LogLayer(self.clone())
    }

    /// How many lines of this level were written.
    #[must_use]
    pub fn of(&self, level: Level) -> &IntCounter {
        match level {
            Level::ERROR => &self.error,
            Level::WARN => &self.warn,
            Level::INFO => &self.info,
            Level::DEBUG => &self.debug,
            Level::TRACE => &self.trace,
        }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        self.0.of(*event.metadata().level()).inc();
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn lines_are_counted_by_level_once_they_pass_the_filter() {
        let counters = LogCounters::new(&Registry::new()).expect("one family");
        let subscriber = tracing_subscriber::registry()
            .with(LevelFilter::INFO)
            .with(counters.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("one");
            tracing::info!("two");
            tracing::info!("three");
            tracing::debug!("below the filter");
        });
        let counted = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG]
            .map(|level| counters.of(level).get());
        assert_eq!(counted, [1, 0, 2, 0]);
    }
}
