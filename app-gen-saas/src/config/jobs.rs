//! Limits of jobs, and of the lease under which an orchestrator follows them.

use std::time::Duration;

use app_gen_contract::JobSpec;

use crate::config::{ConfigError, Environment, environment};

/// Limits of jobs.
#[derive(Debug, Clone)]
pub struct JobsConfig {
    /// Provider of jobs that do not name one.
    pub provider: String,
    /// Maximum duration from the start.
    pub timeout: Duration,
    /// Longest silence of a running generator.
    pub idle_timeout: Duration,
    /// Maximum number of jobs that this orchestrator starts side by side.
    pub concurrency: usize,
    /// How long a job stays with an orchestrator that gives no sign of life.
    pub lease: Duration,
    /// How long a generator may take to end after it was asked to.
    pub stop_grace: Duration,
}

impl JobsConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let provider = environment
            .get(environment::GENERATOR_PROVIDER)
            .unwrap_or("template");
        JobSpec::new("check", "check", provider, "file:///check").map_err(|error| {
            ConfigError::new(
                environment::GENERATOR_PROVIDER,
                format!("is refused: {error}"),
            )
        })?;
        let concurrency = environment.parsed(environment::JOB_CONCURRENCY, 4)?;
        if concurrency == 0 {
            return Err(ConfigError::new(
                environment::JOB_CONCURRENCY,
                "is 0; it takes a number from 1",
            ));
        }
        let seconds = |variable, default| {
            environment
                .parsed(variable, default)
                .map(Duration::from_secs)
        };
        Ok(Self {
            provider: provider.to_owned(),
            timeout: seconds(environment::JOB_TIMEOUT_SECS, 1800)?,
            idle_timeout: seconds(environment::JOB_IDLE_TIMEOUT_SECS, 120)?,
            concurrency,
            lease: Duration::from_secs(15),
            stop_grace: Duration::from_secs(10),
        })
    }
}
