//! `cargo xtask plan [IMAGE…]`: shows what `build` would do and why.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::one_of::{REGISTRIES, one_of};
use crate::commands::shown::images::REASONS_SHOWN;
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_image::build;
use xtask_image::build::plan;
use xtask_image::build::plan::{Plan, State, Step};
use xtask_image::key::short;
use xtask_operate::destination;
use xtask_operate::destination::Registry;

/// Show what `build` would do and why, and change nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images of platform.toml [default: all]
    images: Vec<String>,
    /// Look for the images in this registry
    #[arg(long, value_parser = one_of(REGISTRIES), default_value = "environment")]
    registry: Registry,
}

/// The result of `plan --json`.
#[derive(Debug, Serialize)]
struct Planned {
    images: Vec<Plan>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"images":[{"image","key","reference","state":"build|present",
        "steps":[{"do":"compile|reuse-binary|build-page|reuse-page|unpack-packages|reuse-packages|install-tools|reuse-tools|pack|push","what"}],"before",
        "why":[DIFFERENCE]}]}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let names = build::select(context, &self.images)?;
        let registry = destination::asked(context, self.registry)?;
        let images = plan::all(context, &names, &registry)?;
        let rows: Vec<Vec<String>> = images.iter().map(row).collect();
        let mut text = table(&["image", "key", "state", "why"], &rows);
        for plan in images.iter().filter(|plan| !plan.steps.is_empty()) {
            let steps: Vec<String> = plan.steps.iter().map(Step::to_string).collect();
            text.push_str(&format!("{}: {}\n", plan.image, steps.join(", ")));
        }
        context.report.result(&Planned { images }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
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
