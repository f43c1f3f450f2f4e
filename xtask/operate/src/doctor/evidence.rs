//! What is known of an environment when it is judged. Nothing here asks anybody.

use crate::running::answers::{Answer as Status, Line, Service, Task};
use app_gen_infra::Platform;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::error::Rendered;
use xtask_machine::State;
use xtask_machine::part::Part;

/// What one source said.
#[derive(Debug)]
pub enum Source<T> {
    /// It answered.
    Known(T),
    /// It was not asked: what it stands on is not there, or the environment has none.
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

    /// The answer, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::Unasked | Self::Failed(_) => None,
        }
    }

    /// Why there is none, where it was asked.
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

/// All that is known.
#[derive(Debug)]
pub struct Evidence {
    /// What should be.
    pub platform: Platform,
    /// Where, by name.
    pub environment: String,
    /// When it was gathered.
    pub now: OffsetDateTime,
    /// What alone is asked about.
    pub focus: Option<Focus>,
    /// What the environment `local` stands on.
    pub parts: Vec<PartFound>,
    /// The disks that this machine writes to.
    pub disks: Vec<Disk>,
    /// Services and alarms.
    pub status: Source<Status>,
    /// Tasks that run or stopped lately, the newest first.
    pub tasks: Source<Vec<Task>>,
    /// Which keys of which secrets exist.
    pub secrets: Source<Vec<Secret>>,
    /// Rights of whoever asks; only AWS checks them.
    pub rights: Source<Vec<Right>>,
    /// What was deployed last and served.
    pub release: Source<Option<Serving>>,
    /// What users get for `/health`.
    pub health: Source<Answer>,
    /// Images of that release and of the services, in their registry.
    pub images: Vec<ImageFound>,
    /// The local database's container, by what the engine says of it.
    pub database: Source<Option<Container>>,
    /// Lines of level ERROR that services wrote lately.
    pub errors: Source<Vec<Line>>,
}

/// A service, a kind of task, or one task of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focus {
    /// Name in the manifest.
    pub consumer: String,
    /// One task, by its id.
    pub task: Option<String>,
}

/// A part of this machine.
#[derive(Debug)]
pub struct PartFound {
    /// Which.
    pub part: Part,
    /// How it is.
    pub state: State,
    /// In a few words.
    pub found: String,
    /// What brings it.
    pub fix: String,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What lies on it.
    pub holds: Vec<&'static str>,
    /// A folder on it.
    pub path: PathBuf,
    /// What a user may still write.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

/// A secret of the manifest.
#[derive(Debug, Deserialize)]
pub struct Secret {
    /// Name in Secrets Manager.
    pub name: String,
    /// Whether it exists.
    pub exists: bool,
    /// Its keys by the manifest.
    pub keys: Vec<SecretKey>,
}

/// A key of a secret.
#[derive(Debug, Deserialize)]
pub struct SecretKey {
    /// Its name.
    pub key: String,
    /// Whether it has a value.
    pub present: bool,
    /// Whether the environment needs it.
    #[serde(default)]
    pub required: bool,
}

/// A right of whoever asks.
#[derive(Debug, Deserialize)]
pub struct Right {
    /// Such as `ecs:RunTask`.
    pub action: String,
    /// ARN.
    pub resource: String,
    /// Whether IAM allows it.
    pub allowed: bool,
}

/// The release that should answer.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Its id.
    pub id: String,
    /// Keys of its images by name.
    pub keys: BTreeMap<String, String>,
}

/// What came back for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub url: String,
    /// What came, or why nothing did.
    pub outcome: Result<Reply, String>,
}

/// A reply of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// The health report in it, if it is one.
    pub health: Option<Health>,
}

/// What the orchestrator says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// `ok` or `unavailable`.
    pub status: String,
    /// `ok` or `unreachable`.
    pub database: String,
    /// Key of the image that answers.
    pub image_key: Option<String>,
}

/// An image, as its registry has it.
#[derive(Debug)]
pub struct ImageFound {
    /// Service or kind of task that runs it.
    pub consumer: String,
    /// By digest.
    pub reference: String,
    /// Its platform; nothing where the registry does not have it.
    pub platform: Source<Option<String>>,
}

/// A container of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Such as `running` or `exited`.
    pub state: String,
}

impl Evidence {
    /// A command line of ours for this environment.
    #[must_use]
    pub fn command(&self, words: &str) -> String {
        match self.environment.as_str() {
            "local" => format!("cargo xtask {words}"),
            environment => format!("cargo xtask {words} --env {environment}"),
        }
    }

    /// How a part of this machine is, where the environment stands on it.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&PartFound> {
        self.parts.iter().find(|found| found.part == part)
    }

    /// A service by its name in the manifest.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        let services = &self.status.known()?.services;
        services.iter().find(|service| service.service == name)
    }

    /// Services that ECS knows.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        let services = self.status.known().map(|status| &status.services);
        services
            .into_iter()
            .flatten()
            .filter(|service| service.exists == Some(true))
    }

    /// Tasks of a service or kind, the newest first.
    pub fn tasks_of(&self, consumer: &str) -> Vec<&Task> {
        let mut tasks: Vec<&Task> = self
            .tasks
            .known()
            .into_iter()
            .flatten()
            .filter(|task| task.kind == consumer)
            .collect();
        tasks.sort_by(|one, other| other.created_at.cmp(&one.created_at));
        tasks
    }

    /// Seconds since a time of the cloud; nothing where it is none.
    #[must_use]
    pub fn seconds_since(&self, at: Option<&str>) -> Option<i64> {
        let at = OffsetDateTime::parse(at?, &Rfc3339).ok()?;
        Some((self.now - at).whole_seconds())
    }
}

impl PartFound {
    /// Whether nothing needs to be done.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.state == State::Ok
    }
}

/// Whether a service runs what it should, and nothing is on its way.
#[must_use]
pub fn is_settled(service: &Service) -> bool {
    service.desired > 0
        && service.running >= service.desired
        && service.rollout_state.as_deref() == Some("COMPLETED")
}

/// `family:revision` of what a service runs.
#[must_use]
pub fn revision(service: &Service) -> &str {
    let definition = service.task_definition.as_deref().unwrap_or_default();
    definition.rsplit('/').next().unwrap_or(definition)
}
