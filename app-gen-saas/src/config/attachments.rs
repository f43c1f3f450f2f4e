//! Bounds of files that people attach to jobs.

use std::time::Duration;

use app_gen_contract::{MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS};

use crate::config::{ConfigError, Environment, environment};

/// How long an upload waits for a job.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Bounds of files that people attach to jobs.
#[derive(Debug, Clone, Copy)]
pub struct AttachmentsConfig {
    /// Maximum number of files of a job.
    pub count: usize,
    /// Maximum size of a file.
    pub bytes: u64,
    /// Maximum size of all files of a job together.
    pub job_bytes: u64,
    /// Maximum size of all uploads together.
    pub stored_bytes: u64,
    /// How long an upload is kept.
    pub lifetime: Duration,
}

impl AttachmentsConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let within = |variable, default: u64, most: u64| match environment
            .parsed::<u64>(variable, default)?
        {
            number if (1..=most).contains(&number) => Ok(number),
            number => Err(ConfigError::new(
                variable,
                format!("is {number}; it takes a number from 1 to {most}"),
            )),
        };
        let most = u64::try_from(MAX_ATTACHMENTS).unwrap_or(u64::MAX);
        let count = within(environment::JOB_MAX_ATTACHMENTS, 8, most)?;
        let bytes = within(
            environment::JOB_MAX_ATTACHMENT_BYTES,
            5 * 1024 * 1024,
            MAX_ATTACHMENT_BYTES,
        )?;
        Ok(Self {
            count: usize::try_from(count).unwrap_or(MAX_ATTACHMENTS),
            bytes,
            job_bytes: within(
                environment::JOB_MAX_ATTACHMENTS_BYTES,
                20 * 1024 * 1024,
                most * MAX_ATTACHMENT_BYTES,
            )?,
            stored_bytes: within(
                environment::UPLOADS_MAX_BYTES,
                1024 * 1024 * 1024,
                i64::MAX.unsigned_abs(),
            )?,
            lifetime: LIFETIME,
        })
    }
}
