//! `cargo xtask plan [IMAGE…]`: what `build` would do and why, without doing it.

use crate::commands::build::REASONS_SHOWN;
use crate::commands::build::REGISTRIES;
use crate::commands::one_of::one_of;
use serde::Serialize;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_image::build;
use xtask_image::build::plan;
use xtask_image::build::plan::{Plan, State, Step};
use xtask_image::key::short;
use xtask_operate::destination;
use xtask_operate::destination::Registry;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images of platform.toml; all where none is named
    images: Vec<String>,
    /// Which registry to ask: the environment's, or ECR (also the local cloud's)
    #[arg(long, value_parser = one_of(REGISTRIES), default_value = "environment")]
    registry: Registry,
}

/// The result of `plan --json`.
#[derive(Debug, Serialize)]
struct Planned {
    images: Vec<Plan>,
}

/// Runs the command.
///
/// # Errors
/// A key cannot be computed, or the registry does not answer.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let names = build::select(context, &args.images)?;
    let registry = destination::asked(context, args.registry)?;
    let images = plan::all(context, &names, &registry)?;
    let rows: Vec<Vec<String>> = images.iter().map(row).collect();
    let mut text = table(&["image", "key", "state", "why"], &rows);
    for plan in images.iter().filter(|plan| !plan.steps.is_empty()) {
        let steps: Vec<String> = plan.steps.iter().map(Step::to_string).collect();
        text.push_str(&format!("{}: {}\n", plan.image, steps.join(", ")));
    }
    context.report.result(&Planned { images }, &text)
}

fn row(plan: &Plan) -> Vec<String> {
    let (state, unchanged) = match plan.state {
        State::Present => ("present", "inputs unchanged"),
        State::Build => ("build", "the registry does not have it"),
    };
    vec![
        plan.image.clone(),
        short(&plan.key).to_owned(),
        state.to_owned(),
        plan.reasons.summary(REASONS_SHOWN, unchanged),
    ]
}
