//! Tasks: those that run and those that stopped, and how to run or stop one.

use crate::calls::logs::LogLine;
use crate::{ErrorBody, SecretText, StopReason, Timestamp};
use serde::{Deserialize, Serialize};

/// Asks for tasks, with the meaning of those that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListTasks {
    /// Which tasks.
    pub which: WhichTasks,
    /// How many of the last lines that each failed task wrote, from 1 to 1,000; none where this is
    /// absent.
    pub log_lines: Option<u32>,
}

/// Which tasks are listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichTasks {
    /// Those of the environment's own cluster that run or stopped lately; none where nothing is
    /// deployed.
    Deployed,
    /// Those of this cluster that run or stopped lately.
    InCluster(String),
    /// Those that failed since then (in milliseconds since 1970), also those that ECS has
    /// forgotten.
    FailedSinceMs(i64),
}

/// Tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskList {
    /// Running tasks first, then those that stopped, the latest first.
    pub tasks: Vec<Task>,
}

/// A task, and what is known of it beyond ECS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The last part of the ARN.
    #[serde(rename = "task")]
    pub id: String,
    /// Name in `platform.toml` of the service or the kind of task that it belongs to, or `other`.
    pub kind: String,
    /// The service that it belongs to, by its name in `platform.toml`, else by its name in ECS.
    pub service: Option<String>,
    /// What its end means, where it failed.
    pub meaning: Option<Meaning>,
    /// The last lines that it wrote, where it failed and they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<LogLine>>,
    /// The task as ECS knows it; in JSON these fields are those of the task.
    #[serde(flatten)]
    pub state: TaskState,
}

impl Task {
    /// Whether it has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state.is_stopped()
    }

    /// When it started, or else when it was created.
    #[must_use]
    pub fn begun_at(&self) -> Option<Timestamp> {
        self.state.started_at.or(self.state.created_at)
    }

    /// Whether it has ended in a way that it should not have.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.is_stopped() && self.meaning.is_some()
    }

    /// Why it ended: what the end means, or else its exit code, or else the words of ECS. Empty while
    /// it runs.
    #[must_use]
    pub fn why(&self) -> String {
        if !self.is_stopped() {
            return String::new();
        }
        match (&self.meaning, &self.state.reason, self.state.exit_code) {
            (Some(meaning), ..) => meaning.says.clone(),
            (None, _, Some(code)) => format!("exit code {code}"),
            (None, Some(reason), None) => reason.clone(),
            (None, None, None) => "no exit code".to_owned(),
        }
    }
}

/// A task as ECS knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// Its ARN.
    pub arn: String,
    /// `family:revision`.
    pub task_definition: String,
    /// As ECS writes it: from `PROVISIONING` by `RUNNING` to `STOPPED`.
    pub status: String,
    /// The exit code of its first container. It is absent while the container runs, and where it
    /// never started.
    pub exit_code: Option<i32>,
    /// Why the task stopped, in the words of ECS.
    pub reason: Option<String>,
    /// As ECS writes it, for instance `EssentialContainerExited`.
    pub stop_code: Option<String>,
    /// Why its first container stopped, where ECS says it.
    pub container_reason: Option<String>,
    /// The name of its first container.
    pub container: Option<String>,
    /// The image of its first container.
    pub image: Option<String>,
    /// The digest of that image.
    pub image_digest: Option<String>,
    /// IPv4, in the task's subnet.
    pub address: Option<String>,
    /// `FARGATE` or `FARGATE_SPOT`.
    pub capacity: Option<String>,
    /// Who started it; on AWS, the deployment of the service that it belongs to.
    pub started_by: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When its container started.
    pub started_at: Option<Timestamp>,
    /// When it stopped.
    pub stopped_at: Option<Timestamp>,
    /// The id of the job that it works for.
    pub job: Option<String>,
}

impl TaskState {
    /// Whether the task has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.status == "STOPPED"
    }

    /// Why the task and its container stopped, on one line.
    #[must_use]
    pub fn reasons(&self) -> String {
        let reasons: Vec<&str> = [self.reason.as_deref(), self.container_reason.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        if reasons.is_empty() {
            "no reason given".to_owned()
        } else {
            reasons.join("; ")
        }
    }

    /// What went wrong with a stopped task. A missing exit code is a failure too.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let reasons = self.reasons();
        match self.exit_code {
            Some(0) => None,
            Some(code) => Some(format!("exit code {code}: {reasons}")),
            None => Some(format!("no exit code: {reasons}")),
        }
    }
}

/// The end of a task in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// Ends with the same reason have the same remedy.
    #[serde(rename = "name")]
    pub reason: StopReason,
    /// What happened.
    pub says: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Runs one task and waits for its end. A task that ran and failed is answered by a [`TaskRun`]
/// with an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunTask {
    /// What to run, and where.
    pub what: TaskToRun,
    /// The container that gets the variables; the first one of the definition where this is
    /// absent.
    pub container: Option<String>,
    /// Variables for the environment of the container.
    pub variables: Vec<Variable>,
    /// The arguments of the container's program; those of its image where there are none here.
    #[serde(default)]
    pub command: Vec<String>,
    /// Whether to run on spare capacity, and once on demand where there is none.
    pub spot: bool,
    /// The task is stopped after this time.
    pub timeout_secs: u64,
}

/// What a task is started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskToRun {
    /// A kind of task of `platform.toml`, run as the deployed orchestrator runs it.
    Kind(String),
    /// A service of `platform.toml`: the task definition that it runs now, once and beside it, with its network, its
    /// role and its secrets.
    Service(String),
    /// A task definition.
    Definition {
        /// The cluster that the task runs in.
        cluster: String,
        /// `family`, `family:revision`, or the ARN.
        definition: String,
        /// Where the network interface of the task is.
        network: Network,
    },
}

/// Where the network interface of a task is. The local cloud needs nothing of this; on AWS a task
/// needs at least one subnet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Ids of subnets.
    pub subnets: Vec<String>,
    /// Ids of security groups.
    pub security_groups: Vec<String>,
}

/// A variable of the environment of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, which may be one that must not be shown.
    pub value: SecretText,
}

/// Runs a task as [`RunTask`] does, and streams what it writes while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamTask {
    /// The task.
    pub task: RunTask,
}

/// A task that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRun {
    /// The task.
    pub task: Task,
    /// The end of its log, where it was not streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<TaskLog>,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// The end of the log of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLog {
    /// The log group.
    pub group: String,
    /// The log stream.
    pub stream: String,
    /// The last lines, the oldest first.
    pub lines: Vec<LogLine>,
}

/// Stops a task of the environment. One that has stopped already stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopTask {
    /// Its id, at least six characters of its beginning, or its ARN.
    pub task: String,
    /// Why, for whoever looks at the task later.
    pub reason: String,
}

/// A task was asked to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStopped {
    /// Its ARN.
    pub arn: String,
    /// Its status before.
    pub was: String,
}

/// Starts a command in a task of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Its id, at least six characters of its beginning, or its ARN.
    pub task: String,
    /// The command line; the container runs it without a shell.
    pub command: String,
}

/// What AWS's session plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The id of the session.
    pub session_id: String,
    /// The address of the session.
    pub stream_url: String,
    /// Whoever has the token is in the task.
    pub token: SecretText,
    /// The container, as the session service names it.
    pub target: String,
    /// The region of the environment.
    pub region: String,
}
