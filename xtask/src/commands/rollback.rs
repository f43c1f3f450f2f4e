//! `cargo xtask rollback`: back to what served before, from the templates and digests that
//! were kept with it.

use crate::commands::deploy::summary;
use serde::Serialize;
use xtask_core::context::Context;
use xtask_machine::ministack::database;
use xtask_operate::deploy::assembly::Assembly;
use xtask_operate::deploy::environment_lock::EnvironmentLock;
use xtask_operate::deploy::folder::deploy_folder;
use xtask_operate::deploy::release;
use xtask_operate::deploy::release::{Image, Release};
use xtask_operate::deploy::serve::serve;
use xtask_operate::deploy::{guards, stacks};
use xtask_operate::destination;
use xtask_operate::smoke::Seen;

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Release to go back to [default: the one before what serves now]
    #[arg(long, value_name = "RELEASE")]
    to: Option<String>,
}

/// The result of `rollback --json`.
#[derive(Debug, Serialize)]
struct RolledBack {
    release: Release,
    smoke: Seen,
    seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// There is no such release, or it does not serve; what served before does again then.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    guards::said_yes(context, "rollback")?;
    if context.is_local() {
        xtask_machine::require(context, xtask_machine::FOR_VALIDATE)?;
    }
    let lock = EnvironmentLock::take(context, "rollback")?;
    let releases = release::list(context)?;
    let goal = release::before(&releases, args.to.as_deref())?;
    context
        .report
        .step(&format!("go back to release {} of {}", goal.id, goal.at));
    // Logs the engine in where that is needed.
    destination::asked(context, destination::Registry::Environment)?;
    for image in goal.images.values() {
        Image::find(context, &image.reference)?;
    }
    if context.is_local() {
        database::ensure(context)?;
    }
    stacks::repair(context)?;

    let packed = release::assembly(context, goal)?;
    let assembly = Assembly::unpack(&packed, &deploy_folder(context, "assembly"))?;
    let release = goal.back_to(lock.holder().owner.clone())?;
    let (release, seen) = serve(context, release, &assembly, &releases)?;
    let text = format!(
        "{}\nrelease {} serves again, as release {} ({:.0} s)\n{}",
        summary(&release),
        goal.id,
        release.id,
        release.seconds,
        release.url.as_deref().unwrap_or_default()
    );
    let rolled_back = RolledBack {
        seconds: release.seconds,
        release,
        smoke: seen,
    };
    context.report.result(&rolled_back, &text)
}
