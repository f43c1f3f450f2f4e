//! The stacks of an environment: their names, their states and their outputs.

use crate::deploy::environment_lock::EnvironmentLock;
use std::time::Duration;
use xtask_aws_api::calls::stacks::{RepairStacks, ShowStacks, ShownStack};
use xtask_aws_api::names::{self, Concern};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::aws;

/// A stack that another deploy is changing may take as long as CloudFormation allows.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(40 * 60);

/// Name of the stack of a concern.
#[must_use]
pub fn name(context: &Context, concern: Concern) -> String {
    names::stack(concern, &context.environment)
}

/// Names of all stacks of the environment.
#[must_use]
pub fn names(context: &Context) -> Vec<String> {
    Concern::all()
        .map(|concern| name(context, concern))
        .collect()
}

/// All stacks of the environment, including those that do not exist.
///
/// # Errors
/// The cloud does not answer.
pub fn show(context: &Context) -> anyhow::Result<Vec<ShownStack>> {
    let names = names(context);
    Ok(aws::call(context, ShowStacks { names }).read()?.stacks)
}

/// Names of the stacks that exist.
///
/// # Errors
/// The cloud does not answer.
pub fn existing(context: &Context) -> anyhow::Result<Vec<String>> {
    Ok(show(context)?
        .into_iter()
        .filter(|stack| stack.status.is_some())
        .map(|stack| stack.name)
        .collect())
}

/// An output of the stack of a concern.
///
/// # Errors
/// The stack or the output does not exist, or the cloud does not answer.
pub fn output(context: &Context, concern: Concern, name: &str) -> anyhow::Result<String> {
    let stack = self::name(context, concern);
    show(context)?
        .into_iter()
        .find(|shown| shown.name == stack)
        .and_then(|mut shown| shown.outputs.remove(name))
        .ok_or_else(|| {
            Failure::new(
                Code::Deploy,
                format!("stack {stack} has no output `{name}`"),
            )
            .hint("cargo xtask diff")
            .into()
        })
}

/// Brings stacks that an interrupted deploy left behind to a state from which a deploy can start,
/// and waits for updates that still run.
///
/// # Errors
/// The lock is not ours any more, the cloud refuses, or an update does not end in time.
pub fn repair(context: &Context, lock: &EnvironmentLock<'_>) -> anyhow::Result<()> {
    lock.still_ours()?;
    let names = names(context);
    let done = aws::call(context, RepairStacks { names })
        .timeout(REPAIR_TIMEOUT)
        .start("stacks")?
        .read()?;
    for change in done.repaired {
        context.report.step(&format!(
            "{} was {} after an earlier deploy and is now {}",
            change.name, change.from, change.to
        ));
    }
    Ok(())
}
