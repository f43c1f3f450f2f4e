//! What is known about an environment when the rules judge it. Nothing here asks a source.

use crate::jobs::Job;
use crate::providers::Asked;
use app_gen_infra::Platform;
use app_gen_saas_contract::Health;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;
use time::OffsetDateTime;
use xtask_aws_api::Timestamp;
use xtask_aws_api::calls::logs::LogRecord;
use xtask_aws_api::calls::rights::Right;
use xtask_aws_api::calls::secrets::ListedSecret;
use xtask_aws_api::calls::status::{ServiceStatus, Status};
use xtask_aws_api::calls::tasks::Task;
use xtask_core::error::Rendered;
use xtask_machine::State;
use xtask_machine::part::Part;

/// The answer of one source.
#[derive(Debug)]
pub enum Source<T> {
    /// It answered.
    Known(T),
    /// It was not asked, because something that it depends on does not run, or because the
    /// environment does not have it.
    Unasked,
    /// It did not answer.
    Failed(Rendered),
}

impl<T> Source<T> {
    /// The same with another answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Source<U> {
        match self {
            Self::Known(answer) => Source::Known(change(answer)),
            Self::Unasked => Source::Unasked,
            Self::Failed(rendered) => Source::Failed(rendered),
        }
    }

    /// The answer, if the source gave one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::Unasked | Self::Failed(_) => None,
        }
    }

    /// Why the source did not answer, if it was asked.
    pub fn failure(&self) -> Option<&Rendered> {
        match self {
            Self::Failed(rendered) => Some(rendered),
            Self::Known(_) | Self::Unasked => None,
        }
    }
}

impl<T> From<anyhow::Result<T>> for Source<T> {
    fn from(result: anyhow::Result<T>) -> Self {
        match result {
            Ok(answer) => Self::Known(answer),
            Err(error) => Self::Failed(Rendered::new(&error)),
        }
    }
}

/// Everything that is known.
#[derive(Debug)]
pub struct Evidence {
    /// The manifest: what should be there.
    pub platform: Platform,
    /// Name of the environment.
    pub environment: String,
    /// When the evidence was gathered.
    pub now: OffsetDateTime,
    /// The only thing that is asked about, or `None` for everything.
    pub focus: Option<Focus>,
    /// The parts of this machine that the environment `local` depends on.
    pub parts: Vec<PartFound>,
    /// The disks that this machine writes to.
    pub disks: Vec<Disk>,
    /// Services and alarms.
    pub status: Source<Status>,
    /// Tasks that run or stopped recently, the newest first.
    pub tasks: Source<Vec<Task>>,
    /// The secrets, and which of their keys have a value.
    pub secrets: Source<Vec<ListedSecret>>,
    /// The providers that jobs may name and whose key is there, each asked about that key.
    pub providers: Source<Vec<Asked>>,
    /// The rights of whoever runs `doctor`. Only AWS checks them.
    pub rights: Source<Vec<Right>>,
    /// The current release.
    pub release: Source<Option<Serving>>,
    /// What users get for `/health`.
    pub health: Source<Answer>,
    /// The images of the release and of the services, as their registry has them.
    pub images: Vec<ImageFound>,
    /// The container of the local database, as the engine knows it.
    pub database: Source<Option<Container>>,
    /// The newest jobs.
    pub jobs: Source<Vec<Job>>,
    /// Lines of level ERROR that the orchestrator wrote recently.
    pub errors: Source<Vec<LogRecord>>,
}

/// A service, a kind of task, or one of its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focus {
    /// Name of the service or kind of task in the manifest.
    pub consumer: String,
    /// Id of the task, if only one is asked about.
    pub task: Option<String>,
}

/// A part of this machine.
#[derive(Debug)]
pub struct PartFound {
    /// The part.
    pub part: Part,
    /// Its state.
    pub state: State,
    /// What was found, in a few words.
    pub found: String,
    /// What repairs it.
    pub fix: String,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What is stored on it.
    pub holds: Vec<&'static str>,
    /// A folder on it.
    pub path: PathBuf,
    /// Space that a user can still use.
    pub free_bytes: u64,
    /// Its size.
    pub total_bytes: u64,
}

/// The release that should serve.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Id of the release.
    pub id: String,
    /// The key of each image, by the name of the image.
    pub keys: BTreeMap<String, String>,
}

/// What a request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The URL that was requested.
    pub url: String,
    /// The reply, or why there was none.
    pub outcome: Result<Reply, String>,
}

/// A reply to an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status code.
    pub status: u16,
    /// The health report that it contains.
    pub health: Option<Health>,
}

/// An image as its registry has it.
#[derive(Debug)]
pub struct ImageFound {
    /// Service or kind of task that runs it.
    pub consumer: String,
    /// Its reference by digest.
    pub reference: String,
    /// Its platform; `None` if the registry does not have the image.
    pub platform: Source<Option<String>>,
}

/// A container of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its state, for instance `running` or `exited`.
    pub state: String,
}

impl Evidence {
    /// A command line of `cargo xtask` for this environment.
    #[must_use]
    pub fn command(&self, words: &str) -> String {
        match self.environment.as_str() {
            "local" => format!("cargo xtask {words}"),
            environment => format!("cargo xtask {words} --env {environment}"),
        }
    }

    /// A part of this machine, if the environment depends on it.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&PartFound> {
        self.parts.iter().find(|found| found.part == part)
    }

    /// A service by its name in the manifest.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&ServiceStatus> {
        let services = &self.status.known()?.services;
        services.iter().find(|service| service.service == name)
    }

    /// Services that are deployed.
    pub fn services(&self) -> impl Iterator<Item = &ServiceStatus> {
        let services = self.status.known().map(|status| &status.services);
        services
            .into_iter()
            .flatten()
            .filter(|service| service.exists == Some(true))
    }

    /// Tasks of a service or kind of task, the newest first.
    pub fn tasks_of(&self, consumer: &str) -> Vec<&Task> {
        let mut tasks: Vec<&Task> = self
            .tasks
            .known()
            .into_iter()
            .flatten()
            .filter(|task| task.kind == consumer)
            .collect();
        tasks.sort_by_key(|task| Reverse(task.state.created_at));
        tasks
    }

    /// Seconds since a time, if there is one.
    #[must_use]
    pub fn seconds_since(&self, at: Option<Timestamp>) -> Option<i64> {
        Some((self.now - at?.date_time()).whole_seconds())
    }
}

impl PartFound {
    /// Whether the part is as it should be.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.state == State::Ok
    }
}

/// Whether a service runs all its tasks, and no deployment is in progress.
#[must_use]
pub fn is_settled(service: &ServiceStatus) -> bool {
    service.desired > 0
        && service.running >= service.desired
        && service.rollout_state.as_deref() == Some("COMPLETED")
}

/// Task definition of a service as `family:revision`.
#[must_use]
pub fn revision(service: &ServiceStatus) -> &str {
    let definition = service.task_definition.as_deref().unwrap_or_default();
    definition.rsplit('/').next().unwrap_or(definition)
}
