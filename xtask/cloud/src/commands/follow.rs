//! `service follow`: one deployment of a service from its appearance to its end, with
//! what happens on the way, ended early where it cannot come to a good end.

use crate::config::Cloud;
use crate::ecs::{Container, Ecs, Service, TaskId, TaskState};
use crate::error::{CloudError, Kind};
use crate::logs::Logs;
use crate::report::{self, Outcome};
use crate::rollout::{Failure, Rollout, Stopped, Verdict};
use anyhow::Context;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long the cloud may be out of reach before the deployment is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of a stopped task's log that the result shows.
const LOG_LINES: u32 = 15;

/// Follow the service's next deployment to its end
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    cluster: String,
    #[arg(long)]
    service: String,
    /// What runs now: a deployment of it is not the one to follow
    #[arg(long, value_name = "DEFINITION")]
    not_definition: Option<String>,
    /// How long the deployment may take from when it appears
    #[arg(long, default_value_t = 600)]
    timeout_secs: u64,
    /// How long it may take to appear
    #[arg(long, default_value_t = 300)]
    appear_secs: u64,
}

/// # Errors
/// A call fails, or a signal ends the wait. A deployment that fails is an
/// [`Outcome`] with an error beside what is known of it.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut follower = Follower::new(&args, cloud);
    let ended = |how: &str| {
        let message = format!("{how} while service {} was followed", args.service);
        Err(CloudError::new(Kind::Interrupted, message).into())
    };
    tokio::select! {
        followed = follower.follow() => followed,
        _ = interrupt.recv() => ended("interrupted"),
        _ = terminate.recv() => ended("terminated"),
    }
}

struct Follower<'a> {
    args: &'a Args,
    cloud: &'a Cloud,
    ecs: Ecs,
    rollout: Rollout,
    /// Events that were told, or happened before we looked.
    events: Option<BTreeSet<String>>,
    /// The last state that was told of each task.
    told: BTreeMap<String, String>,
    /// Where our tasks write their log.
    container: Option<Container>,
}

impl<'a> Follower<'a> {
    fn new(args: &'a Args, cloud: &'a Cloud) -> Self {
        Self {
            args,
            cloud,
            ecs: Ecs::new(cloud.sdk()),
            rollout: Rollout::new(
                &args.service,
                &cloud.environment,
                args.not_definition.as_deref(),
            ),
            events: None,
            told: BTreeMap::new(),
            container: None,
        }
    }

    async fn follow(&mut self) -> anyhow::Result<Outcome> {
        let mut since = Instant::now();
        let mut bound = Duration::from_secs(self.args.appear_secs);
        let mut reached = Instant::now();
        let mut appeared = false;
        loop {
            match self.look().await {
                Ok((service, tasks)) => {
                    reached = Instant::now();
                    match self.rollout.judge(service.as_ref(), &tasks, reached) {
                        Verdict::Completed => return self.completed(&tasks),
                        Verdict::Failed(failure) => return Ok(self.failed(&failure)),
                        Verdict::Wait => {}
                    }
                    if !appeared && self.rollout.ours().is_some() {
                        appeared = true;
                        since = reached;
                        bound = Duration::from_secs(self.args.timeout_secs);
                    }
                    if since.elapsed() >= bound {
                        let late = self.rollout.late(service.as_ref(), bound);
                        return Ok(self.failed(&late));
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

    /// Reads the service and its tasks, and tells what is new.
    async fn look(&mut self) -> Result<(Option<Service>, Vec<TaskState>), CloudError> {
        let Args {
            cluster, service, ..
        } = self.args;
        let found = self.ecs.service(cluster, service).await?;
        self.rollout.see_service(found.as_ref());
        self.tell_events(found.as_ref());
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
        // After the service: a stop that it has counted is among these.
        let ids = match self.ecs.list_tasks(cluster, Some(service)).await {
            Ok(ids) => ids,
            Err(error) if error.kind == Kind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut tasks = self.ecs.describe_tasks(cluster, &ids).await?;
        tasks.retain(|task| self.rollout.is_ours(task));
        tasks.sort_by_key(|task| task.created_at);
        for task in &tasks {
            self.tell_task(task).await?;
        }
        Ok((found, tasks))
    }

    fn tell_events(&mut self, service: Option<&Service>) {
        let events = service.map_or(&[][..], |service| &service.events);
        let Some(known) = &mut self.events else {
            let runs = service.map_or("is not there yet", |service| &service.task_definition);
            report::step(&format!("{}: {runs}", self.args.service));
            self.events = Some(events.iter().map(|event| event.id.clone()).collect());
            return;
        };
        for event in events.iter().rev() {
            if known.insert(event.id.clone()) {
                report::step(&event.message);
                self.rollout.see_event(&event.message);
            }
        }
    }

    async fn tell_task(&mut self, task: &TaskState) -> Result<(), CloudError> {
        let id = TaskId(task.arn.clone());
        let told = self.told.insert(task.arn.clone(), task.status.clone());
        if !task.is_stopped() {
            if told.as_deref() != Some(&task.status) {
                report::step(&format!("task {} {}", id.short(), task.status));
            }
        } else if !self.rollout.knows_stop(&task.arn) {
            // Its reason counts, with its last lines or without.
            let log = self.log_of(task, &id).await.unwrap_or_default();
            let stopped = Stopped::new(task, log, &self.cloud.environment);
            report::step(&format!(
                "task {} STOPPED: {} ({})",
                id.short(),
                stopped.meaning.says,
                stopped.reason
            ));
            self.rollout.see_stop(stopped);
        }
        Ok(())
    }

    /// What the task wrote last; nothing where its container never started.
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

    fn completed(&self, tasks: &[TaskState]) -> anyhow::Result<Outcome> {
        let ours = self.rollout.ours();
        let tasks: Vec<_> = tasks
            .iter()
            .filter(|task| task.status == "RUNNING")
            .map(|task| {
                json!({
                    "arn": task.arn,
                    "address": task.address,
                    "started_at": task.started_at,
                })
            })
            .collect();
        Outcome::success(json!({
            "state": "completed",
            "deployment_id": ours.map(|ours| &ours.id),
            "task_definition": ours.map(|ours| &ours.task_definition),
            "tasks": tasks,
        }))
    }

    fn failed(&self, failure: &Failure) -> Outcome {
        let ours = self.rollout.ours();
        let causes: Vec<String> = failure.cause.iter().cloned().collect();
        let mut value = report::error_value(&failure.message, &causes, failure.hint.as_deref());
        value["state"] = json!(failure.state);
        value["deployment_id"] = json!(ours.map(|ours| &ours.id));
        value["task_definition"] = json!(ours.map(|ours| &ours.task_definition));
        value["stopped"] = json!(self.rollout.stopped());
        Outcome {
            value,
            exit_code: Kind::Deploy.exit_code(),
        }
    }
}
