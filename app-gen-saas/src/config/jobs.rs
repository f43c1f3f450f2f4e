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
    /// Maximum number of jobs that wait for their start.
    pub queue: u32,
    /// How long a job is kept after its end.
    pub retention: Duration,
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
        let from_one = |variable, default| match environment.parsed::<u32>(variable, default)? {
            0 => Err(ConfigError::new(variable, "is 0; it takes a number from 1")),
            number => Ok(number),
        };
        let concurrency = from_one(environment::JOB_CONCURRENCY, 4)?;
        let retention_days = from_one(environment::JOB_RETENTION_DAYS, 30)?;
        let seconds = |variable, default| {
            environment
                .parsed(variable, default)
                .map(Duration::from_secs)
        };
        Ok(Self {
            provider: provider.to_owned(),
            timeout: seconds(environment::JOB_TIMEOUT_SECS, 1800)?,
            idle_timeout: seconds(environment::JOB_IDLE_TIMEOUT_SECS, 120)?,
            concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
            queue: from_one(environment::JOB_QUEUE_LIMIT, 1000)?,
            retention: Duration::from_secs(u64::from(retention_days) * 24 * 60 * 60),
            lease: Duration::from_secs(15),
            stop_grace: Duration::from_secs(10),
        })
    }
}
