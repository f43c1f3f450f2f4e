//! `service follow`: one deployment of a service from its appearance to its end, with
//! what happens on the way, ended early where it cannot come to a good end.
//! `service settle` ends in the same way, with a number of tasks instead.

use crate::config::Cloud;
use crate::ecs::{Container, Ecs, Service, TaskId, TaskState};
use crate::error::{CloudError, Kind};
use crate::interrupt::Signals;
use crate::logs::Logs;
use crate::report::{self, Outcome};
use crate::rollout::{Failure, Rollout, Stopped, Verdict};
use crate::time::rfc3339;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

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
    let rollout = Rollout::new(
        &args.service,
        &cloud.environment,
        args.not_definition.as_deref(),
    );
    let what = Followed {
        cluster: args.cluster,
        service: args.service,
        tasks: None,
        timeout: Duration::from_secs(args.timeout_secs),
        appear: Duration::from_secs(args.appear_secs),
    };
    follow(what, rollout, cloud).await
}

/// What is followed, and for how long.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) cluster: String,
    pub(super) service: String,
    /// How many tasks the service is to come to; else, what its deployment says.
    pub(super) tasks: Option<i32>,
    pub(super) timeout: Duration,
    /// How long the deployment may take to appear.
    pub(super) appear: Duration,
}

/// Follows until the end, or until a signal.
///
/// # Errors
/// As [`run`].
pub(super) async fn follow(
    what: Followed,
    rollout: Rollout,
    cloud: &Cloud,
) -> anyhow::Result<Outcome> {
    let mut signals = Signals::listen()?;
    let mut follower = Follower {
        what: &what,
        cloud,
        ecs: Ecs::new(cloud.sdk()),
        rollout,
        events: None,
        told: BTreeMap::new(),
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
    what: &'a Followed,
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

impl Follower<'_> {
    async fn follow(&mut self) -> anyhow::Result<Outcome> {
        let begin = Instant::now();
        let (mut since, mut reached) = (begin, begin);
        let mut bound = self.what.appear;
        let mut appeared = false;
        loop {
            match self.look().await {
                Ok((service, tasks)) => {
                    reached = Instant::now();
                    match self.judge(service.as_ref(), &tasks, reached) {
                        Verdict::Completed => return self.completed(service, &tasks, begin),
                        Verdict::Failed(failure) => return Ok(self.failed(&failure)),
                        Verdict::Wait => {}
                    }
                    if !appeared && self.rollout.ours().is_some() {
                        appeared = true;
                        since = reached;
                        bound = self.what.timeout;
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
        let Followed {
            cluster, service, ..
        } = self.what;
        let is_first = self.events.is_none();
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
            self.tell_task(task, is_first).await?;
        }
        Ok((found, tasks))
    }

    fn judge(&mut self, service: Option<&Service>, tasks: &[TaskState], now: Instant) -> Verdict {
        let (Some(wanted), Some(found)) = (self.what.tasks, service) else {
            return self.rollout.judge(service, tasks, now);
        };
        if found.desired != wanted {
            // A change that is not shown yet, or somebody else's.
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
            // What is to go has to be gone, too.
            Verdict::Completed if !is_counted => Verdict::Wait,
            verdict => verdict,
        }
    }

    fn tell_events(&mut self, service: Option<&Service>) {
        let events = service.map_or(&[][..], |service| &service.events);
        let Some(known) = &mut self.events else {
            let runs = service.map_or("is not there yet", |service| &service.task_definition);
            report::step(&format!("{}: {runs}", self.what.service));
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

    async fn tell_task(&mut self, task: &TaskState, is_first: bool) -> Result<(), CloudError> {
        let id = TaskId(task.arn.clone());
        let told = self.told.insert(task.arn.clone(), task.status.clone());
        if told.as_deref() == Some(&task.status) {
            return Ok(());
        }
        if !task.is_stopped() {
            report::step(&format!("task {} {}", id.short(), task.status));
        } else if !(is_first && self.what.tasks.is_some()) {
            // A deployment that stands for long has old stops, which say nothing of now.
            let mut stopped = Stopped::new(task, Vec::new(), &self.cloud.environment);
            if !stopped.meaning.is_order() {
                // Its reason counts, with its last lines or without.
                let log = self.log_of(task, &id).await.unwrap_or_default();
                stopped = Stopped::new(task, log, &self.cloud.environment);
            }
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

    fn completed(
        &self,
        service: Option<Service>,
        tasks: &[TaskState],
        begin: Instant,
    ) -> anyhow::Result<Outcome> {
        if let (Some(_), Some(service)) = (self.what.tasks, service) {
            return Outcome::success(json!({
                "running": service.running,
                "desired": service.desired,
                "seconds": begin.elapsed().as_secs(),
            }));
        }
        let ours = self.rollout.ours();
        let tasks: Vec<_> = tasks
            .iter()
            .filter(|task| task.status == "RUNNING")
            .map(|task| {
                json!({
                    "arn": task.arn,
                    "address": task.address,
                    "started_at": task.started_at.as_ref().and_then(rfc3339),
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
