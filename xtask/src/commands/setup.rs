//! `cargo xtask setup`: installs and starts what is missing on this machine.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::questions;
use xtask_core::report::table;
use xtask_machine::part::Part;
use xtask_machine::{self, Change, FOR_TEST, Finding};

/// The result of `setup --json`.
#[derive(Debug, Serialize)]
struct Done {
    /// Whether everything was there before.
    unchanged: bool,
    /// What was installed or started, in that order.
    changes: Vec<Change>,
    /// How long it took.
    seconds: f64,
}

/// Install and start what is missing on this machine
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer =
        Answer::Object(r#"`{"unchanged","changes":[{"part","was","now","seconds"}],"seconds"}`"#);
    const SETUP: &'static [Part] = &[];

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let changes = install(context, FOR_TEST)?;
        let text = if changes.is_empty() {
            "nothing is missing, so nothing was changed".to_owned()
        } else {
            let rows: Vec<Vec<String>> = changes
                .iter()
                .map(|change| {
                    vec![
                        change.part.to_owned(),
                        change.was.clone(),
                        change.now.clone(),
                        format!("{:.1}", change.seconds),
                    ]
                })
                .collect();
            table(&["part", "was", "is", "seconds"], &rows)
        };
        let done = Done {
            unchanged: changes.is_empty(),
            changes,
            seconds: context.report.elapsed_secs(),
        };
        context.report.result(&done, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Does what `--setup` asks for before another command.
///
/// # Errors
/// The user declines, a part can only be installed by a person, or a step fails.
pub(super) fn ensure(context: &Context, parts: &[Part]) -> anyhow::Result<()> {
    install(context, parts).map(|_| ())
}

fn install(context: &Context, parts: &[Part]) -> anyhow::Result<Vec<Change>> {
    let lacking = xtask_machine::lacking(context, parts, true);
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    refuse_the_impossible(context, &lacking)?;
    announce(context, &lacking);
    confirm(context)?;
    xtask_machine::ensure(context, parts)
}

/// Refuses to start where a person must bring a part, before anything is changed.
fn refuse_the_impossible(context: &Context, lacking: &[(Part, Finding)]) -> anyhow::Result<()> {
    let impossible: Vec<&(Part, Finding)> = lacking
        .iter()
        .filter(|(part, finding)| part.plan(context, finding).is_none())
        .collect();
    let Some((first, finding)) = impossible.first() else {
        return Ok(());
    };
    let what: Vec<String> = impossible
        .iter()
        .map(|(part, finding)| {
            format!(
                "{} (found: {}; needed: {})",
                part.name(),
                finding.found,
                part.needed(context)
            )
        })
        .collect();
    Err(Failure::new(
        finding.code(),
        format!("setup cannot install {}", what.join(", ")),
    )
    .hint(first.fix(finding))
    .into())
}

fn announce(context: &Context, lacking: &[(Part, Finding)]) {
    context.report.step("missing on this machine:");
    for (part, finding) in lacking {
        let plan = part.plan(context, finding).unwrap_or_default();
        context
            .report
            .line(part.name(), &format!("{}: {plan}", finding.found));
    }
}

fn confirm(context: &Context) -> anyhow::Result<()> {
    if context.yes {
        return Ok(());
    }
    let question = "Install and start them? [y/N] ";
    let Some(answer) = questions::line(&context.report, question)? else {
        return Err(Failure::new(
            Code::Prerequisite,
            "parts are missing, and there is nobody to ask whether to install them",
        )
        .hint("cargo xtask setup --yes")
        .into());
    };
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(
        Failure::new(Code::Prerequisite, "you declined, so nothing was changed")
            .hint("cargo xtask setup --yes")
            .into(),
    )
}
