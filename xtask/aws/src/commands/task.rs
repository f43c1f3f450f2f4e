//! One task, found by its id or the beginning of it: to stop it, or to run a command in it.

use crate::commands::Handle;
use crate::config::Cloud;
use crate::ecs::{DescribedTask, Ecs, TaskId};
use crate::error::{CloudError, Kind};
use std::io::IsTerminal as _;
use xtask_aws_api::calls::tasks::{OpenSession, Session, StopTask, TaskStopped};

/// Shorter beginnings of an id are refused: what they name today is another task tomorrow.
const PREFIX_CHARS: usize = 6;

/// ECS accepts reasons of this length.
const REASON_CHARS: usize = 255;

/// An error names at most this many ids.
const KNOWN_IDS: usize = 10;

impl Handle for OpenSession {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Session> {
        if std::io::stdout().is_terminal() {
            // Whoever has the token is in the task.
            let message = "the answer holds a token, which must not get to a terminal";
            return Err(CloudError::new(Kind::Usage, message)
                .hint(format!("cargo xtask exec --env {}", cloud.environment))
                .into());
        }
        let ecs = Ecs::new(cloud.sdk());
        let cluster = cloud.deployed().cluster;
        let task = find(&self.task, &cluster, &ecs, cloud).await?;
        let id = TaskId(task.state.arn.clone());
        let runtime_id = task.runtime_id.filter(|_| !task.state.is_stopped());
        let Some(runtime_id) = runtime_id else {
            let message = format!(
                "task {} does not run a container: it is {}",
                id.short(),
                task.state.status
            );
            return Err(CloudError::new(Kind::Conflict, message).into());
        };
        let session = ecs
            .execute(&cluster, &task.state, &self.command)
            .await
            .map_err(|error| not_reached(error, &cloud.environment))?;
        Ok(Session {
            session_id: session.id,
            stream_url: session.stream_url,
            token: session.token,
            target: format!("ecs:{cluster}_{}_{runtime_id}", id.short()),
            region: cloud.region().to_owned(),
        })
    }
}

/// Adds what to do where ECS does not reach the agent in the task, which takes some seconds to
/// connect and may end before the task does.
fn not_reached(error: CloudError, environment: &str) -> CloudError {
    match error.kind {
        Kind::Service => error.hint(format!(
            "try again in a minute, then with new tasks: cargo xtask restart --env {environment}"
        )),
        _ => error,
    }
}

impl Handle for StopTask {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<TaskStopped> {
        let ecs = Ecs::new(cloud.sdk());
        let cluster = cloud.deployed().cluster;
        let task = find(&self.task, &cluster, &ecs, cloud).await?.state;
        if !task.is_stopped() {
            let reason: String = self.reason.chars().take(REASON_CHARS).collect();
            ecs.stop_task(&cluster, &TaskId(task.arn.clone()), &reason)
                .await?;
        }
        Ok(TaskStopped {
            arn: task.arn,
            was: task.status,
        })
    }
}

/// The task of the cluster that `wanted` names: by id, the beginning of it, or ARN.
///
/// # Errors
/// There is no such task ([`Kind::NotFound`]), several tasks fit, or a call fails.
pub(super) async fn find(
    wanted: &str,
    cluster: &str,
    ecs: &Ecs,
    cloud: &Cloud,
) -> Result<DescribedTask, CloudError> {
    let known = match ecs.list_tasks(cluster, None).await {
        Err(error) if error.kind == Kind::NotFound => Vec::new(),
        listed => listed?,
    };
    let id = choose(wanted, &known)?;
    let described = ecs
        .describe_tasks(cluster, std::slice::from_ref(id))
        .await?;
    described.into_iter().next().ok_or_else(|| {
        CloudError::new(
            Kind::NotFound,
            format!("task {} does not exist any more", id.short()),
        )
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
            format!("task `{wanted}`: give at least {PREFIX_CHARS} characters of the id"),
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
            CloudError::new(Kind::NotFound, format!("there is no task `{wanted}`"))
                .hint(ids(known.iter())),
        ),
        several => Err(CloudError::new(
            Kind::Usage,
            format!(
                "`{wanted}` is the beginning of the ids of {} tasks",
                several.len()
            ),
        )
        .hint(ids(several.iter().copied()))),
    }
}

fn ids<'a>(tasks: impl Iterator<Item = &'a TaskId>) -> String {
    let ids: Vec<&str> = tasks.take(KNOWN_IDS).map(TaskId::short).collect();
    if ids.is_empty() {
        "no task runs, and no task stopped lately".to_owned()
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
    fn new_tasks_may_help_where_the_agent_is_not_reached() {
        let hint = |kind| not_reached(CloudError::new(kind, "ecs ExecuteCommand"), "dev").hint;
        assert_eq!(
            hint(Kind::Service).as_deref(),
            Some("try again in a minute, then with new tasks: cargo xtask restart --env dev")
        );
        assert_eq!(hint(Kind::Denied), None);
    }

    #[test]
    fn a_task_is_found_by_what_fits_no_other_task() {
        let known = known();
        for wanted in ["fedcba", "fedcba9876", known[2].0.as_str()] {
            assert_eq!(choose(wanted, &known), Ok(&known[2]), "{wanted}");
        }
        assert_eq!(choose("01234567", &known), Ok(&known[0]));
    }

    #[test]
    fn what_fits_no_task_or_several_is_refused_with_the_ids_that_exist() {
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
            "task `fedcb`: give at least 6 characters of the id"
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
            Some("no task runs, and no task stopped lately")
        );
    }
}
