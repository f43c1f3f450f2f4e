//! The stacks of an environment: their names, their states and their outputs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::aws;

/// Concerns in the order of their dependencies. Each has one stack.
const CONCERNS: [&str; 6] = [
    "Network",
    "Registry",
    "Data",
    "Logs",
    "Service",
    "Observability",
];
/// A stack that another deploy is changing may take as long as CloudFormation allows.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(40 * 60);

/// A stack as the cloud knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stack {
    /// `AppGenService-dev`.
    pub name: String,
    /// State in CloudFormation's words, for instance `CREATE_COMPLETE`; `None` if the stack does
    /// not exist.
    pub status: Option<String>,
    /// Its outputs by name.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Stacks {
    stacks: Vec<Stack>,
}

/// Name of the stack of a concern.
#[must_use]
pub fn name(context: &Context, concern: &str) -> String {
    format!("AppGen{concern}-{}", context.environment)
}

/// Names of all stacks of the environment.
#[must_use]
pub fn names(context: &Context) -> Vec<String> {
    CONCERNS
        .iter()
        .map(|concern| name(context, concern))
        .collect()
}

/// All stacks of the environment, including those that do not exist.
///
/// # Errors
/// The cloud does not answer.
pub fn show(context: &Context) -> anyhow::Result<Vec<Stack>> {
    let stacks: Stacks = ask(context, "show").read()?;
    Ok(stacks.stacks)
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
pub fn output(context: &Context, concern: &str, name: &str) -> anyhow::Result<String> {
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
/// The cloud refuses, or an update does not end in time.
pub fn repair(context: &Context) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Repaired {
        repaired: Vec<Change>,
    }
    #[derive(Deserialize)]
    struct Change {
        name: String,
        from: String,
        to: Option<String>,
    }
    let done: Repaired = ask(context, "repair")
        .timeout(REPAIR_TIMEOUT)
        .start("stacks")?
        .read()?;
    for change in done.repaired {
        context.report.step(&format!(
            "{} was {} after an earlier deploy and is now {}",
            change.name,
            change.from,
            change.to.as_deref().unwrap_or("removed")
        ));
    }
    Ok(())
}

fn ask<'a>(context: &'a Context, verb: &str) -> aws::Call<'a> {
    let arguments = ["stack".to_owned(), verb.to_owned()]
        .into_iter()
        .chain(names(context));
    aws::call(context, arguments)
}
