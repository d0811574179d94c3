//! Where log lines go: stderr, as text for people or JSON for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogSettings};
use crate::telemetry::Telemetry;

/// Starts logging for the rest of the process. A second call changes nothing.
pub fn start(settings: LogSettings, telemetry: &Telemetry) {
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let registry = tracing_subscriber::registry()
        .with(LevelFilter::from_level(settings.level))
        .with(telemetry.log.layer());
    // It fails only if logging was started before.
    let _ = match settings.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => {
            let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(lines.with_ansi(color)).try_init()
        }
    };
}
