//! `cargo xtask setup`: installs and starts what is missing on this machine.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::installing;
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_machine::part::Part;
use xtask_machine::{Change, FOR_TEST};

/// The result of `setup --json`.
#[derive(Debug, Serialize)]
struct Done {
    /// Whether everything was there before.
    unchanged: bool,
    /// What was installed or started, in that order.
    changes: Vec<Change>,
    /// How long it took.
    seconds: f64,
}

/// Install and start what is missing on this machine
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer =
        Answer::Object(r#"`{"unchanged","changes":[{"part","was","now","seconds"}],"seconds"}`"#);
    const SETUP: &'static [Part] = &[];

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let changes = installing::install(context, FOR_TEST)?;
        let text = if changes.is_empty() {
            "nothing is missing, so nothing was changed".to_owned()
        } else {
            let rows: Vec<Vec<String>> = changes
                .iter()
                .map(|change| {
                    vec![
                        change.part.to_owned(),
                        change.was.clone(),
                        change.now.clone(),
                        format!("{:.1}", change.seconds),
                    ]
                })
                .collect();
            table(&["part", "was", "is", "seconds"], &rows)
        };
        let done = Done {
            unchanged: changes.is_empty(),
            changes,
            seconds: context.report.elapsed_secs(),
        };
        context.report.result(&done, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
