//! `run-task`: one task from start to end. Whatever ends the wait early (a
//! signal, the bound) also stops the task.

use super::logs::{Running, follow_started};
use crate::config::Cloud;
use crate::ecs::{Container, Ecs, Network, TaskId, TaskSpec, TaskState, definition_name};
use crate::error::{CloudError, Kind};
use crate::interrupt::Signals;
use crate::log_reader::Source;
use crate::logs::Logs;
use crate::names::Deployed;
use crate::report::{self, Outcome};
use crate::stop_reasons::meaning_of;
use crate::tasks::{STARTED_BY, Task};
use serde_json::json;
use std::time::Duration;

/// Lines of the log that the result shows.
const LOG_LINES: u32 = 20;

/// How long a task that was told to stop may take: ECS kills its container after 30 s.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// Run one task and wait for its end
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    /// A kind of task of platform.toml, run as the deployed orchestrator runs it
    #[arg(long, group = "what", conflicts_with_all = ["subnets", "security_groups", "cluster"])]
    kind: Option<String>,
    /// `family`, or `family:revision`
    #[arg(long, value_name = "DEFINITION", group = "what", requires = "cluster")]
    task_definition: Option<String>,
    #[arg(long)]
    cluster: Option<String>,
    /// Container that gets the variables [default: the definition's first]
    #[arg(long)]
    container: Option<String>,
    /// Variable of the container's environment; may be given again
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_variable)]
    variables: Vec<(String, String)>,
    #[command(flatten)]
    network: NetworkArgs,
    /// On spare capacity, and once on demand where there is none
    #[arg(long)]
    spot: bool,
    /// Print what it writes while it runs, one JSON object a line
    #[arg(long)]
    stream: bool,
    /// The task is stopped after this time
    #[arg(long, default_value_t = 600)]
    timeout_secs: u64,
}

/// Where the task's network interface lies.
#[derive(Debug, clap::Args)]
pub(crate) struct NetworkArgs {
    /// Subnet of the task; needed on AWS, may be given again
    #[arg(long = "subnet", value_name = "SUBNET")]
    subnets: Vec<String>,
    /// Security group of the task; may be given again
    #[arg(long = "security-group", value_name = "GROUP")]
    security_groups: Vec<String>,
}

impl NetworkArgs {
    /// # Errors
    /// AWS is asked without a subnet: Fargate tasks have an interface of their own.
    pub(crate) fn resolve(self, cloud: &Cloud) -> Result<Network, CloudError> {
        if self.subnets.is_empty() && !cloud.is_local() {
            return Err(CloudError::new(
                Kind::Usage,
                format!(
                    "a task in environment `{}` needs at least one --subnet",
                    cloud.environment
                ),
            )
            .hint("the outputs of the network stack name them"));
        }
        Ok(Network {
            subnets: self.subnets,
            security_groups: self.security_groups,
        })
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        // The text may hold a value that is not meant to be shown.
        _ => Err("it is not NAME=VALUE".to_owned()),
    }
}

/// # Errors
/// The task cannot be started or followed, is interrupted, or takes too long.
/// A task that ran and failed is an [`Outcome`] with an error beside its state.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let ecs = Ecs::new(cloud.sdk());
    let mut signals = Signals::listen()?;
    let place = match (args.kind, args.task_definition, args.cluster) {
        (Some(kind), ..) => place_of(&kind, &ecs, cloud).await?,
        (None, definition, cluster) => Place {
            cluster: cluster.unwrap_or_default(),
            definition: definition.unwrap_or_default(),
            container: None,
            network: args.network.resolve(cloud)?,
        },
    };
    let wanted = args.container.or(place.container);
    let target = ecs.container(&place.definition, wanted.as_deref()).await?;
    // Later entries win, so what is set by hand does.
    let mut environment = cloud.task_environment();
    environment.retain(|(name, _)| !args.variables.iter().any(|(set, _)| set == name));
    environment.extend(args.variables);
    let mut spec = TaskSpec {
        cluster: place.cluster,
        definition: place.definition,
        container: target.name.clone(),
        environment,
        network: place.network,
        spot: args.spot,
        started_by: STARTED_BY.to_owned(),
    };
    let run = Run {
        ecs: &ecs,
        cloud,
        target: &target,
        bound: Duration::from_secs(args.timeout_secs),
        streams: args.stream,
    };
    let ended = run.to_its_end(&spec, &mut signals).await;
    let Some(why) = no_spot_capacity(&spec, &ended) else {
        return run.told(ended?, &spec).await;
    };
    report::step(&format!("{why}; starting it again on demand"));
    spec.spot = false;
    let ended = run.to_its_end(&spec, &mut signals).await;
    run.told(ended?, &spec).await
}

/// Why Spot had no room for the task, where that is what ended it. Fargate has no way of
/// its own from Spot to on demand.
fn no_spot_capacity(spec: &TaskSpec, ended: &anyhow::Result<TaskState>) -> Option<String> {
    let reason = match ended {
        _ if !spec.spot => return None,
        // With an exit code it has run: whether once more is right, its owner knows.
        Ok(state) if state.exit_code.is_some() => return None,
        Ok(state) => format!("{} {}", state.reasons(), state.stop_code.as_deref()?),
        Err(error) => error.downcast_ref::<CloudError>()?.message.clone(),
    };
    let meaning = meaning_of(&reason, "")?;
    meaning.is_capacity().then_some(reason)
}

/// What a task is started from, and where.
struct Place {
    cluster: String,
    definition: String,
    container: Option<String>,
    network: Network,
}

/// Where the deployed orchestrator starts tasks of this kind: its definition says it, in
/// variables that begin with the kind's name.
async fn place_of(kind: &str, ecs: &Ecs, cloud: &Cloud) -> Result<Place, CloudError> {
    let deployed = Deployed::new(cloud);
    let kinds = deployed.consumers.iter().filter(|it| it.service.is_none());
    let kinds: Vec<&str> = kinds.map(|it| it.name.as_str()).collect();
    if !kinds.contains(&kind) {
        let message = format!("no kind of task `{kind}` in platform.toml");
        return Err(CloudError::new(Kind::Usage, message)
            .hint(format!("choose one of: {}", kinds.join(", "))));
    }
    let deploy = format!("cargo xtask deploy --env {}", cloud.environment);
    for (_, name) in deployed.services() {
        let Some(service) = ecs.service(&deployed.cluster, name).await? else {
            continue;
        };
        let mut environment = ecs.environment(&service.task_definition).await?;
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
            cluster: deployed.cluster.clone(),
            definition,
            network,
        });
    }
    let message = format!("nothing that starts a {kind} is deployed");
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
    ) -> anyhow::Result<TaskState> {
        let task = self.ecs.run_task(spec).await?;
        report::step(&format!("started task {}", task.short()));
        let (kind, why) = tokio::select! {
            waited = self.wait(spec, &task) => match waited {
                Ok(Some(state)) => return Ok(state),
                Ok(None) => {
                    let why = format!("not finished after {} s", self.bound.as_secs());
                    (Kind::Failed, why)
                }
                Err(error) => {
                    let known = error.downcast_ref::<CloudError>();
                    let kind = known.map_or(Kind::Failed, |known| known.kind);
                    (kind, format!("lost: {error}"))
                }
            },
            how = signals.next() => (Kind::Interrupted, how.to_owned()),
        };
        Err(self.stop(spec, &task, kind, &why).await)
    }

    async fn wait(&self, spec: &TaskSpec, task: &TaskId) -> anyhow::Result<Option<TaskState>> {
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

    /// The name that its lines carry: of platform.toml, else the container's.
    fn kind_of(&self, spec: &TaskSpec) -> String {
        let definition = definition_name(&spec.definition);
        let family = definition.split(':').next().unwrap_or_default();
        let deployed = Deployed::new(self.cloud);
        let known = deployed.consumers.iter().find(|it| it.family == family);
        known.map_or_else(|| self.target.name.clone(), |it| it.name.clone())
    }

    /// Stops the task and says why the wait ended; a task that does not stop is named as well.
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
                "it was told to stop and still runs after {} s",
                STOPPED_WITHIN.as_secs()
            ),
            Err(error) => format!("it may still run: {error}"),
        };
        CloudError::new(kind, format!("{message}; {end}")).into()
    }

    async fn told(&self, state: TaskState, spec: &TaskSpec) -> anyhow::Result<Outcome> {
        let task = TaskId(state.arn.clone());
        let log = match (&self.target.log_group, self.target.log_stream(&task)) {
            (Some(group), Some(stream)) if !self.streams => {
                let lines = Logs::new(self.cloud.sdk())
                    .tail_of_stopped(group, &stream, LOG_LINES)
                    .await?;
                json!({ "group": group, "stream": stream, "lines": lines })
            }
            _ => serde_json::Value::Null,
        };
        Ok(outcome(
            &Task::new(state, self.cloud),
            &log,
            &spec.definition,
        ))
    }
}

fn outcome(task: &Task, log: &serde_json::Value, definition: &str) -> Outcome {
    let mut value = json!({ "task": task, "log": log });
    let failure = task.state.failure();
    if let Some(failure) = &failure {
        let hint = task.meaning.as_ref().and_then(|said| said.hint.as_deref());
        let message = format!("task {definition} failed: {failure}");
        let error = report::error_value(&message, &[], hint);
        value["error"] = error["error"].clone();
    }
    Outcome {
        value,
        exit_code: failure.map_or(0, |_| Kind::Failed.exit_code()),
    }
}

#[cfg(test)]
mod tests;
