//! `stack show|repair|cancel|drift`: stacks before, during and after a deployment.

use crate::cloudformation::{CloudFormation, Drift, Stack, is_unknowable};
use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::report::{self, Outcome};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// How long one stack may take to come to an end.
const CHANGE_BOUND: Duration = Duration::from_secs(20 * 60);

/// How long the search for drift may take, for all stacks.
const DRIFT_BOUND: Duration = Duration::from_secs(5 * 60);

/// Changes after which a stack that is still not as it should be is given up.
const REPAIRS: u32 = 3;

/// CloudFormation stacks
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Status and outputs
    Show {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Bring stacks to a state that a deployment can start from
    Repair {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Take a running update back, or remove what is being created
    Cancel { name: String },
    /// What was changed by hand
    Drift {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// # Errors
/// A call fails, a stack does not come to an end in time, or cannot be repaired.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let stacks = CloudFormation::new(cloud.sdk());
    match command {
        Command::Show { names } => show(&stacks, &names).await,
        Command::Repair { names } => repair(&stacks, &names).await,
        Command::Cancel { name } => cancel(&stacks, &name).await,
        Command::Drift { names } => drift(&stacks, &names).await,
    }
}

async fn show(stacks: &CloudFormation, names: &[String]) -> anyhow::Result<Outcome> {
    let mut shown = Vec::new();
    for name in names {
        let found = stacks.stack(name).await?;
        let found = found.as_ref();
        shown.push(json!({
            "name": name,
            "status": found.map(|stack| &stack.status),
            "reason": found.and_then(|stack| stack.reason.as_ref()),
            "updated_at": found.and_then(|stack| stack.updated_at.as_ref()),
            "outputs": found.map(|stack| stack.outputs.clone()).unwrap_or_default(),
        }));
    }
    Outcome::success(json!({ "stacks": shown }))
}

/// What brings a stack of some status to one that a deployment can start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    None,
    /// Somebody else's change, or one of a deployment that died.
    Wait,
    /// It never worked, so nothing is lost; CloudFormation refuses to update it.
    Delete,
    ContinueRollback,
}

fn remedy(stack: &Stack) -> Remedy {
    match stack.status.as_str() {
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "REVIEW_IN_PROGRESS"
        | "DELETE_FAILED" => Remedy::Delete,
        "UPDATE_ROLLBACK_FAILED" => Remedy::ContinueRollback,
        _ if stack.is_changing() => Remedy::Wait,
        _ => Remedy::None,
    }
}

#[derive(Debug, Serialize)]
struct Repaired<'a> {
    name: &'a str,
    from: String,
    to: String,
}

async fn repair(stacks: &CloudFormation, names: &[String]) -> anyhow::Result<Outcome> {
    let mut repaired = Vec::new();
    for name in names {
        let Some(mut stack) = stacks.stack(name).await? else {
            continue;
        };
        let from = stack.status.clone();
        let mut seen = stacks.past_events(&stack.id).await?;
        let mut changes = 0;
        loop {
            let remedy = remedy(&stack);
            if remedy == Remedy::None {
                break;
            }
            if changes == REPAIRS {
                return Err(beyond_repair(name, &stack).into());
            }
            changes += 1;
            match remedy {
                Remedy::Delete => {
                    report::step(&format!("{name}: {}; removing it", stack.status));
                    stacks.delete(&stack.id).await?;
                }
                Remedy::ContinueRollback => {
                    report::step(&format!("{name}: {}; going on with it", stack.status));
                    stacks.continue_rollback(&stack.id).await?;
                }
                Remedy::Wait => {
                    report::step(&format!("{name}: {}; waiting for its end", stack.status));
                }
                Remedy::None => {}
            }
            stack = stacks.wait(&stack, &mut seen, CHANGE_BOUND).await?;
        }
        if stack.status != from {
            repaired.push(Repaired {
                name,
                from,
                to: stack.status,
            });
        }
    }
    Outcome::success(json!({ "repaired": repaired }))
}

fn beyond_repair(name: &str, stack: &Stack) -> CloudError {
    CloudError::new(
        Kind::Service,
        format!(
            "stack {name} cannot be repaired: it stays {}",
            stack.state()
        ),
    )
    .hint("the events above name the resource; remove or correct it, then deploy again")
}

async fn cancel(stacks: &CloudFormation, name: &str) -> anyhow::Result<Outcome> {
    let mut cancelled = false;
    let Some(mut stack) = stacks.stack(name).await? else {
        return Outcome::success(json!({ "name": name, "status": null, "cancelled": false }));
    };
    let mut seen = stacks.past_events(&stack.id).await?;
    match stack.status.as_str() {
        "UPDATE_IN_PROGRESS" => match stacks.cancel_update(&stack.id).await {
            Ok(()) => cancelled = true,
            // The update came to its end between our two calls.
            Err(error) if error.message.contains("current stack status") => {}
            Err(error) => return Err(error.into()),
        },
        "CREATE_IN_PROGRESS" => {
            stacks.delete(&stack.id).await?;
            cancelled = true;
        }
        _ => {}
    }
    if cancelled || stack.is_changing() {
        stack = stacks.wait(&stack, &mut seen, CHANGE_BOUND).await?;
    }
    Outcome::success(json!({
        "name": name,
        "status": stack.status,
        "cancelled": cancelled,
    }))
}

async fn drift(stacks: &CloudFormation, names: &[String]) -> anyhow::Result<Outcome> {
    // All at once: one detection takes up to a minute.
    let mut started = Vec::new();
    for name in names {
        started.push((name, stacks.start_drift_detection(name).await));
    }
    let mut found = Vec::new();
    for (name, started) in started {
        let drift = match started {
            Ok(detection) => stacks.drift(name, &detection, DRIFT_BOUND).await,
            Err(error) => Err(error),
        };
        found.push(match drift {
            Ok(drift) => drift,
            // No such stack, one that is not in a state to be asked, or a cloud
            // that knows no drift.
            Err(error) if is_unknowable(&error) => Drift::unknown(name, error.message),
            Err(error) => return Err(error.into()),
        });
    }
    Outcome::success(json!({ "stacks": found }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_status_has_its_remedy() {
        let of = |status: &str| {
            remedy(&Stack {
                id: "id".to_owned(),
                status: status.to_owned(),
                reason: None,
                updated_at: None,
                parameters: BTreeMap::new(),
                outputs: BTreeMap::new(),
            })
        };
        for status in [
            "CREATE_COMPLETE",
            "UPDATE_COMPLETE",
            "UPDATE_ROLLBACK_COMPLETE",
            "DELETE_COMPLETE",
        ] {
            assert_eq!(of(status), Remedy::None, "{status}");
        }
        for status in [
            "CREATE_IN_PROGRESS",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "DELETE_IN_PROGRESS",
        ] {
            assert_eq!(of(status), Remedy::Wait, "{status}");
        }
        for status in [
            "ROLLBACK_COMPLETE",
            "ROLLBACK_FAILED",
            "CREATE_FAILED",
            "DELETE_FAILED",
            "REVIEW_IN_PROGRESS",
        ] {
            assert_eq!(of(status), Remedy::Delete, "{status}");
        }
        assert_eq!(of("UPDATE_ROLLBACK_FAILED"), Remedy::ContinueRollback);
    }
}
