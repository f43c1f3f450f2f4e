//! What `xtask-aws` says of services, tasks and alarms. Fields that no command reads are
//! passed on as they are.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use xtask_core::context::Context;
use xtask_machine::aws;

/// All that is asked at once.
#[derive(Debug, Default, Deserialize)]
pub struct Answer {
    /// One for each service of the manifest.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Running ones first, then the newest end.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Those of this project.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// What could not be asked.
    #[serde(default)]
    pub partial: Vec<Unknown>,
}

/// A service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Service {
    /// As the manifest names it.
    pub service: String,
    /// Whether it is deployed; nothing where that could not be asked.
    pub exists: Option<bool>,
    /// Tasks that run.
    #[serde(default)]
    pub running: u32,
    /// Tasks that should run.
    #[serde(default)]
    pub desired: u32,
    /// ARN with revision.
    pub task_definition: Option<String>,
    /// By digest.
    pub image: Option<String>,
    /// As ECS writes it, for instance `COMPLETED`.
    pub rollout_state: Option<String>,
    /// When what runs was deployed, RFC 3339.
    pub created_at: Option<String>,
    /// The newest first.
    #[serde(default)]
    pub events: Vec<Event>,
    /// What its load balancer knows of it.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// The rest.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What ECS says of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339.
    pub at: Option<String>,
    /// In ECS's words.
    pub message: String,
    /// The rest.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A task behind a load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Address.
    #[serde(default)]
    pub address: String,
    /// Port.
    pub port: Option<u16>,
    /// `healthy`, `unhealthy`, `initial`, …
    pub health: String,
    /// Such as `Target.ResponseCodeMismatch`.
    pub reason: Option<String>,
    /// In the load balancer's words.
    pub description: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A task.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Task {
    /// Its short id.
    pub task: String,
    /// Its ARN.
    pub arn: String,
    /// What it is, as the manifest names it, or `other`.
    pub kind: String,
    /// `family:revision`.
    #[serde(default)]
    pub task_definition: String,
    /// `RUNNING`, `STOPPED`, …
    pub status: String,
    /// The job that it works for.
    pub job: Option<String>,
    /// How its container ended.
    pub exit_code: Option<i32>,
    /// `FARGATE` or `FARGATE_SPOT`.
    pub capacity: Option<String>,
    /// RFC 3339.
    pub created_at: Option<String>,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub stopped_at: Option<String>,
    /// Why it was stopped, in ECS's words.
    pub reason: Option<String>,
    /// Why its container was, where ECS says it.
    pub container_reason: Option<String>,
    /// What its end means, where it failed.
    pub meaning: Option<Meaning>,
    /// The last lines of one that failed, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<Line>,
    /// The rest.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Task {
    /// Whether it has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.status == "STOPPED"
    }

    /// When it started, or else was made, RFC 3339.
    #[must_use]
    pub fn begun_at(&self) -> Option<&str> {
        self.started_at.as_deref().or(self.created_at.as_deref())
    }

    /// Whether it has ended and should not have.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.is_stopped() && self.meaning.is_some()
    }

    /// Why it ended, where it has: what that means, else ECS's words, else its exit code.
    #[must_use]
    pub fn why(&self) -> String {
        if !self.is_stopped() {
            return String::new();
        }
        match (&self.meaning, &self.reason, self.exit_code) {
            (Some(meaning), ..) => meaning.says.clone(),
            (None, _, Some(code)) => format!("exit code {code}"),
            (None, Some(reason), None) => reason.clone(),
            (None, None, None) => "no exit code".to_owned(),
        }
    }
}

/// What the end of a task means.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meaning {
    /// Ends with the same name have the same reason.
    pub name: String,
    /// In plain words.
    pub says: String,
    /// What to do.
    pub hint: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A line of a log.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Line {
    /// As it was written.
    pub message: String,
    /// Who wrote it, where lines of several tasks are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// An alarm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name, also that of its section in docs/operations.md.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// In CloudWatch's words.
    pub reason: Option<String>,
    /// RFC 3339.
    pub since: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What could not be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unknown {
    /// Part of the answer.
    pub what: String,
    /// Why it is not known.
    pub error: String,
}

/// Running tasks, and those that ECS still remembers.
///
/// # Errors
/// The cloud does not answer.
pub fn tasks(context: &Context) -> anyhow::Result<Vec<Task>> {
    Ok(aws::call(context, ["tasks"]).read::<Tasks>()?.tasks)
}

/// Tasks that failed since then (milliseconds since 1970), as they were recorded, the newest
/// first.
///
/// # Errors
/// The cloud does not answer, or keeps no such record.
pub fn failed_tasks(context: &Context, since_ms: i64) -> anyhow::Result<Vec<Task>> {
    let since = format!("--failed-since-ms={since_ms}");
    Ok(aws::call(context, ["tasks", &since]).read::<Tasks>()?.tasks)
}

#[derive(Deserialize)]
struct Tasks {
    tasks: Vec<Task>,
}

/// The services of the manifest as they are.
///
/// # Errors
/// The cloud does not answer.
pub fn services(context: &Context) -> anyhow::Result<Answer> {
    aws::call(context, ["status"]).read()
}
