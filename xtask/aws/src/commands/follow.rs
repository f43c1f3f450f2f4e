//! Follows one deployment of a service from its appearance to its end, reports what happens on the
//! way, and ends early where the deployment cannot come to a good end. To settle a service at a
//! number of tasks is the same, with another good end.

use crate::alarms::expect_tasks;
use crate::commands::Handle;
use crate::config::Cloud;
use crate::ecs::{Container, DescribedService, Ecs, TaskId};
use crate::error::{CloudError, DetailedFailure, Kind};
use crate::interrupt::Signals;
use crate::logs::Logs;
use crate::report;
use crate::rollout::{Failure, Ours, Rollout, Stopped, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use xtask_aws_api::ErrorBody;
use xtask_aws_api::calls::services::{
    DeploymentState, FailedDeployment, FollowService, Followed, RunningTask, Service,
};
use xtask_aws_api::calls::tasks::TaskState;

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long the cloud may be out of reach before we give up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many lines of the log of a stopped task are part of the answer.
const LOG_LINES: u32 = 15;

impl Handle for FollowService {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Followed> {
        let rollout = Rollout::new(
            &self.service,
            &cloud.environment,
            self.not_definition.as_deref(),
        );
        let what = Watched {
            cluster: self.cluster,
            service: self.service,
            tasks: None,
            timeout: Duration::from_secs(self.timeout_secs),
            appear: Duration::from_secs(self.appear_secs),
        };
        let end = follow(what, rollout, cloud).await?;
        // A deployment of the stack sets the number of tasks, and not always the alarm.
        if let Some(service) = &end.service {
            expect_tasks(cloud, service.desired).await;
        }
        let running = end
            .tasks
            .into_iter()
            .filter(|task| task.status == "RUNNING");
        let tasks = running.map(|task| RunningTask {
            arn: task.arn,
            address: task.address,
            started_at: task.started_at,
        });
        Ok(Followed {
            state: DeploymentState::Completed,
            tasks: tasks.collect(),
            deployment_id: end.ours.as_ref().map(|ours| ours.id.clone()),
            task_definition: end.ours.map(|ours| ours.task_definition),
        })
    }
}

/// What is followed, and for how long.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) cluster: String,
    pub(super) service: String,
    /// How many tasks the service has to run; as many as its deployment says, where this is absent.
    pub(super) tasks: Option<u32>,
    pub(super) timeout: Duration,
    /// How long the deployment may take to appear.
    pub(super) appear: Duration,
}

/// A good end.
#[derive(Debug)]
pub(super) struct End {
    /// The deployment that was followed.
    ours: Option<Ours>,
    service: Option<Service>,
    /// Its tasks.
    tasks: Vec<TaskState>,
}

impl End {
    /// The service as it is now.
    pub(super) fn into_service(self) -> Service {
        self.service.unwrap_or_default()
    }
}

/// Follows a deployment until its end, or until a signal.
///
/// # Errors
/// A call fails, a signal ends the wait, or the deployment fails.
pub(super) async fn follow(what: Watched, rollout: Rollout, cloud: &Cloud) -> anyhow::Result<End> {
    let mut signals = Signals::listen()?;
    let mut follower = Follower {
        what: &what,
        cloud,
        ecs: Ecs::new(cloud.sdk()),
        rollout,
        events: None,
        reported: BTreeMap::new(),
        container: None,
    };
    tokio::select! {
        followed = follower.follow() => followed,
        how = signals.next() => {
            let message = format!("{how} while service {} was followed", what.service);
            Err(CloudError::new(Kind::Interrupted, message).into())
        }
    }
}

struct Follower<'a> {
    what: &'a Watched,
    cloud: &'a Cloud,
    ecs: Ecs,
    rollout: Rollout,
    /// Events that were reported, or that happened before we looked.
    events: Option<BTreeSet<String>>,
    /// The last state of each task that was reported.
    reported: BTreeMap<String, String>,
    /// The container of our tasks, and the log that it writes.
    container: Option<Container>,
}

impl Follower<'_> {
    async fn follow(&mut self) -> anyhow::Result<End> {
        let begin = Instant::now();
        let (mut since, mut reached) = (begin, begin);
        let mut bound = self.what.appear;
        let mut appeared = false;
        loop {
            match self.look().await {
                Ok((service, tasks)) => {
                    reached = Instant::now();
                    match self.judge(service.as_ref(), &tasks, reached) {
                        Verdict::Completed => {
                            return Ok(End {
                                ours: self.rollout.ours().cloned(),
                                service,
                                tasks,
                            });
                        }
                        Verdict::Failed(failure) => return Err(self.failed(failure)),
                        Verdict::Wait => {}
                    }
                    if !appeared && self.rollout.ours().is_some() {
                        appeared = true;
                        since = reached;
                        bound = self.what.timeout;
                    }
                    if since.elapsed() >= bound {
                        let late = self.rollout.late(service.as_ref(), bound);
                        return Err(self.failed(late));
                    }
                }
                Err(error) if error.kind == Kind::Unreachable && reached.elapsed() < PATIENCE => {
                    report::step(&format!("{error}; asking again"));
                }
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Reads the service and its tasks, and reports what is new.
    async fn look(&mut self) -> Result<(Option<Service>, Vec<TaskState>), CloudError> {
        let Watched {
            cluster, service, ..
        } = self.what;
        let is_first = self.events.is_none();
        let described = self.ecs.service(cluster, service).await?;
        self.report_events(described.as_ref());
        let found = described.map(|described| described.service);
        self.rollout.see_service(found.as_ref());
        let Some(ours) = self.rollout.ours() else {
            return Ok((found, Vec::new()));
        };
        if self.container.is_none() {
            report::step(&format!(
                "{service}: deployment {} of {}",
                ours.id, ours.task_definition
            ));
            self.container = Some(self.ecs.container(&ours.task_definition, None).await?);
        }
        // This comes after the service: a stop that the service has counted is among these tasks.
        let ids = match self.ecs.list_tasks(cluster, Some(service)).await {
            Ok(ids) => ids,
            Err(error) if error.kind == Kind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let described = self.ecs.describe_tasks(cluster, &ids).await?;
        let states = described.into_iter().map(|described| described.state);
        let mut tasks: Vec<TaskState> = states.collect();
        tasks.retain(|task| self.rollout.is_ours(task));
        tasks.sort_by_key(|task| task.created_at);
        for task in &tasks {
            self.report_task(task, is_first).await?;
        }
        Ok((found, tasks))
    }

    fn judge(&mut self, service: Option<&Service>, tasks: &[TaskState], now: Instant) -> Verdict {
        let (Some(wanted), Some(found)) = (self.what.tasks, service) else {
            return self.rollout.judge(service, tasks, now);
        };
        if found.desired != wanted {
            // The change is not shown yet, or somebody else made another one.
            return Verdict::Wait;
        }
        let is_counted = found.running == wanted && found.pending == 0;
        if wanted == 0 {
            let runs = tasks.iter().any(|task| !task.is_stopped());
            return if is_counted && !runs {
                Verdict::Completed
            } else {
                Verdict::Wait
            };
        }
        match self.rollout.judge(service, tasks, now) {
            // Tasks that are to end have to have ended.
            Verdict::Completed if !is_counted => Verdict::Wait,
            verdict => verdict,
        }
    }

    fn report_events(&mut self, found: Option<&DescribedService>) {
        let ids = found.map_or(&[][..], |found| &found.event_ids);
        let Some(known) = &mut self.events else {
            let runs = found.map_or("does not exist yet", |found| {
                found.service.task_definition.as_str()
            });
            report::step(&format!("{}: {runs}", self.what.service));
            self.events = Some(ids.iter().cloned().collect());
            return;
        };
        let events = found.map_or(&[][..], |found| &found.service.events);
        for (id, event) in ids.iter().zip(events).rev() {
            if known.insert(id.clone()) {
                report::step(&event.message);
                self.rollout.see_event(&event.message);
            }
        }
    }

    async fn report_task(&mut self, task: &TaskState, is_first: bool) -> Result<(), CloudError> {
        let id = TaskId(task.arn.clone());
        let reported = self.reported.insert(task.arn.clone(), task.status.clone());
        if reported.as_deref() == Some(&task.status) {
            return Ok(());
        }
        if !task.is_stopped() {
            report::step(&format!("task {} {}", id.short(), task.status));
        } else if !(is_first && self.what.tasks.is_some()) {
            // A deployment that has lasted for long has old stops, which say nothing about now.
            let mut stopped = Stopped::new(task, Vec::new(), &self.cloud.environment);
            if !stopped.meaning.reason.is_order() {
                // Its reason counts, with the last lines or without them.
                let log = self.log_of(task, &id).await.unwrap_or_default();
                stopped = Stopped::new(task, log, &self.cloud.environment);
            }
            report::step(&format!(
                "task {} STOPPED: {} ({})",
                id.short(),
                stopped.meaning.says,
                stopped.task.reason
            ));
            self.rollout.see_stop(stopped);
        }
        Ok(())
    }

    /// The last lines of the task; an empty list where its container never started.
    async fn log_of(&self, task: &TaskState, id: &TaskId) -> Result<Vec<String>, CloudError> {
        let place = self.container.as_ref().filter(|_| task.exit_code.is_some());
        let place = place.and_then(|it| Some((it.log_group.clone()?, it.log_stream(id)?)));
        let Some((group, stream)) = place else {
            return Ok(Vec::new());
        };
        let lines = Logs::new(self.cloud.sdk())
            .tail_of_stopped(&group, &stream, LOG_LINES)
            .await?;
        Ok(lines.into_iter().map(|line| line.message).collect())
    }

    fn failed(&self, failure: Failure) -> anyhow::Error {
        let ours = self.rollout.ours();
        let failed = FailedDeployment {
            error: ErrorBody {
                message: failure.message,
                causes: failure.cause.into_iter().collect(),
                hint: failure.hint,
            },
            state: failure.state,
            deployment_id: ours.map(|ours| ours.id.clone()),
            task_definition: ours.map(|ours| ours.task_definition.clone()),
            stopped: self
                .rollout
                .stopped()
                .iter()
                .map(|stopped| stopped.task.clone())
                .collect(),
        };
        DetailedFailure::deployment(&failed).map_or_else(|error| error, Into::into)
    }
}
