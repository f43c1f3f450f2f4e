//! The orchestrator's own log: JSON lines on standard output.

use tracing_subscriber::EnvFilter;

use crate::config::{Environment, environment};

/// Starts logging. It can be called only once.
pub fn start(environment: &Environment) {
    let filter = environment
        .get(environment::RUST_LOG)
        .and_then(|text| text.parse::<EnvFilter>().ok())
        .unwrap_or_else(|| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .init();
}
