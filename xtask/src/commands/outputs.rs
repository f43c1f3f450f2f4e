//! `cargo xtask outputs`: lists the outputs of the stacks.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::process::ExitCode;
use xtask_aws_api::calls::stacks::ShownStack;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::deploy::stacks;

/// The prefix of outputs that CDK makes for other stacks.
const BETWEEN_STACKS: &str = "Publish";

/// The result of `outputs --json`.
#[derive(Debug, Serialize)]
struct Listing {
    stacks: Vec<ShownStack>,
}

/// List the stacks and their outputs
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"stacks":[{"name","status","reason","updated_at","outputs":{NAME:VALUE}}]}`; a stack
        without `status` does not exist"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if context.is_local() {
            xtask_machine::ministack::require(context)?;
        }
        let stacks = stacks::show(context)?;
        let rows: Vec<Vec<String>> = stacks
            .iter()
            .flat_map(|stack| {
                let status = stack.status.as_deref().unwrap_or("does not exist");
                // Outputs for other stacks do not interest people.
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
        context.report.result(&Listing { stacks }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
