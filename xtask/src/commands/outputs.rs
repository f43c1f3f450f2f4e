//! `cargo xtask outputs`: what the stacks put out.

use serde::Serialize;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::deploy::stacks;
use xtask_operate::deploy::stacks::Stack;

/// Outputs that CDK makes for other stacks to read.
const BETWEEN_STACKS: &str = "Publish";

/// The result of `outputs --json`.
#[derive(Debug, Serialize)]
struct Listing {
    stacks: Vec<Stack>,
}

/// Runs the command.
///
/// # Errors
/// The cloud does not answer.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    if context.is_local() {
        xtask_machine::ministack::require(context)?;
    }
    let stacks = stacks::show(context)?;
    let rows: Vec<Vec<String>> = stacks
        .iter()
        .flat_map(|stack| {
            let status = stack.status.as_deref().unwrap_or("does not exist");
            // What stacks tell each other is for them alone.
            let mut outputs = stack
                .outputs
                .iter()
                .filter(|(name, _)| !name.starts_with(BETWEEN_STACKS));
            let first = outputs.next();
            let row = |stack: &str, status: &str, output: Option<(&String, &String)>| {
                let (name, value) = output.map_or(("", ""), |(name, value)| (name, value));
                [stack, status, name, value].map(str::to_owned).to_vec()
            };
            std::iter::once(row(&stack.name, status, first))
                .chain(outputs.map(move |output| row("", "", Some(output))))
                .collect::<Vec<_>>()
        })
        .collect();
    let text = table(&["stack", "status", "output", "value"], &rows);
    context.report.result(&Listing { stacks }, &text)
}
