//! The log of the running services: standard error, `PERENNIAL_LOG` says how much.

use std::io;

use tracing_subscriber::EnvFilter;

/// Environment variable with a filter such as `info` or `perennial_gateway=debug`.
const VARIABLE: &str = "PERENNIAL_LOG";

pub(crate) fn start() {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(crate::output::stderr_colour())
        .init();
}
