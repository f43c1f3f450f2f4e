//! `cargo xtask restart`: new tasks in place of those that run, without an outage.

use crate::commands::selection::Selection;
use serde::Serialize;
use xtask_core::context::Context;
use xtask_machine::ministack;
use xtask_operate::deploy::guards;
use xtask_operate::services;
use xtask_operate::services::Settled;

/// Arguments of `restart`.
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

/// Runs the command.
///
/// # Errors
/// The environment is protected or locked, or the new tasks do not serve.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let selected = args.selection.services(context)?;
    guards::said_yes(context, "restart")?;
    ministack::require_if_local(context)?;
    tell(context, services::restart(context, &selected)?)
}

/// Ends the command with what became of the services.
pub(super) fn tell(context: &Context, services: Vec<Settled>) -> anyhow::Result<()> {
    let lines: Vec<String> = services
        .iter()
        .map(|settled| {
            format!(
                "{}: {} of {} tasks run, {} before ({:.0} s)",
                settled.service, settled.running, settled.desired, settled.was, settled.seconds
            )
        })
        .collect();
    context
        .report
        .result(&Changed { services }, &lines.join("\n"))
}
