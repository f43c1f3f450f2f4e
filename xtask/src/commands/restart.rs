//! `cargo xtask restart`: replaces running tasks with new ones, without an outage.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::selection::Selection;
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_machine::ministack;
use xtask_operate::deploy::guards;
use xtask_operate::services;
use xtask_operate::services::Settled;

/// Replace the running tasks of services with new ones
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
}

/// The result of `restart --json` and `scale --json`.
#[derive(Debug, Serialize)]
struct Changed {
    services: Vec<Settled>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"services":[{"service","deployment_id","was","running","desired","seconds"}]}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let selected = self.selection.services(context)?;
        guards::said_yes(context, "restart")?;
        ministack::require_if_local(context)?;
        report(context, services::restart(context, &selected)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints what became of the services.
pub(super) fn report(context: &Context, services: Vec<Settled>) -> anyhow::Result<()> {
    let lines: Vec<String> = services
        .iter()
        .map(|settled| {
            format!(
                "{}: {} of {} tasks run; {} ran before ({:.0} s)",
                settled.service, settled.running, settled.desired, settled.was, settled.seconds
            )
        })
        .collect();
    context
        .report
        .result(&Changed { services }, &lines.join("\n"))
}
