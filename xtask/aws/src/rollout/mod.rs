//! Judges a deployment of a service while it happens: which deployment is ours, whether it has come
//! to its end, and whether it still can come to a good one.

use crate::ecs::definition_name;
use crate::stop_reasons::{Hope, Stop, hope, meaning, meaning_of};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use xtask_aws_api::Timestamp;
use xtask_aws_api::calls::services::{Deployment, DeploymentState, Service, StoppedTask};
use xtask_aws_api::calls::tasks::{Meaning, TaskState};

/// How long the tasks must have run where the cloud says that the roll-out is complete. AWS says so
/// much later than that; the local cloud says so of the first deployment of a service at once,
/// before there is a task.
const SETTLE: Duration = Duration::from_secs(3);

/// How long the tasks must have run where the cloud does not say how far the roll-out is.
const SETTLE_UNTOLD: Duration = Duration::from_secs(10);

/// After this many stops for the same reason, the reason is not an accident.
const STOPS: usize = 2;

/// A task of ours that ended, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stopped {
    pub(crate) task: StoppedTask,
    pub(crate) meaning: Meaning,
}

impl Stopped {
    pub(crate) fn new(task: &TaskState, log: Vec<String>, environment: &str) -> Self {
        let reason = task.reasons();
        let meaning = meaning(
            &Stop {
                reason: &reason,
                code: task.stop_code.as_deref(),
                exit_code: task.exit_code,
                log: &log,
            },
            environment,
        );
        Self {
            task: StoppedTask {
                arn: task.arn.clone(),
                reason,
                exit_code: task.exit_code,
                log,
            },
            meaning,
        }
    }
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) state: DeploymentState,
    pub(crate) message: String,
    pub(crate) cause: Option<String>,
    pub(crate) hint: Option<String>,
}

/// What is known after one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wait,
    Completed,
    Failed(Failure),
}

/// The deployment that we follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ours {
    pub(crate) id: String,
    pub(crate) task_definition: String,
    created_at: Option<Timestamp>,
}

/// What was seen of a deployment so far.
#[derive(Debug)]
pub(crate) struct Rollout {
    service_name: String,
    environment: String,
    /// The definition that ran before: a deployment of it is not ours.
    before: Option<String>,
    /// The id of our deployment, where it is known beforehand.
    wanted: Option<String>,
    /// The deployments other than the primary one that existed when we began to look.
    old: Option<BTreeSet<String>>,
    ours: Option<Ours>,
    /// When we first saw each of our tasks run.
    running: BTreeMap<String, Instant>,
    stopped: Vec<Stopped>,
    /// The last event of the service that named what keeps tasks from starting.
    trouble: Option<(String, Meaning)>,
}

impl Rollout {
    pub(crate) fn new(service_name: &str, environment: &str, before: Option<&str>) -> Self {
        Self {
            service_name: service_name.to_owned(),
            environment: environment.to_owned(),
            before: before.map(|definition| definition_name(definition).to_owned()),
            wanted: None,
            old: None,
            ours: None,
            running: BTreeMap::new(),
            stopped: Vec::new(),
            trouble: None,
        }
    }

    /// Follows the deployment with this id, or the primary one where no id is given.
    pub(crate) fn of(service_name: &str, environment: &str, deployment: Option<String>) -> Self {
        Self {
            wanted: deployment,
            ..Self::new(service_name, environment, None)
        }
    }

    pub(crate) fn ours(&self) -> Option<&Ours> {
        self.ours.as_ref()
    }

    pub(crate) fn stopped(&self) -> &[Stopped] {
        &self.stopped
    }

    /// Takes note of the service, and finds our deployment as soon as there is one. It may have
    /// failed and been rolled back between two looks, so it is not always the primary one.
    pub(crate) fn see_service(&mut self, service: Option<&Service>) {
        let deployments = service.map_or(&[][..], |service| &service.deployments);
        let old = self.old.get_or_insert_with(|| {
            let others = deployments.iter().filter(|one| one.status != "PRIMARY");
            others.map(|one| one.id.clone()).collect()
        });
        if self.ours.is_none() {
            self.ours = deployments
                .iter()
                .find(|one| {
                    let definition = definition_name(&one.task_definition);
                    !old.contains(&one.id)
                        && self.before.as_deref() != Some(definition)
                        && self.wanted.as_ref().is_none_or(|wanted| one.id == *wanted)
                })
                .map(|one| Ours {
                    id: one.id.clone(),
                    task_definition: one.task_definition.clone(),
                    created_at: one.created_at,
                });
        }
    }

    /// Takes note of a new event of the service.
    pub(crate) fn see_event(&mut self, message: &str) {
        if let Some(meaning) = meaning_of(message, &self.environment) {
            self.trouble = Some((message.to_owned(), meaning));
        }
    }

    /// Whether the task belongs to our deployment. AWS writes the id of the deployment into the
    /// task. The local cloud writes the name of the service, so definition and time decide there.
    pub(crate) fn is_ours(&self, task: &TaskState) -> bool {
        let Some(ours) = &self.ours else {
            return false;
        };
        match task.started_by.as_deref() {
            Some(by) if by.starts_with("ecs-svc/") => by == ours.id,
            _ => {
                task.task_definition == definition_name(&ours.task_definition)
                    && task.created_at >= ours.created_at
            }
        }
    }

    /// Takes note of a task of ours that ended.
    pub(crate) fn see_stop(&mut self, stopped: Stopped) {
        self.stopped.push(stopped);
    }

    /// Judges the service and our tasks as they are now.
    pub(crate) fn judge(
        &mut self,
        service: Option<&Service>,
        tasks: &[TaskState],
        now: Instant,
    ) -> Verdict {
        let Some(ours) = self.ours.clone() else {
            return Verdict::Wait;
        };
        let Some(service) = service else {
            let message = format!("service {} is gone", self.service_name);
            return Verdict::Failed(self.failure(DeploymentState::Superseded, message));
        };
        // This comes first: the reason says more than the roll-back that follows from it.
        if let Some(stopped) = self.hopeless() {
            let state = if service.primary().is_some_and(|one| one.id == ours.id) {
                DeploymentState::Failed
            } else {
                DeploymentState::RolledBack
            };
            let message = format!(
                "service {} cannot run {}: {}",
                self.service_name,
                definition_name(&ours.task_definition),
                stopped.meaning.says
            );
            return Verdict::Failed(self.failure(state, message));
        }
        let found = service.deployments.iter().find(|one| one.id == ours.id);
        match found {
            Some(deployment) if deployment.status == "PRIMARY" => {
                self.judge_primary(deployment, tasks, now)
            }
            _ => Verdict::Failed(self.displaced(found, service.primary())),
        }
    }

    fn judge_primary(
        &mut self,
        deployment: &Deployment,
        tasks: &[TaskState],
        now: Instant,
    ) -> Verdict {
        let rollout = deployment.rollout_state.as_deref();
        if rollout == Some("FAILED") {
            let reason = deployment
                .rollout_reason
                .as_deref()
                .unwrap_or("no reason given");
            let message = format!("the deployment of {} failed: {reason}", self.service_name);
            return Verdict::Failed(self.failure(DeploymentState::Failed, message));
        }
        if deployment.desired == 0 && rollout != Some("IN_PROGRESS") {
            // For ECS, a roll-out of no tasks is complete.
            let message = format!(
                "service {} is scaled to zero: nothing shows that the new version works",
                self.service_name
            );
            return Verdict::Failed(Failure {
                hint: Some("set its desired count to 1".to_owned()),
                ..self.failure(DeploymentState::Failed, message)
            });
        }
        let running: BTreeSet<&str> = tasks
            .iter()
            .filter(|task| task.status == "RUNNING" && self.is_ours(task))
            .map(|task| task.arn.as_str())
            .collect();
        self.running.retain(|arn, _| running.contains(arn.as_str()));
        for arn in running {
            self.running.entry(arn.to_owned()).or_insert(now);
        }
        let settle = match rollout {
            Some("COMPLETED") => SETTLE,
            None => SETTLE_UNTOLD,
            Some(_) => return Verdict::Wait,
        };
        let settled = self
            .running
            .values()
            .filter(|since| now.duration_since(**since) >= settle)
            .count();
        let wanted = usize::try_from(deployment.desired).unwrap_or_default();
        if wanted > 0 && settled >= wanted {
            Verdict::Completed
        } else {
            Verdict::Wait
        }
    }

    /// The failure of a deployment that took longer than `bound`.
    pub(crate) fn late(&self, service: Option<&Service>, bound: Duration) -> Failure {
        let counts = service.map_or_else(String::new, |service| {
            format!(": {} of {} tasks run", self.running.len(), service.desired)
        });
        let message = match &self.ours {
            Some(ours) => format!(
                "service {} does not run {} after {} s{counts}",
                self.service_name,
                definition_name(&ours.task_definition),
                bound.as_secs()
            ),
            None => format!(
                "no new deployment of service {} after {} s",
                self.service_name,
                bound.as_secs()
            ),
        };
        self.failure(DeploymentState::Timeout, message)
    }

    /// The stop that shows that no other try will do better.
    fn hopeless(&self) -> Option<&Stopped> {
        self.stopped
            .iter()
            .find(|stopped| match hope(stopped.meaning.reason) {
                Hope::No => true,
                Hope::Maybe => {
                    let same = |other: &&Stopped| other.meaning.reason == stopped.meaning.reason;
                    self.stopped.iter().filter(same).count() >= STOPS
                }
                Hope::Yes => false,
            })
    }

    /// Why our deployment is not the primary one any more.
    fn displaced(&self, ours: Option<&Deployment>, primary: Option<&Deployment>) -> Failure {
        let failed = ours.is_some_and(|one| one.rollout_state.as_deref() == Some("FAILED"));
        let back = primary.is_some_and(|one| {
            self.before.as_deref() == Some(definition_name(&one.task_definition))
        });
        let now = primary.map_or("nothing", |one| definition_name(&one.task_definition));
        if failed || back {
            let message = format!("service {} was rolled back to {now}", self.service_name);
            self.failure(DeploymentState::RolledBack, message)
        } else {
            let message = format!(
                "somebody else deployed {now} to service {}",
                self.service_name
            );
            self.failure(DeploymentState::Superseded, message)
        }
    }

    /// Adds what is known of the reason: a stop that nobody asked for, else an event.
    fn failure(&self, state: DeploymentState, message: String) -> Failure {
        let known = self
            .hopeless()
            .or_else(|| {
                let mut stops = self.stopped.iter().rev();
                stops.find(|stopped| hope(stopped.meaning.reason) != Hope::Yes)
            })
            .map(|stopped| (&stopped.task.reason, &stopped.meaning))
            .or(self.trouble.as_ref().map(|(text, meaning)| (text, meaning)));
        let message = match known {
            Some((_, meaning)) if !message.ends_with(&meaning.says) => {
                format!("{message}: {}", meaning.says)
            }
            _ => message,
        };
        Failure {
            state,
            message,
            cause: known.map(|(reason, _)| reason.clone()),
            hint: known.and_then(|(_, meaning)| meaning.hint.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
