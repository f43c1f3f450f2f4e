//! ECS services: what they run, what is being rolled out, and how many tasks there are.
//!
//! A request with `cluster` names the service as ECS does. One without names it as
//! `platform.toml` does.

use crate::{ErrorBody, Timestamp};
use serde::{Deserialize, Serialize};

/// Asks what a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowService {
    /// The cluster.
    pub cluster: String,
    /// The service.
    pub service: String,
}

/// A service, where it exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownService {
    /// `None` where there is no such service.
    pub service: Option<Service>,
}

/// A service as ECS knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Tasks that should run.
    pub desired: u32,
    /// Tasks that run.
    pub running: u32,
    /// Tasks that are being started.
    pub pending: u32,
    /// ARN of the task definition with its revision.
    pub task_definition: String,
    /// The image of the first container, by digest.
    pub image: Option<String>,
    /// Deployments that are not over.
    pub deployments: Vec<Deployment>,
    /// What happened, the newest first.
    pub events: Vec<ServiceEvent>,
}

impl Service {
    /// The deployment that the service is meant to come to.
    #[must_use]
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments
            .iter()
            .find(|deployment| deployment.status == "PRIMARY")
    }
}

/// One roll-out of a task definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// `PRIMARY` or `ACTIVE`.
    pub status: String,
    /// ARN of the task definition with its revision.
    pub task_definition: String,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`; the local cloud does not always say it.
    pub rollout_state: Option<String>,
    /// Why it is in this state, in the words of ECS.
    pub rollout_reason: Option<String>,
    /// Tasks that should run.
    pub desired: u32,
    /// Tasks that run.
    pub running: u32,
    /// Tasks that could not be started.
    pub failed_tasks: u32,
    /// When it began.
    pub created_at: Option<Timestamp>,
}

/// Something that happened to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// When it happened.
    pub at: Option<Timestamp>,
    /// In the words of ECS.
    pub message: String,
}

/// Follows the next deployment of a service to its end. One that fails is answered by a
/// [`FailedDeployment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowService {
    /// The cluster.
    pub cluster: String,
    /// The service.
    pub service: String,
    /// The task definition that runs now: a deployment of it is not the one to follow.
    pub not_definition: Option<String>,
    /// How long the deployment may take once it has appeared.
    pub timeout_secs: u64,
    /// How long it may take to appear.
    pub appear_secs: u64,
}

/// A deployment that came to a good end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// Always [`DeploymentState::Completed`].
    pub state: DeploymentState,
    /// The id of the deployment.
    pub deployment_id: Option<String>,
    /// ARN of the task definition that it rolled out.
    pub task_definition: Option<String>,
    /// The tasks that run.
    pub tasks: Vec<RunningTask>,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// All its tasks run.
    Completed,
    /// It cannot come to a good end any more.
    Failed,
    /// The service returns to what ran before.
    RolledBack,
    /// Somebody else deployed something else.
    Superseded,
    /// It took too long.
    Timeout,
}

/// A task that a deployment started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningTask {
    /// Its ARN.
    pub arn: String,
    /// IPv4, in the task's subnet.
    pub address: Option<String>,
    /// When its container started.
    pub started_at: Option<Timestamp>,
}

/// What a call prints that followed a deployment to a bad end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedDeployment {
    /// Why it failed.
    pub error: ErrorBody,
    /// How it ended.
    pub state: DeploymentState,
    /// The id of the deployment, where one appeared.
    pub deployment_id: Option<String>,
    /// ARN of the task definition that it rolled out.
    pub task_definition: Option<String>,
    /// Its tasks that ended.
    pub stopped: Vec<StoppedTask>,
}

/// A task of a deployment that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedTask {
    /// Its ARN.
    pub arn: String,
    /// Why it ended, in the words of ECS.
    pub reason: String,
    /// The exit code of its first container.
    pub exit_code: Option<i32>,
    /// The last lines of its log, the oldest first.
    pub log: Vec<String>,
}

/// Rolls another revision of the task definition out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedefineService {
    /// The cluster.
    pub cluster: String,
    /// The service.
    pub service: String,
    /// `family:revision`, or the ARN.
    pub definition: String,
}

/// Replaces the tasks of a service by new ones of the same definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartService {
    /// The service.
    pub service: String,
}

/// A deployment began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The id of the deployment.
    pub deployment_id: String,
}

/// Sets how many tasks a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleService {
    /// The service.
    pub service: String,
    /// How many tasks, up to 5,000.
    pub to: u32,
}

/// A service is set to another number of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    /// The id of the service's deployment.
    pub deployment_id: String,
    /// How many tasks should run before.
    pub was: u32,
}

/// Follows a service until it runs exactly this many tasks. A bad end is answered by a
/// [`FailedDeployment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleService {
    /// The service.
    pub service: String,
    /// How many tasks, up to 5,000.
    pub to: u32,
    /// The id of the deployment whose tasks count; the primary one where this is absent.
    pub deployment: Option<String>,
    /// How long it may take.
    pub timeout_secs: u64,
}

/// A service runs as many tasks as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Tasks that run.
    pub running: u32,
    /// Tasks that should run.
    pub desired: u32,
    /// How long that took.
    pub seconds: u64,
}
