//! Judges a deployment of a service while it happens: which one is ours, whether it has
//! come to its end, and whether it still can.

use crate::ecs::{Deployment, Service, TaskState, definition_name};
use crate::stop_reasons::{Hope, Meaning, Stop, meaning, meaning_of};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long the tasks must have run when the cloud says that the roll-out is complete.
/// AWS says it long after; the local cloud says it of a new service's first deployment
/// at once, before there is a task.
const SETTLE: Duration = Duration::from_secs(3);

/// The same where the cloud says nothing of the roll-out.
const SETTLE_UNTOLD: Duration = Duration::from_secs(10);

/// Stops for one reason after which it is no bad luck.
const STOPS: usize = 2;

/// A task of ours that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Stopped {
    pub(crate) arn: String,
    /// As the cloud says it.
    pub(crate) reason: String,
    pub(crate) exit_code: Option<i32>,
    /// The last lines of its log, oldest first.
    pub(crate) log: Vec<String>,
    #[serde(skip)]
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
            arn: task.arn.clone(),
            reason,
            exit_code: task.exit_code,
            log,
            meaning,
        }
    }
}

/// How a deployment failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It cannot come to a good end any more.
    Failed,
    /// The service goes back to what ran before.
    RolledBack,
    /// Somebody else deployed something else.
    Superseded,
    /// It took too long.
    Timeout,
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) state: State,
    pub(crate) message: String,
    pub(crate) cause: Option<String>,
    pub(crate) hint: Option<String>,
}

/// What one look came to.
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
    created_at: Option<aws_smithy_types::DateTime>,
}

/// What was seen of a deployment so far.
#[derive(Debug)]
pub(crate) struct Rollout {
    service_name: String,
    environment: String,
    /// What ran before; a deployment of it is not ours.
    before: Option<String>,
    /// Id of ours, where it is known beforehand.
    wanted: Option<String>,
    /// Deployments that were there, and not the primary one, when we began to look.
    old: Option<BTreeSet<String>>,
    ours: Option<Ours>,
    /// When each of our tasks was first seen running.
    running: BTreeMap<String, Instant>,
    stopped: Vec<Stopped>,
    /// The last thing that an event of the service said about what keeps tasks from starting.
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

    /// The deployment with this id; the primary one where there is none.
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

    /// Takes note of the service; finds our deployment as soon as there is one. It may
    /// have failed and been rolled back between two looks, so it need not be primary.
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

    /// Whether the task belongs to our deployment. AWS writes the deployment's id into
    /// the task, the local cloud the service's name: there, definition and time decide.
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
            return Verdict::Failed(self.failure(State::Superseded, message));
        };
        // First: a roll-back says less than the reason that it came from.
        if let Some(stopped) = self.hopeless() {
            let state = if service.primary().is_some_and(|one| one.id == ours.id) {
                State::Failed
            } else {
                State::RolledBack
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
            return Verdict::Failed(self.failure(State::Failed, message));
        }
        if deployment.desired == 0 && rollout != Some("IN_PROGRESS") {
            // ECS calls no tasks at all a complete roll-out.
            let message = format!(
                "service {} is scaled to zero: nothing shows that the new version works",
                self.service_name
            );
            return Verdict::Failed(Failure {
                hint: Some("set its desired count to 1".to_owned()),
                ..self.failure(State::Failed, message)
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

    /// The failure of a deployment that ran out of time; `bound` is what it had.
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
        self.failure(State::Timeout, message)
    }

    /// The stop after which no other try will do better.
    fn hopeless(&self) -> Option<&Stopped> {
        self.stopped
            .iter()
            .find(|stopped| match stopped.meaning.hope {
                Hope::No => true,
                Hope::Maybe => {
                    let same = |other: &&Stopped| other.meaning.name == stopped.meaning.name;
                    self.stopped.iter().filter(same).count() >= STOPS
                }
                Hope::Yes => false,
            })
    }

    /// Ours is not the primary deployment any more: why.
    fn displaced(&self, ours: Option<&Deployment>, primary: Option<&Deployment>) -> Failure {
        let failed = ours.is_some_and(|one| one.rollout_state.as_deref() == Some("FAILED"));
        let back = primary.is_some_and(|one| {
            self.before.as_deref() == Some(definition_name(&one.task_definition))
        });
        let now = primary.map_or("nothing", |one| definition_name(&one.task_definition));
        if failed || back {
            let message = format!("service {} was rolled back to {now}", self.service_name);
            self.failure(State::RolledBack, message)
        } else {
            let message = format!(
                "somebody else deployed {now} to service {}",
                self.service_name
            );
            self.failure(State::Superseded, message)
        }
    }

    /// Adds what is known of the reason: a stop that was no order, else an event.
    fn failure(&self, state: State, message: String) -> Failure {
        let told = self
            .hopeless()
            .or_else(|| {
                let mut stops = self.stopped.iter().rev();
                stops.find(|stopped| stopped.meaning.hope != Hope::Yes)
            })
            .map(|stopped| (&stopped.reason, &stopped.meaning))
            .or(self.trouble.as_ref().map(|(text, meaning)| (text, meaning)));
        let message = match told {
            Some((_, meaning)) if !message.ends_with(&meaning.says) => {
                format!("{message}: {}", meaning.says)
            }
            _ => message,
        };
        Failure {
            state,
            message,
            cause: told.map(|(reason, _)| reason.clone()),
            hint: told.and_then(|(_, meaning)| meaning.hint.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
