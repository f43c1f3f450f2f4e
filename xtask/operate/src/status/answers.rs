//! What `xtask-aws` answers about services, tasks and alarms. Fields that no command reads are
//! passed on to `--json` unchanged.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use xtask_core::context::Context;
use xtask_machine::aws;

/// The answer to `xtask-aws status`.
#[derive(Debug, Default, Deserialize)]
pub struct Answer {
    /// One for each service of the manifest.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Running tasks first, then those that stopped, the latest first.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// The alarms of this project.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// The parts that could not be asked.
    #[serde(default)]
    pub partial: Vec<Unknown>,
}

/// A service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Service {
    /// Its name in the manifest.
    pub service: String,
    /// Whether it is deployed; `None` if that could not be asked.
    pub exists: Option<bool>,
    /// Tasks that run.
    #[serde(default)]
    pub running: u32,
    /// Tasks that should run.
    #[serde(default)]
    pub desired: u32,
    /// ARN of the task definition with its revision.
    pub task_definition: Option<String>,
    /// Reference of its image, by digest.
    pub image: Option<String>,
    /// State of the deployment in ECS's words, for instance `COMPLETED`.
    pub rollout_state: Option<String>,
    /// When the deployment began, RFC 3339.
    pub created_at: Option<String>,
    /// Events of the service, the newest first.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Its tasks as the load balancer sees them.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// Fields that only `--json` shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// An event that ECS reports of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339.
    pub at: Option<String>,
    /// The event in ECS's words.
    pub message: String,
    /// Fields that only `--json` shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A task behind a load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// IPv4 address.
    #[serde(default)]
    pub address: String,
    /// The port that the load balancer asks.
    pub port: Option<u16>,
    /// `healthy`, `unhealthy`, `initial`, …
    pub health: String,
    /// A code, for instance `Target.ResponseCodeMismatch`.
    pub reason: Option<String>,
    /// The reason in the load balancer's words.
    pub description: Option<String>,
    /// Fields that only `--json` shows.
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
    /// The service or kind of task by its name in the manifest, or `other`.
    pub kind: String,
    /// `family:revision`.
    #[serde(default)]
    pub task_definition: String,
    /// `RUNNING`, `STOPPED`, …
    pub status: String,
    /// The job that it works for.
    pub job: Option<String>,
    /// Exit code of its container.
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
    /// Why its container stopped, if ECS knows it.
    pub container_reason: Option<String>,
    /// What the end means, if the task failed.
    pub meaning: Option<Meaning>,
    /// The last lines of the log of a task that failed, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<Line>,
    /// Fields that only `--json` shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Task {
    /// Whether it has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.status == "STOPPED"
    }

    /// When it started, or else when it was created, RFC 3339.
    #[must_use]
    pub fn begun_at(&self) -> Option<&str> {
        self.started_at.as_deref().or(self.created_at.as_deref())
    }

    /// Whether it has ended in a way that it should not have.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.is_stopped() && self.meaning.is_some()
    }

    /// Why it ended: what the end means, or else its exit code, or else ECS's words. Empty while it
    /// runs.
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
    /// Name of the reason; tasks that ended for the same reason have the same name.
    pub name: String,
    /// The reason in plain words.
    pub says: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Fields that only `--json` shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A line of a log.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Line {
    /// The text of the line.
    pub message: String,
    /// The task that wrote it, if the lines of several tasks are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Fields that only `--json` shows.
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
    /// The reason for the state, in CloudWatch's words.
    pub reason: Option<String>,
    /// Since when it is in this state, RFC 3339.
    pub since: Option<String>,
    /// Fields that only `--json` shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A part that could not be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unknown {
    /// The part.
    pub what: String,
    /// Why it is not known.
    pub error: String,
}

/// Tasks that run, and stopped ones that ECS still remembers.
///
/// # Errors
/// The cloud does not answer.
pub fn tasks(context: &Context) -> anyhow::Result<Vec<Task>> {
    Ok(aws::call(context, ["tasks"]).read::<Tasks>()?.tasks)
}

/// Tasks that failed since a time (milliseconds since 1970), from the log that records them, the
/// newest first.
///
/// # Errors
/// The cloud does not answer, or does not record which tasks fail.
pub fn failed_tasks(context: &Context, since_ms: i64) -> anyhow::Result<Vec<Task>> {
    let since = format!("--failed-since-ms={since_ms}");
    Ok(aws::call(context, ["tasks", &since]).read::<Tasks>()?.tasks)
}

#[derive(Deserialize)]
struct Tasks {
    tasks: Vec<Task>,
}

/// The services of the manifest with their tasks and alarms.
///
/// # Errors
/// The cloud does not answer.
pub fn services(context: &Context) -> anyhow::Result<Answer> {
    aws::call(context, ["status"]).read()
}
