//! Limits of jobs, and of the lease under which an orchestrator follows them.

use std::time::Duration;

use app_gen_contract::env::GENERATOR_MODEL;
use app_gen_contract::{JobSpec, SpecError};

use crate::config::{ConfigError, Environment, environment};

/// Limits of jobs.
#[derive(Debug, Clone)]
pub struct JobsConfig {
    /// Provider of jobs that do not name one.
    pub provider: String,
    /// Model of jobs of that provider that do not name one; `None` leaves it to each role.
    pub model: Option<String>,
    /// Millionths of a US dollar that models may cost for a job that names no amount.
    pub budget_micro_usd: u64,
    /// Most that a job may name, in millionths of a US dollar.
    pub max_budget_micro_usd: u64,
    /// Maximum duration of an attempt from its start.
    pub timeout: Duration,
    /// Longest silence of a running generator.
    pub idle_timeout: Duration,
    /// Maximum number of events of a job's generator.
    pub max_events: u32,
    /// Maximum size in bytes of all event bodies of a job.
    pub max_event_bytes: u32,
    /// Maximum number of jobs that this orchestrator starts side by side.
    pub concurrency: usize,
    /// Maximum number of jobs of a tenant that wait for their start.
    pub queue: u32,
    /// How long a job is kept after its end.
    pub retention: Duration,
    /// How long a job stays with an orchestrator that gives no sign of life.
    pub lease: Duration,
    /// How long a generator may take to end after it was asked to.
    pub stop_grace: Duration,
    /// How long a task that was stopped with force may go on being seen before its job ends without it.
    pub stop_timeout: Duration,
    /// How long the task of an unclear attempt is looked for before its job ends without it.
    pub search: Duration,
    /// Pause between two looks for tasks whose job has ended.
    pub leftovers: Duration,
    /// How many interrupted attempts a job goes on after.
    pub interruptions: u32,
    /// Maximum number of attempts of a job.
    pub attempts: u32,
    /// How long a limit of a provider is waited for if the provider does not say, and the bounds of what
    /// it says.
    pub usual_wait: Duration,
    /// See `usual_wait`.
    pub shortest_wait: Duration,
    /// See `usual_wait`; providers have limits of a week.
    pub longest_wait: Duration,
}

/// How long a generator may live beyond its job's time before it ends by itself: the orchestrator has the
/// first word.
const LIFETIME_MARGIN: Duration = Duration::from_secs(120);
/// A line of the log is longer than its event's body by less than this.
const LINE_OVERHEAD_BYTES: u64 = 512;

impl JobsConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let provider = environment
            .get(environment::GENERATOR_PROVIDER)
            .unwrap_or("template");
        let refused =
            |variable, error: SpecError| ConfigError::new(variable, format!("is refused: {error}"));
        let spec = JobSpec::new("check", "check", provider, "file:///check")
            .map_err(|error| refused(environment::GENERATOR_PROVIDER, error))?;
        let model = environment.get(GENERATOR_MODEL).map(str::to_owned);
        JobSpec {
            model: model.clone(),
            ..spec
        }
        .checked()
        .map_err(|error| refused(GENERATOR_MODEL, error))?;
        let from_one = |variable, default| match environment.parsed::<u32>(variable, default)? {
            0 => Err(ConfigError::new(variable, "is 0; it takes a number from 1")),
            number => Ok(number),
        };
        let max_budget_micro_usd = environment
            .micro_usd(environment::JOB_MAX_BUDGET_USD)?
            .unwrap_or(25_000_000);
        let budget_micro_usd = environment
            .micro_usd(environment::JOB_BUDGET_USD)?
            .unwrap_or(5_000_000.min(max_budget_micro_usd));
        if budget_micro_usd > max_budget_micro_usd {
            return Err(ConfigError::new(
                environment::JOB_BUDGET_USD,
                format!("is more than {}", environment::JOB_MAX_BUDGET_USD),
            ));
        }
        let concurrency = from_one(environment::JOB_CONCURRENCY, 4)?;
        let retention_days = from_one(environment::JOB_RETENTION_DAYS, 30)?;
        let seconds = |variable, default| {
            environment
                .parsed(variable, default)
                .map(Duration::from_secs)
        };
        Ok(Self {
            provider: provider.to_owned(),
            model,
            budget_micro_usd,
            max_budget_micro_usd,
            timeout: seconds(environment::JOB_TIMEOUT_SECS, 1800)?,
            idle_timeout: seconds(environment::JOB_IDLE_TIMEOUT_SECS, 120)?,
            max_events: from_one(environment::JOB_MAX_EVENTS, 20_000)?,
            max_event_bytes: from_one(environment::JOB_MAX_EVENT_BYTES, 32 * 1024 * 1024)?,
            concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
            queue: from_one(environment::JOB_QUEUE_LIMIT, 1000)?,
            retention: Duration::from_secs(u64::from(retention_days) * 24 * 60 * 60),
            lease: Duration::from_secs(15),
            stop_grace: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(60),
            search: Duration::from_secs(75),
            leftovers: Duration::from_secs(30),
            interruptions: 3,
            attempts: 100,
            usual_wait: Duration::from_secs(15 * 60),
            shortest_wait: Duration::from_secs(30),
            longest_wait: Duration::from_secs(8 * 24 * 60 * 60),
        })
    }

    /// After this time a generator ends by itself.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.timeout.saturating_add(LIFETIME_MARGIN)
    }

    /// The size in bytes of a log that holds as much as a job may.
    #[must_use]
    pub fn max_log_bytes(&self) -> u64 {
        u64::from(self.max_event_bytes) + u64::from(self.max_events) * LINE_OVERHEAD_BYTES
    }
}
