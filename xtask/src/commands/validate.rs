//! `cargo xtask validate`: build what changed, start the platform in containers, and use it as a user
//! does. What was validated once is not validated again.

use crate::commands::build::summary;
use xtask_core::context::Context;
use xtask_operate::validation;
use xtask_operate::validation::{Options, Validated};

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also where the same images were validated before
    #[arg(long)]
    force: bool,
    /// Leave the containers running
    #[arg(long)]
    keep: bool,
    /// Write down which calls orchestrator and generator make of the cloud, for the test of
    /// their rights
    #[arg(long, requires = "force", conflicts_with = "keep")]
    record_calls: bool,
}

/// Runs the command.
///
/// # Errors
/// The first step that fails, with the last lines of the log that shows why.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let options = Options {
        force: args.force,
        keep: args.keep,
        record_calls: args.record_calls,
    };
    let validated = validation::validate(context, options)?;
    context.report.result(&validated, &text(&validated))
}

fn text(validated: &Validated) -> String {
    let images = summary(&validated.images);
    let Some(seen) = &validated.smoke else {
        return format!(
            "{images}\nnothing changed since it was validated at {}; built and started nothing ({:.2} s)",
            validated.at, validated.seconds
        );
    };
    let mut text = format!(
        "{images}\nvalidated in {:.1} s: a user's job ran as {} and its application answered",
        validated.seconds, seen.task
    );
    if let Some(url) = &validated.url {
        text.push_str(&format!(
            "\nrunning at {url}; `cargo xtask cleanup` ends it"
        ));
    }
    text
}
