//! `task stop|session`: one task, found by its id or the beginning of it.

use crate::config::Cloud;
use crate::ecs::{Ecs, TaskId, TaskState};
use crate::error::{CloudError, Kind};
use crate::names::Deployed;
use crate::report::Outcome;
use serde_json::json;
use std::io::IsTerminal as _;

/// Shorter beginnings of an id are refused: what they name today is another task tomorrow.
const PREFIX_CHARS: usize = 6;

/// ECS takes reasons of this length.
const REASON_CHARS: usize = 255;

/// Ids that an error names.
const KNOWN_IDS: usize = 10;

/// One task
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Stop it; one that has stopped already is an answer
    Stop {
        #[command(flatten)]
        which: Which,
        /// Why, for whoever looks at the task later
        #[arg(long, value_name = "TEXT", default_value = "stopped by xtask")]
        reason: String,
    },
    /// Start a command in it; the answer is what the session plugin asks for
    Session {
        #[command(flatten)]
        which: Which,
        /// Run by the container without a shell
        #[arg(long)]
        command: String,
    },
}

/// Which task.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Id, at least 6 characters of its beginning, or ARN
    task: String,
    /// Another cluster than the platform's own
    #[arg(long)]
    cluster: Option<String>,
}

/// # Errors
/// There is no such task, more than one fits, or a call fails.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    match command {
        Command::Stop { which, reason } => stop(which, &reason, cloud).await,
        Command::Session { which, command } => session(which, &command, cloud).await,
    }
}

async fn session(which: Which, command: &str, cloud: &Cloud) -> anyhow::Result<Outcome> {
    if std::io::stdout().is_terminal() {
        // Whoever holds the token is in the task.
        let message = "the answer holds a token, which is not for a terminal";
        return Err(CloudError::new(Kind::Usage, message)
            .hint(format!("cargo xtask exec --env {}", cloud.environment))
            .into());
    }
    let ecs = Ecs::new(cloud.sdk());
    let cluster = which
        .cluster
        .unwrap_or_else(|| Deployed::new(cloud).cluster);
    let task = find(&which.task, &cluster, &ecs, cloud).await?;
    let id = TaskId(task.arn.clone());
    let Some(runtime_id) = task.runtime_id.as_ref().filter(|_| !task.is_stopped()) else {
        let message = format!(
            "task {} runs no container: it is {}",
            id.short(),
            task.status
        );
        return Err(CloudError::new(Kind::Conflict, message).into());
    };
    let target = format!("ecs:{cluster}_{}_{runtime_id}", id.short());
    let session = ecs
        .execute(&cluster, &task, command)
        .await
        .map_err(|error| not_reached(error, &cloud.environment))?;
    Outcome::success(json!({
        "session_id": session.id,
        "stream_url": session.stream_url,
        "token": session.token,
        "target": target,
        "region": cloud.region(),
    }))
}

/// Says what to do where ECS reaches nobody in the task: an agent takes some seconds to connect,
/// and may end before the task does.
fn not_reached(error: CloudError, environment: &str) -> CloudError {
    match error.kind {
        Kind::Service => error.hint(format!(
            "try again in a minute, then with new tasks: cargo xtask restart --env {environment}"
        )),
        _ => error,
    }
}

async fn stop(which: Which, reason: &str, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let ecs = Ecs::new(cloud.sdk());
    let cluster = which
        .cluster
        .unwrap_or_else(|| Deployed::new(cloud).cluster);
    let task = find(&which.task, &cluster, &ecs, cloud).await?;
    if !task.is_stopped() {
        let reason: String = reason.chars().take(REASON_CHARS).collect();
        ecs.stop_task(&cluster, &TaskId(task.arn.clone()), &reason)
            .await?;
    }
    Outcome::success(json!({ "arn": task.arn, "was": task.status }))
}

/// The task of the cluster that `wanted` names: by id, the beginning of it, or ARN.
///
/// # Errors
/// It names none ([`Kind::NotFound`]) or several, or a call fails.
pub(super) async fn find(
    wanted: &str,
    cluster: &str,
    ecs: &Ecs,
    cloud: &Cloud,
) -> Result<TaskState, CloudError> {
    let known = match ecs.list_tasks(cluster, None).await {
        Err(error) if error.kind == Kind::NotFound => Vec::new(),
        listed => listed?,
    };
    let id = choose(wanted, &known)?;
    let described = ecs
        .describe_tasks(cluster, std::slice::from_ref(id))
        .await?;
    described.into_iter().next().ok_or_else(|| {
        CloudError::new(Kind::NotFound, format!("task {} is gone", id.short()))
            .hint(format!("cargo xtask tasks --env {}", cloud.environment))
    })
}

/// The one task that `wanted` names.
fn choose<'a>(wanted: &str, known: &'a [TaskId]) -> Result<&'a TaskId, CloudError> {
    if let Some(exact) = known
        .iter()
        .find(|id| id.0 == wanted || id.short() == wanted)
    {
        return Ok(exact);
    }
    if wanted.chars().count() < PREFIX_CHARS {
        return Err(CloudError::new(
            Kind::Usage,
            format!("task `{wanted}`: fewer than {PREFIX_CHARS} characters name no task"),
        )
        .hint(ids(known.iter())));
    }
    let fitting: Vec<&TaskId> = known
        .iter()
        .filter(|id| id.short().starts_with(wanted))
        .collect();
    match fitting.as_slice() {
        [one] => Ok(one),
        [] => Err(
            CloudError::new(Kind::NotFound, format!("no task `{wanted}`")).hint(ids(known.iter())),
        ),
        several => Err(CloudError::new(
            Kind::Usage,
            format!("task `{wanted}` may be one of {}", several.len()),
        )
        .hint(ids(several.iter().copied()))),
    }
}

fn ids<'a>(tasks: impl Iterator<Item = &'a TaskId>) -> String {
    let ids: Vec<&str> = tasks.take(KNOWN_IDS).map(TaskId::short).collect();
    if ids.is_empty() {
        "no task runs, and none stopped lately".to_owned()
    } else {
        format!("choose one of: {}", ids.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<TaskId> {
        ["0123456789", "0123456aaa", "fedcba9876"]
            .map(|id| {
                TaskId(format!(
                    "arn:aws:ecs:us-east-1:000000000000:task/cluster/{id}"
                ))
            })
            .to_vec()
    }

    #[test]
    fn where_nobody_is_reached_new_tasks_may_help() {
        let hint = |kind| not_reached(CloudError::new(kind, "ecs ExecuteCommand"), "dev").hint;
        assert_eq!(
            hint(Kind::Service).as_deref(),
            Some("try again in a minute, then with new tasks: cargo xtask restart --env dev")
        );
        assert_eq!(hint(Kind::Denied), None);
    }

    #[test]
    fn a_task_is_named_by_what_fits_it_alone() {
        let known = known();
        for wanted in ["fedcba", "fedcba9876", known[2].0.as_str()] {
            assert_eq!(choose(wanted, &known), Ok(&known[2]), "{wanted}");
        }
        assert_eq!(choose("01234567", &known), Ok(&known[0]));
    }

    #[test]
    fn what_names_none_or_several_is_refused_with_those_that_there_are() {
        let refused = |wanted| choose(wanted, &known()).expect_err(wanted);
        let several = refused("012345");
        assert_eq!(several.kind, Kind::Usage);
        assert_eq!(
            several.hint.as_deref(),
            Some("choose one of: 0123456789, 0123456aaa")
        );
        let short = refused("fedcb");
        assert_eq!(
            short.message,
            "task `fedcb`: fewer than 6 characters name no task"
        );
        let unknown = refused("abcdef");
        assert_eq!(unknown.kind, Kind::NotFound);
        assert_eq!(
            unknown.hint.as_deref(),
            Some("choose one of: 0123456789, 0123456aaa, fedcba9876")
        );
        let none = choose("abcdef", &[]).expect_err("none");
        assert_eq!(
            none.hint.as_deref(),
            Some("no task runs, and none stopped lately")
        );
    }
}
