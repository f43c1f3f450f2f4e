//! `cargo xtask scale`: sets how many tasks the services run. `--to 0` saves their cost; without
//! `--to`, the number returns to that of platform.toml.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::selection::Selection;
use crate::commands::shown::services;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_machine::ministack;
use xtask_operate::deploy::guards;
use xtask_operate::services::scale;

/// Set how many tasks the services run
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Number of tasks of each service [default: the number in platform.toml]
    #[arg(long, value_name = "TASKS", value_parser = clap::value_parser!(u32).range(..=MOST_TASKS))]
    to: Option<u32>,
}

/// ECS does not run more tasks for one service.
const MOST_TASKS: i64 = 5_000;

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = services::ANSWER;

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let selected = self.selection.services(context)?;
        guards::said_yes(context, "scale")?;
        ministack::require_if_local(context)?;
        if self.to == Some(0) {
            guards::confirm(
                context,
                &format!(
                    "this stops {} of environment {}: users get no answer until you scale up again",
                    selected.join(", "),
                    context.environment
                ),
            )?;
        }
        services::report(context, scale(context, &selected, self.to)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
