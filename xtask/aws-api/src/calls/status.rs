//! Services, tasks and alarms at a glance.

use crate::Timestamp;
use crate::calls::services::{Deployment, Service, ServiceEvent};
use crate::calls::tasks::Task;
use serde::{Deserialize, Serialize};

/// Asks for services, tasks and alarms at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {}

/// Services, tasks and alarms. A part that does not answer is empty, and named in `partial`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// One for each service of the manifest.
    pub services: Vec<ServiceStatus>,
    /// Running tasks first, then those that stopped, the latest first.
    pub tasks: Vec<Task>,
    /// The alarms of the project.
    pub alarms: Vec<Alarm>,
    /// What could not be asked.
    pub partial: Vec<Unanswered>,
}

/// A service of the manifest, whether it is deployed or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name in `platform.toml`.
    pub service: String,
    /// Its name in ECS.
    pub name: String,
    /// The cluster.
    pub cluster: String,
    /// Whether it is deployed; `None` where that could not be asked.
    pub exists: Option<bool>,
    /// Tasks that should run.
    pub desired: u32,
    /// Tasks that run.
    pub running: u32,
    /// Tasks that are being started.
    pub pending: u32,
    /// ARN of the task definition with its revision.
    pub task_definition: Option<String>,
    /// The image of the first container, by digest.
    pub image: Option<String>,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`, of the deployment that the service is meant to
    /// come to.
    pub rollout_state: Option<String>,
    /// When that deployment began.
    pub created_at: Option<Timestamp>,
    /// Deployments that are not over.
    pub deployments: Vec<Deployment>,
    /// What happened, the newest first.
    pub events: Vec<ServiceEvent>,
    /// What its load balancers know of its tasks.
    pub targets: Vec<Target>,
}

impl ServiceStatus {
    /// What ECS says of a service, and what its load balancers say; the names are added by the
    /// caller.
    #[must_use]
    pub fn of(service: Service, targets: Vec<Target>) -> Self {
        let primary = service.primary();
        Self {
            service: String::new(),
            name: String::new(),
            cluster: String::new(),
            exists: Some(true),
            desired: service.desired,
            running: service.running,
            pending: service.pending,
            rollout_state: primary.and_then(|primary| primary.rollout_state.clone()),
            created_at: primary.and_then(|primary| primary.created_at),
            task_definition: Some(service.task_definition),
            image: service.image,
            deployments: service.deployments,
            events: service.events,
            targets,
        }
    }
}

/// A task as its load balancer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// IPv4.
    pub address: String,
    /// The port that is asked.
    pub port: Option<u16>,
    /// `healthy`, `unhealthy`, `initial`, `draining`, `unused` or `unknown`.
    pub health: String,
    /// As the load balancer codes it, for instance `Target.ResponseCodeMismatch`.
    pub reason: Option<String>,
    /// In the words of the load balancer.
    pub description: Option<String>,
}

/// An alarm as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// In the words of CloudWatch.
    pub reason: Option<String>,
    /// When it came into this state.
    pub since: Option<Timestamp>,
}

/// A part that did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// The part.
    pub what: String,
    /// Why it did not answer.
    pub error: String,
}
