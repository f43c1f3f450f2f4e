//! The newest jobs of an environment, asked of its orchestrator through the load balancer, as a user does.

use crate::api_key;
use crate::deploy::release::Release;
use anyhow::Context as _;
use serde::Deserialize;
use std::time::Duration;
use ureq::Agent;
use xtask_core::context::Context;
use xtask_core::http;

/// How many jobs are asked for; the API does not return more at once.
pub const NEWEST: usize = 200;
const BOUND: Duration = Duration::from_secs(3);
/// Each job holds a description of up to 64 KiB.
const LIMIT_BYTES: u64 = 32 * 1024 * 1024;

/// What is read of a job.
#[derive(Debug, Clone, Deserialize)]
pub struct Job {
    /// Its state.
    pub state: String,
    /// Attempts that have ended. An orchestrator of an earlier release does not tell of them.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
}

/// What is read of an attempt.
#[derive(Debug, Clone, Deserialize)]
pub struct Attempt {
    /// What it took of its task, if it said so.
    #[serde(default)]
    pub resources: Option<Resources>,
}

/// What an attempt took of its task.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Resources {
    /// The most memory that its processes held at once.
    pub peak_memory_bytes: u64,
    /// The most that it had on its disk.
    pub peak_disk_bytes: u64,
}

/// The newest jobs, newest first.
///
/// # Errors
/// The orchestrator does not answer, or says something else.
pub fn newest(context: &Context, release: &Release) -> anyhow::Result<Vec<Job>> {
    #[derive(Deserialize)]
    struct Listing {
        jobs: Vec<Job>,
    }
    let (_, base_url) = release.service.addresses(context)?;
    let url = format!("{base_url}/api/jobs?limit={NEWEST}");
    let config = api_key::with_key(http::config(&url, BOUND), context, &base_url);
    let agent: Agent = config.build().into();
    let mut answer = agent
        .get(&url)
        .call()
        .with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    anyhow::ensure!(status.is_success(), "{url} answers {status}");
    let body = answer.body_mut().with_config().limit(LIMIT_BYTES);
    let listing: Listing = body
        .read_json()
        .with_context(|| format!("the answer of {url} cannot be parsed"))?;
    Ok(listing.jobs)
}
