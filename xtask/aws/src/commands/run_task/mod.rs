//! Runs one task from its start to its end. Whatever ends the wait early (a signal, the bound) also
//! stops the task.

use crate::commands::logs::{Running, follow_started};
use crate::commands::{Handle, HandleStream, unknown};
use crate::config::Cloud;
use crate::ecs::{Container, DescribedTask, Ecs, TaskId, TaskSpec, definition_name};
use crate::error::{CloudError, DetailedFailure, Kind};
use crate::interrupt::Signals;
use crate::log_reader::Source;
use crate::logs::Logs;
use crate::report;
use crate::stop_reasons::meaning_of;
use crate::sts::Sts;
use crate::tasks::{self, STARTED_BY};
use std::time::Duration;
use xtask_aws_api::calls::stream_item::StreamItem;
use xtask_aws_api::calls::tasks::{
    Network, RunTask, StreamTask, Task, TaskLog, TaskRun, TaskToRun,
};
use xtask_aws_api::{ErrorBody, StopReason};

/// How many lines of the log are part of the answer.
const LOG_LINES: u32 = 20;

/// The variable that says where a task stores its results.
const RESULTS: &str = "ARTIFACT_URI";

/// How long a task that was asked to stop may take. ECS kills its container after 30 s.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

impl Handle for RunTask {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<TaskRun> {
        run(self, false, cloud).await
    }
}

impl HandleStream for StreamTask {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Option<StreamItem>> {
        let run = run(self.task, true, cloud).await?;
        Ok(Some(StreamItem::Ended(Box::new(run))))
    }
}

/// Refuses AWS without a subnet, because tasks on Fargate have a network interface of their own.
///
/// # Errors
/// The network does not suffice.
pub(super) fn check_network(network: &Network, cloud: &Cloud) -> Result<(), CloudError> {
    if !network.subnets.is_empty() || cloud.is_local() {
        return Ok(());
    }
    Err(CloudError::new(
        Kind::Usage,
        format!(
            "a task in environment `{}` needs at least one subnet",
            cloud.environment
        ),
    )
    .hint("the outputs of the network stack name them"))
}

/// Runs the task; with `streams`, its log is printed meanwhile.
///
/// # Errors
/// The task cannot be started or followed, is interrupted, takes too long, or fails.
async fn run(request: RunTask, streams: bool, cloud: &Cloud) -> anyhow::Result<TaskRun> {
    let ecs = Ecs::new(cloud.sdk());
    let mut signals = Signals::listen()?;
    let place = match request.what {
        TaskToRun::Kind(kind) => place_of(&kind, &ecs, cloud).await?,
        TaskToRun::Service(service) => place_of_service(&service, &ecs, cloud).await?,
        TaskToRun::Definition {
            cluster,
            definition,
            network,
        } => {
            check_network(&network, cloud)?;
            Place {
                cluster,
                definition,
                container: None,
                role_arn: None,
                network,
                credentials: Credentials::OfThisCall,
            }
        }
    };
    let wanted = request.container.or(place.container);
    let target = ecs.container(&place.definition, wanted.as_deref()).await?;
    let variables = request.variables.into_iter();
    let variables: Vec<(String, String)> = variables
        .map(|variable| (variable.name, variable.value.into_revealed()))
        .collect();
    // Of two entries the later one wins, so what the request sets does.
    let mut environment = match place.credentials {
        Credentials::OfThisCall => cloud.task_environment(),
        Credentials::OfTheDefinition => Vec::new(),
    };
    environment.retain(|(name, _)| !variables.iter().any(|(set, _)| set == name));
    if let Some(role_arn) = &place.role_arn {
        let results = variables
            .iter()
            .find(|(name, _)| name == RESULTS)
            .map_or("", |(_, value)| value.as_str());
        let lasts = Duration::from_secs(request.timeout_secs);
        let sts = Sts::new(cloud.sdk());
        environment.extend(sts.lend(role_arn, results, lasts).await?);
    }
    environment.extend(variables);
    let mut spec = TaskSpec {
        cluster: place.cluster,
        definition: place.definition,
        container: target.name.clone(),
        environment,
        network: place.network,
        command: request.command,
        spot: request.spot,
        started_by: STARTED_BY.to_owned(),
    };
    let run = Run {
        ecs: &ecs,
        cloud,
        target: &target,
        bound: Duration::from_secs(request.timeout_secs),
        streams,
    };
    let ended = run.to_its_end(&spec, &mut signals).await;
    let Some(why) = no_spot_capacity(&spec, &ended) else {
        return run.result(ended?, &spec).await;
    };
    report::step(&format!("{why}; starting it again on demand"));
    spec.spot = false;
    let ended = run.to_its_end(&spec, &mut signals).await;
    run.result(ended?, &spec).await
}

/// Why there was no spare capacity for the task, where that is what ended it. Fargate does not go
/// from spare capacity to on demand by itself.
fn no_spot_capacity(spec: &TaskSpec, ended: &anyhow::Result<DescribedTask>) -> Option<String> {
    let reason = match ended {
        _ if !spec.spot => return None,
        // With an exit code the task has run, and only its owner knows whether it may run again.
        Ok(ended) if ended.state.exit_code.is_some() => return None,
        Ok(DescribedTask { state, .. }) => {
            format!("{} {}", state.reasons(), state.stop_code.as_deref()?)
        }
        Err(error) => error.downcast_ref::<CloudError>()?.message.clone(),
    };
    let meaning = meaning_of(&reason, "")?;
    (meaning.reason == StopReason::Capacity).then_some(reason)
}

/// What a task is started from, and where.
struct Place {
    cluster: String,
    definition: String,
    container: Option<String>,
    /// The role that its task borrows; `None` where the container has credentials of its own.
    role_arn: Option<String>,
    network: Network,
    credentials: Credentials,
}

/// Where a task of the local cloud has its credentials from. On AWS they come from its role, or from a loan.
enum Credentials {
    OfThisCall,
    OfTheDefinition,
}

/// What a service runs now, where it runs it.
async fn place_of_service(service: &str, ecs: &Ecs, cloud: &Cloud) -> Result<Place, CloudError> {
    let deployed = cloud.deployed();
    let known = deployed.services().find(|(it, _)| it.name == service);
    let Some((consumer, name)) = known else {
        let names = deployed.services().map(|(it, _)| it.name.as_str());
        return Err(unknown("service", service, names));
    };
    let Some(found) = ecs.service(&deployed.cluster, name).await? else {
        let message = format!("the service {service} is not deployed");
        let hint = format!("cargo xtask deploy --env {}", cloud.environment);
        return Err(CloudError::new(Kind::NotFound, message).hint(hint));
    };
    check_network(&found.network, cloud)?;
    Ok(Place {
        cluster: deployed.cluster.clone(),
        definition: definition_name(&found.service.task_definition).to_owned(),
        container: Some(consumer.container.clone()),
        role_arn: None,
        network: found.network,
        credentials: Credentials::OfTheDefinition,
    })
}

/// Where the deployed orchestrator starts tasks of this kind. Variables in its definition say it,
/// whose names begin with the name of the kind.
async fn place_of(kind: &str, ecs: &Ecs, cloud: &Cloud) -> Result<Place, CloudError> {
    let deployed = cloud.deployed();
    let kinds = deployed.task_kinds().map(|known| known.name.as_str());
    if !deployed.task_kinds().any(|known| known.name == kind) {
        return Err(unknown("kind of task", kind, kinds));
    }
    let deploy = format!("cargo xtask deploy --env {}", cloud.environment);
    for (_, name) in deployed.services() {
        let Some(found) = ecs.service(&deployed.cluster, name).await? else {
            continue;
        };
        let mut environment = ecs.environment(&found.service.task_definition).await?;
        let mut variable =
            |name: &str| environment.remove(&format!("{}_{name}", kind.to_uppercase()));
        let Some(definition) = variable("TASK_DEFINITION") else {
            continue;
        };
        let mut list = |name: &str| -> Vec<String> {
            let text = variable(name).unwrap_or_default();
            let parts = text.split(',').filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        let network = Network {
            subnets: list("SUBNETS"),
            security_groups: list("SECURITY_GROUPS"),
        };
        return Ok(Place {
            container: variable("CONTAINER"),
            role_arn: variable("ROLE_ARN").filter(|arn| !arn.is_empty()),
            cluster: deployed.cluster.clone(),
            definition,
            network,
            credentials: Credentials::OfThisCall,
        });
    }
    let message = format!("no deployed service starts tasks of the kind {kind}");
    Err(CloudError::new(Kind::NotFound, message).hint(deploy))
}

/// How a task is run.
struct Run<'a> {
    ecs: &'a Ecs,
    cloud: &'a Cloud,
    target: &'a Container,
    bound: Duration,
    streams: bool,
}

impl Run<'_> {
    async fn to_its_end(
        &self,
        spec: &TaskSpec,
        signals: &mut Signals,
    ) -> anyhow::Result<DescribedTask> {
        let task = self.ecs.run_task(spec).await?;
        report::step(&format!("started task {}", task.short()));
        let (kind, why) = tokio::select! {
            waited = self.wait(spec, &task) => match waited {
                Ok(Some(ended)) => return Ok(ended),
                Ok(None) => {
                    let why = format!("not finished after {} s", self.bound.as_secs());
                    (Kind::Failed, why)
                }
                Err(error) => {
                    let known = error.downcast_ref::<CloudError>();
                    let kind = known.map_or(Kind::Failed, |known| known.kind);
                    (kind, format!("it cannot be followed any more: {error}"))
                }
            },
            how = signals.next() => (Kind::Interrupted, how.to_owned()),
        };
        Err(self.stop(spec, &task, kind, &why).await)
    }

    async fn wait(&self, spec: &TaskSpec, task: &TaskId) -> anyhow::Result<Option<DescribedTask>> {
        let stream = self.target.log_stream(task);
        if let (true, Some(group), Some(_)) = (self.streams, &self.target.log_group, &stream) {
            let source = Source {
                name: self.kind_of(spec),
                group: group.clone(),
                stream,
            };
            let running = Running {
                cluster: &spec.cluster,
                id: task,
                bound: Some(self.bound),
            };
            return follow_started(&running, source, self.cloud).await;
        }
        let waited = self.ecs.wait_stopped(&spec.cluster, task, self.bound);
        Ok(waited.await?)
    }

    /// The name of the source of its lines: that in `platform.toml`, else that of the container.
    fn kind_of(&self, spec: &TaskSpec) -> String {
        let definition = definition_name(&spec.definition);
        let family = definition.split(':').next().unwrap_or_default();
        let deployed = self.cloud.deployed();
        let known = deployed.consumers.iter().find(|it| it.family == family);
        known.map_or_else(|| self.target.name.clone(), |it| it.name.clone())
    }

    /// Stops the task. The error says why the wait ended, and whether the task has stopped.
    async fn stop(&self, spec: &TaskSpec, task: &TaskId, kind: Kind, why: &str) -> anyhow::Error {
        let message = format!("task {} of {}: {why}", task.short(), spec.definition);
        let reason = format!("xtask: {why}");
        let stopped = async {
            self.ecs.stop_task(&spec.cluster, task, &reason).await?;
            let waited = self.ecs.wait_stopped(&spec.cluster, task, STOPPED_WITHIN);
            waited.await
        };
        let end = match stopped.await {
            Ok(Some(_)) => "it was stopped".to_owned(),
            Ok(None) => format!(
                "it was asked to stop and still runs after {} s",
                STOPPED_WITHIN.as_secs()
            ),
            Err(error) => format!("it may still run: {error}"),
        };
        CloudError::new(kind, format!("{message}; {end}")).into()
    }

    async fn result(&self, ended: DescribedTask, spec: &TaskSpec) -> anyhow::Result<TaskRun> {
        let id = TaskId(ended.state.arn.clone());
        let log = match (&self.target.log_group, self.target.log_stream(&id)) {
            (Some(group), Some(stream)) if !self.streams => {
                let lines = Logs::new(self.cloud.sdk())
                    .tail_of_stopped(group, &stream, LOG_LINES)
                    .await?;
                Some(TaskLog {
                    group: group.clone(),
                    stream,
                    lines,
                })
            }
            _ => None,
        };
        judged(tasks::known(ended, self.cloud), log, &spec.definition)
    }
}

/// A task that has ended.
///
/// # Errors
/// The task failed; the error holds everything that the answer would.
fn judged(task: Task, log: Option<TaskLog>, definition: &str) -> anyhow::Result<TaskRun> {
    let Some(failure) = task.state.failure() else {
        return Ok(TaskRun {
            task,
            log,
            error: None,
        });
    };
    let error = ErrorBody {
        message: format!("task {definition} failed: {failure}"),
        causes: Vec::new(),
        hint: task
            .meaning
            .as_ref()
            .and_then(|meaning| meaning.hint.clone()),
    };
    let run = TaskRun {
        task,
        log,
        error: Some(error.clone()),
    };
    Err(DetailedFailure::task(error, &run)?.into())
}

#[cfg(test)]
mod tests;
