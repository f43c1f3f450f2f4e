//! `cargo xtask scale`: how many tasks services run. `--to 0` saves what they cost; without
//! `--to`, back to what platform.toml says.

use crate::commands::selection::Selection;
use xtask_core::context::Context;
use xtask_machine::ministack;
use xtask_operate::deploy::guards;
use xtask_operate::services;

/// Arguments of `scale`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Tasks of each service [default: what platform.toml says]
    #[arg(long, value_name = "TASKS", value_parser = clap::value_parser!(u32).range(..=MOST_TASKS))]
    to: Option<u32>,
}

/// ECS runs no more for one service.
const MOST_TASKS: i64 = 5_000;

/// Runs the command.
///
/// # Errors
/// The environment is protected or locked, the answer was no, or the tasks do not come.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let selected = args.selection.services(context)?;
    guards::said_yes(context, "scale")?;
    ministack::require_if_local(context)?;
    if args.to == Some(0) {
        guards::confirm(
            context,
            &format!(
                "this stops {} of {}: users get no answer until it is scaled up again",
                selected.join(", "),
                context.environment
            ),
        )?;
    }
    let settled = services::scale(context, &selected, args.to)?;
    crate::commands::restart::tell(context, settled)
}
