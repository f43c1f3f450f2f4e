//! `run-task`: one task from start to end. Whatever ends the wait early (a
//! signal, the bound) also stops the task.

use crate::config::Cloud;
use crate::ecs::{Container, Ecs, Network, TaskId, TaskSpec, TaskState};
use crate::error::{CloudError, Kind};
use crate::logs::Logs;
use crate::report::{self, Outcome};
use anyhow::Context;
use serde_json::json;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Lines of the log that the result shows.
const LOG_LINES: u32 = 20;

/// Run one task and wait for its end
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    cluster: String,
    /// `family`, or `family:revision`
    #[arg(long, value_name = "DEFINITION")]
    task_definition: String,
    /// Container that gets the variables [default: the definition's first]
    #[arg(long)]
    container: Option<String>,
    /// Variable of the container's environment; may be given again
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_variable)]
    variables: Vec<(String, String)>,
    #[command(flatten)]
    network: NetworkArgs,
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
    let network = args.network.resolve(cloud)?;
    let target = ecs
        .container(&args.task_definition, args.container.as_deref())
        .await?;
    // Later entries win, so what is set by hand does.
    let mut environment = cloud.task_environment();
    environment.retain(|(name, _)| !args.variables.iter().any(|(set, _)| set == name));
    environment.extend(args.variables);
    let spec = TaskSpec {
        cluster: args.cluster,
        definition: args.task_definition,
        container: target.name.clone(),
        environment,
        network,
        started_by: "xtask".to_owned(),
    };
    let bound = Duration::from_secs(args.timeout_secs);
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;

    let task = ecs.run_task(&spec).await?;
    report::step(&format!("started task {}", task.short()));
    let (kind, why) = tokio::select! {
        waited = ecs.wait_stopped(&spec.cluster, &task, bound) => match waited {
            Ok(Some(state)) => return finished(&state, &target, &task, &spec, cloud).await,
            Ok(None) => (Kind::Failed, format!("not finished after {} s", args.timeout_secs)),
            Err(error) => (error.kind, format!("lost: {error}")),
        },
        _ = interrupt.recv() => (Kind::Interrupted, "interrupted".to_owned()),
        _ = terminate.recv() => (Kind::Interrupted, "terminated".to_owned()),
    };
    Err(stop(&ecs, &spec, &task, kind, &why).await)
}

async fn finished(
    state: &TaskState,
    target: &Container,
    task: &TaskId,
    spec: &TaskSpec,
    cloud: &Cloud,
) -> anyhow::Result<Outcome> {
    let log = match (&target.log_group, target.log_stream(task)) {
        (Some(group), Some(stream)) => {
            let lines = Logs::new(cloud.sdk())
                .tail_of_stopped(group, &stream, LOG_LINES)
                .await?;
            json!({ "group": group, "stream": stream, "lines": lines })
        }
        _ => serde_json::Value::Null,
    };
    Ok(outcome(state, &log, &spec.definition))
}

fn outcome(state: &TaskState, log: &serde_json::Value, definition: &str) -> Outcome {
    let mut value = json!({ "task": state, "log": log });
    let failure = state.failure();
    if let Some(failure) = &failure {
        let error = report::error_value(&format!("task {definition} failed: {failure}"), &[], None);
        value["error"] = error["error"].clone();
    }
    Outcome {
        value,
        exit_code: failure.map_or(0, |_| Kind::Failed.exit_code()),
    }
}

/// Stops the task and says why the wait ended; a task that cannot be stopped is named as well.
async fn stop(ecs: &Ecs, spec: &TaskSpec, task: &TaskId, kind: Kind, why: &str) -> anyhow::Error {
    let message = format!("task {} of {}: {why}", task.short(), spec.definition);
    let reason = format!("xtask: {why}");
    match ecs.stop_task(&spec.cluster, task, &reason).await {
        Ok(()) => CloudError::new(kind, format!("{message}; it was stopped")).into(),
        Err(error) => CloudError::new(kind, format!("{message}; it may still run: {error}")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(exit_code: Option<i32>) -> TaskState {
        TaskState {
            arn: "arn:aws:ecs:us-east-1:000000000000:task/cluster/0123".to_owned(),
            task_definition: "app-generator:1".to_owned(),
            status: "STOPPED".to_owned(),
            exit_code,
            reason: Some("Essential container exited".to_owned()),
            stop_code: None,
            container_reason: None,
            container: None,
            image: None,
            image_digest: None,
            address: None,
            started_by: None,
            created_at: None,
            started_at: None,
            stopped_at: None,
        }
    }

    #[test]
    fn a_failed_task_is_shown_with_its_error() {
        let failed = outcome(&state(Some(3)), &json!(null), "app-generator");
        assert_eq!(failed.exit_code, 1);
        assert_eq!(
            failed.value["error"],
            json!({
                "message": "task app-generator failed: exit code 3: Essential container exited",
                "causes": [], "hint": null
            })
        );
        assert_eq!(failed.value["task"]["exit_code"], json!(3));
        assert_eq!(outcome(&state(None), &json!(null), "x").exit_code, 1);
        let succeeded = outcome(&state(Some(0)), &json!(null), "x");
        assert_eq!(succeeded.exit_code, 0);
        assert_eq!(succeeded.value.get("error"), None);
    }

    #[test]
    fn variables_keep_their_equal_signs_and_errors_do_not_quote_them() {
        assert_eq!(
            parse_variable("A=b=c"),
            Ok(("A".to_owned(), "b=c".to_owned()))
        );
        for wrong in ["secret", "=secret"] {
            let error = parse_variable(wrong).expect_err(wrong);
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
