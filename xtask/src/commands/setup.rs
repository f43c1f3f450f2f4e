//! `cargo xtask setup`: install and start what is missing on this machine.

use serde::Serialize;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::questions;
use xtask_core::report::table;
use xtask_machine::part::Part;
use xtask_machine::{self, Change, FOR_TEST, FOR_VALIDATE, Finding};

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

/// Runs the command.
///
/// # Errors
/// The user declines, a part can only be installed by a person, or a step fails.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    let changes = install(context, FOR_TEST)?;
    let text = if changes.is_empty() {
        "everything is there; nothing was changed".to_owned()
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
    context.report.result(&done, &text)
}

/// `--setup` on another command: what `validate` needs, or also what only `test` needs.
///
/// # Errors
/// As [`run`].
pub(crate) fn ensure(context: &Context, for_tests: bool) -> anyhow::Result<()> {
    install(context, if for_tests { FOR_TEST } else { FOR_VALIDATE }).map(|_| ())
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

/// Before anything is touched, names everything that only a person can bring.
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
        format!("setup cannot bring {}", what.join(", ")),
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
            "parts are missing, and nobody can be asked whether to install them",
        )
        .hint("cargo xtask setup --yes")
        .into());
    };
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(
        Failure::new(Code::Prerequisite, "declined; nothing was changed")
            .hint("cargo xtask setup --yes")
            .into(),
    )
}
