//! `cargo xtask diff`: shows what a deploy would change, and what was changed in the cloud
//! without a deploy.

use crate::commands::command::{Answer, Changes, Command};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_image::build;
use xtask_machine::aws;
use xtask_operate::cost;
use xtask_operate::deploy;
use xtask_operate::deploy::assembly::Assembly;
use xtask_operate::deploy::{rollout, stacks};
use xtask_operate::destination;

/// CloudFormation compares resource by resource.
const DRIFT_TIMEOUT: Duration = Duration::from_secs(600);

/// The result of `diff --json`.
#[derive(Debug, Serialize)]
struct Difference {
    /// Images that a deploy would build first; their digests are not known yet.
    unbuilt: Vec<String>,
    /// The output of `cdk diff`, stack by stack.
    changes: String,
    /// What differs in the cloud from what was deployed.
    drift: Vec<Drift>,
    /// What a month would cost, USD.
    month_usd: f64,
}

/// The drift of one stack.
#[derive(Debug, Serialize, Deserialize)]
struct Drift {
    name: String,
    /// `IN_SYNC`, `DRIFTED`, or `UNKNOWN` where the cloud cannot tell.
    status: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    resources: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Drifts {
    stacks: Vec<Drift>,
}

/// Show what a deploy would change, and what was changed in the cloud without a deploy
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"unbuilt":[IMAGE],"changes",
        "drift":[{"name","status":"IN_SYNC|DRIFTED|UNKNOWN","reason","resources":[RESOURCE]}],
        "month_usd"}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        show(context)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Shows the difference, for `diff` and for `deploy --dry-run`.
///
/// # Errors
/// The app does not synthesise, or the cloud does not answer.
pub(super) fn show(context: &Context) -> anyhow::Result<()> {
    if context.is_local() {
        xtask_machine::ministack::require(context)?;
    }
    let names = build::select(context, &[])?;
    let registry = destination::asked(context, destination::Registry::Environment)?;
    let mut references = destination::unbuilt(context);
    let mut unbuilt = Vec::new();
    for name in &names {
        let standing = build::look(context, name, &registry)?;
        match standing.digest {
            Some(digest) => {
                references.insert(name.clone(), standing.repository.pinned(&digest));
            }
            None => unbuilt.push(name.clone()),
        }
    }
    let assembly = Assembly::synthesise(context, &references, &deploy::folder(context, "diff"))?;
    let month = cost::month(
        &context.platform,
        &context.environment,
        Some(assembly.folder()),
    )?;
    let changes = rollout::diff(context, &assembly)?;
    let existing: Vec<String> = stacks::show(context)?
        .into_iter()
        .filter(|stack| stack.status.is_some())
        .map(|stack| stack.name)
        .collect();
    let drift = drift(context, &existing)?;
    let mut text = changes.trim().to_owned();
    for image in &unbuilt {
        text.push_str(&format!(
            "\nimage {image} would be built first, so its digest is not known yet"
        ));
    }
    let rows: Vec<Vec<String>> = drift
        .iter()
        .map(|stack| {
            vec![
                stack.name.clone(),
                stack.status.clone(),
                stack.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n\n{}", table(&["stack", "drift", "why"], &rows)));
    }
    text.push_str(&format!("\na month would cost {:.2} USD", month.total_usd));
    let difference = Difference {
        unbuilt,
        changes,
        drift,
        month_usd: month.total_usd,
    };
    context.report.result(&difference, &text)
}

fn drift(context: &Context, existing: &[String]) -> anyhow::Result<Vec<Drift>> {
    if existing.is_empty() {
        return Ok(Vec::new());
    }
    let arguments = ["stack", "drift"]
        .into_iter()
        .chain(existing.iter().map(String::as_str));
    let drifts: Drifts = aws::call(context, arguments)
        .timeout(DRIFT_TIMEOUT)
        .start("stacks")?
        .read()?;
    Ok(drifts.stacks)
}
