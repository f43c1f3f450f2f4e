//! `cargo xtask rollback`: back to what served before, from the templates and digests that
//! were kept with it.

use super::deploy::summary;
use crate::engine::context::Context;
use crate::engine::deploy::assembly::Assembly;
use crate::engine::deploy::environment_lock::EnvironmentLock;
use crate::engine::deploy::release::{self, Image, Release};
use crate::engine::deploy::serve::serve;
use crate::engine::deploy::{self, guards, stacks};
use crate::engine::smoke::Seen;
use crate::engine::target;
use crate::local::{self, database};
use serde::Serialize;

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Args {
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
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    guards::said_yes(context, "rollback")?;
    if context.is_local() {
        local::require(context, local::FOR_VALIDATE)?;
    }
    let lock = EnvironmentLock::take(context, "rollback")?;
    let releases = release::list(context)?;
    let goal = release::before(&releases, args.to.as_deref())?;
    context
        .report
        .step(&format!("go back to release {} of {}", goal.id, goal.at));
    // Logs the engine in where that is needed.
    target::asked(context, target::Registry::Environment)?;
    for image in goal.images.values() {
        Image::find(context, &image.reference)?;
    }
    if context.is_local() {
        database::ensure(context)?;
    }
    stacks::repair(context)?;

    let packed = release::assembly(context, goal)?;
    let assembly = Assembly::unpack(&packed, &deploy::folder(context, "assembly"))?;
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
