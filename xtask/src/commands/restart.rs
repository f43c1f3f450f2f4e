//! `cargo xtask restart`: replaces running tasks with new ones, without an outage.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::selection::Selection;
use crate::commands::shown::services;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_machine::ministack;
use xtask_operate::deploy::guards;
use xtask_operate::services::restart;

/// Replace the running tasks of services with new ones
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = services::ANSWER;

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let selected = self.selection.services(context)?;
        guards::said_yes(context, "restart")?;
        ministack::require_if_local(context)?;
        services::report(context, restart(context, &selected)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
