//! Limits of live streams.

use std::time::Duration;

use crate::config::{ConfigError, Environment, environment};

/// Limits of live streams.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// How many there may be.
    pub all: usize,
    /// How many of them one client may have, by its address.
    pub per_client: usize,
    /// How many of them one tenant may have.
    pub per_tenant: usize,
    /// How many of them may follow one job.
    pub per_job: usize,
    /// How long one that has once been up to date may stay behind what is kept in memory, before it is ended
    /// and its client has to come back.
    pub behind: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            all: 1024,
            per_client: 256,
            per_tenant: 1024,
            per_job: 1024,
            behind: Duration::from_secs(30),
        }
    }
}

impl StreamLimits {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let from_one = |variable, default| match environment.parsed::<usize>(variable, default)? {
            0 => Err(ConfigError::new(variable, "is 0; it takes a number from 1")),
            number => Ok(number),
        };
        let usual = Self::default();
        let all = from_one(environment::STREAM_LIMIT, usual.all)?;
        Ok(Self {
            all,
            per_client: from_one(environment::STREAM_LIMIT_PER_CLIENT, usual.per_client)?,
            per_tenant: from_one(environment::STREAM_LIMIT_PER_TENANT, all)?,
            per_job: from_one(environment::STREAM_LIMIT_PER_JOB, all)?,
            ..usual
        })
    }
}
