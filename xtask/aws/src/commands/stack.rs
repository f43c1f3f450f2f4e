//! Stacks before, during and after a deployment.

use crate::cloudformation::{CloudFormation, Stack, is_unknowable, unknown};
use crate::commands::Handle;
use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::report;
use std::collections::BTreeMap;
use std::time::Duration;
use xtask_aws_api::calls::stacks::{
    CancelStack, Cancelled, DetectDrift, Drifts, RepairStacks, Repaired, RepairedStack, ShowStacks,
    ShownStack, ShownStacks,
};

/// How long one stack may take to come to an end.
const CHANGE_BOUND: Duration = Duration::from_secs(20 * 60);

/// How long the search for drift may take for each stack.
const DRIFT_BOUND: Duration = Duration::from_secs(5 * 60);

/// After this many changes, a stack that is still not as it should be is given up.
const REPAIRS: u32 = 3;

impl Handle for ShowStacks {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<ShownStacks> {
        let cloudformation = CloudFormation::new(cloud.sdk());
        let mut stacks = Vec::new();
        for name in self.names {
            let found = cloudformation.stack(&name).await?;
            stacks.push(shown(name, found));
        }
        Ok(ShownStacks { stacks })
    }
}

fn shown(name: String, found: Option<Stack>) -> ShownStack {
    match found {
        Some(stack) => ShownStack {
            name,
            status: Some(stack.status),
            reason: stack.reason,
            updated_at: stack.updated_at,
            outputs: stack.outputs,
        },
        None => ShownStack {
            name,
            status: None,
            reason: None,
            updated_at: None,
            outputs: BTreeMap::new(),
        },
    }
}

/// What brings a stack to a state that a deployment can start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    None,
    /// Somebody else changes the stack, or a deployment that died began to.
    Wait,
    /// The stack never worked, so nothing is lost; CloudFormation refuses to update it.
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

impl Handle for RepairStacks {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Repaired> {
        let stacks = CloudFormation::new(cloud.sdk());
        let mut repaired = Vec::new();
        for name in self.names {
            let Some(stack) = stacks.stack(&name).await? else {
                continue;
            };
            let from = stack.status.clone();
            let to = repair(&stacks, &name, stack).await?.status;
            if to != from {
                repaired.push(RepairedStack { name, from, to });
            }
        }
        Ok(Repaired { repaired })
    }
}

/// Changes the stack until a deployment can start from it.
async fn repair(
    stacks: &CloudFormation,
    name: &str,
    mut stack: Stack,
) -> Result<Stack, CloudError> {
    let mut seen = stacks.past_events(&stack.id).await?;
    let mut changes = 0;
    loop {
        let remedy = remedy(&stack);
        if remedy == Remedy::None {
            return Ok(stack);
        }
        if changes == REPAIRS {
            return Err(beyond_repair(name, &stack));
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

impl Handle for CancelStack {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Cancelled> {
        let stacks = CloudFormation::new(cloud.sdk());
        let mut cancelled = false;
        let Some(mut stack) = stacks.stack(&self.name).await? else {
            return Ok(Cancelled {
                name: self.name,
                status: None,
                cancelled,
            });
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
        Ok(Cancelled {
            name: self.name,
            status: Some(stack.status),
            cancelled,
        })
    }
}

impl Handle for DetectDrift {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Drifts> {
        let cloudformation = CloudFormation::new(cloud.sdk());
        // All detections are started first, because each of them takes up to a minute.
        let mut started = Vec::new();
        for name in &self.names {
            started.push((name, cloudformation.start_drift_detection(name).await));
        }
        let mut stacks = Vec::new();
        for (name, started) in started {
            let drift = match started {
                Ok(detection) => cloudformation.drift(name, &detection, DRIFT_BOUND).await,
                Err(error) => Err(error),
            };
            stacks.push(match drift {
                Ok(drift) => drift,
                // There is no such stack, it is in a state in which it cannot be compared, or
                // the cloud does not detect drift.
                Err(error) if is_unknowable(&error) => unknown(name, error.message),
                Err(error) => return Err(error.into()),
            });
        }
        Ok(Drifts { stacks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
