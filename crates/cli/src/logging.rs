//! The log of the running services: lines on standard error, as text for people or as JSON for programs.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::terminal;

/// Environment variable with a filter such as `info` or `perennial_gateway=debug`.
const VARIABLE: &str = "PERENNIAL_LOG";

/// Lines that are said go on so far to the right, where a terminal is too narrow for one.
pub(crate) const INDENT: usize = 2;

/// What a line of the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// How much is logged: a level, or levels of parts, such as `warn,perennial_gateway=info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter(String);

/// What is logged, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logging {
    pub(crate) format: Format,
    pub(crate) filter: Filter,
}

/// Whether what is said on standard error is JSON.
static JSON: AtomicBool = AtomicBool::new(false);

impl Filter {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && EnvFilter::try_new(text).is_ok()).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self("warn".to_owned())
    }
}

impl Logging {
    /// For services that have no file of settings.
    pub(crate) fn from_env(format: Format) -> Self {
        let filter = std::env::var(VARIABLE).ok().and_then(|text| Filter::read(&text)).unwrap_or_default();
        Self { format, filter }
    }

    /// Begins to log. Once in a process.
    pub(crate) fn start(&self) {
        let filter = EnvFilter::new(&self.filter.0);
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        match self.format {
            Format::Text => lines.with_ansi(terminal::stderr_colour()).init(),
            Format::Json => {
                JSON.store(true, Ordering::Relaxed);
                lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
            }
        }
    }
}

/// Something that is said on standard error, as a line of the log where that is JSON.
pub(crate) fn line(text: &str) -> String {
    if !JSON.load(Ordering::Relaxed) {
        let line = format!("perennial: {text}");
        return terminal::folded(&line, terminal::stderr_columns(), INDENT).into_owned();
    }
    let line = serde_json::json!({
        "timestamp": jiff::Timestamp::now().to_string(),
        "level": "INFO",
        "message": text,
        "target": "perennial",
    });
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_of_parts() {
        for (text, is_one) in [
            ("info", true),
            (" warn,perennial_gateway=debug ", true),
            ("off", true),
            ("", false),
            ("perennial_gateway=loud", false),
        ] {
            assert_eq!(Filter::read(text).is_some(), is_one, "{text}");
        }
    }
}
