//! `cargo xtask promote`: put the tags for people on a release's images again.

use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_operate::deploy::{guards, release, serve};
use xtask_operate::destination;

/// Arguments of `promote`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Release whose images it is [default: the one that serves]
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// There is no such release that succeeded, or the registry refuses.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    guards::said_yes(context, "promote")?;
    if context.is_local() {
        xtask_machine::ministack::require(context)?;
    }
    let releases = release::list(context)?;
    let chosen = match &args.release {
        Some(id) => release::before(&releases, Some(id))?,
        None => release::current(&releases).ok_or_else(|| {
            Failure::new(
                Code::Usage,
                "nothing was deployed, so nothing can be promoted",
            )
            .hint("cargo xtask deploy")
        })?,
    };
    // Logs the engine in where that is needed.
    destination::asked(context, destination::Registry::Environment)?;
    serve::promote(context, chosen)?;
    context.report.result(
        &serde_json::json!({ "release": chosen.id, "tags": serve::tags(context) }),
        &format!(
            "the images of release {} are {}",
            chosen.id,
            serve::tags(context).join(" and ")
        ),
    )
}
