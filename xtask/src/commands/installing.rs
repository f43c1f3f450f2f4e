//! Installs and starts what is missing, after a question: for `setup`, and for `--setup` before
//! another command.

use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::questions;
use xtask_machine::part::Part;
use xtask_machine::{self, Change, Finding};

/// Installs and starts those of `parts` that are missing, and returns what was done.
///
/// # Errors
/// The user declines, a part can only be installed by a person, or a step fails.
pub(super) fn install(context: &Context, parts: &[Part]) -> anyhow::Result<Vec<Change>> {
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
