//! `cargo xtask plan [IMAGE…]`: what `build` would do and why, without doing it.

use super::build::REASONS_SHOWN;
use crate::engine::build;
use crate::engine::build::plan::{self, Plan, State, Step};
use crate::engine::context::Context;
use crate::engine::key::short;
use crate::engine::report::table;
use crate::engine::target;
use serde::Serialize;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images of platform.toml; all where none is named
    images: Vec<String>,
    /// Which registry to ask: the environment's, or ECR (also the local cloud's)
    #[arg(long, value_enum, default_value = "environment")]
    registry: target::Registry,
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
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let names = build::select(context, &args.images)?;
    let registry = target::asked(context, args.registry)?;
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
