//! What a deploy asks before it does anything.

use crate::engine::cmd::Cmd;
use crate::engine::context::Context;
use crate::engine::error::{Code, Failure};
use std::io::{BufRead as _, IsTerminal as _};

/// The checkout's revision, `-dirty` where it has edits; nothing outside git.
#[must_use]
pub fn revision(context: &Context) -> Option<String> {
    let head = git(context, &["rev-parse", "HEAD"]).ok()?;
    let edits = git(context, &["status", "--porcelain"]).ok()?;
    let mark = if edits.is_empty() { "" } else { "-dirty" };
    Some(format!("{head}{mark}"))
}

/// Nothing happens to a protected environment unless `--yes` is typed.
///
/// # Errors
/// [`Code::Refused`].
pub fn said_yes(context: &Context, command: &str) -> anyhow::Result<()> {
    if context.environment().protected && !context.yes_given {
        return Err(refusal(
            context,
            "nothing happens there without --yes",
            &format!("cargo xtask {command} --env {} --yes", context.environment),
        ));
    }
    Ok(())
}

/// A protected environment gets only what others can see: a clean tree whose commit is pushed.
///
/// # Errors
/// [`Code::Refused`] with what is missing, also `--yes`.
pub fn protected(context: &Context, command: &str) -> anyhow::Result<()> {
    said_yes(context, command)?;
    if !context.environment().protected {
        return Ok(());
    }
    let Some(revision) = revision(context) else {
        return Err(refusal(
            context,
            "the checkout is not under git, so nobody could tell what runs",
            "deploy from a clone of the repository",
        ));
    };
    if revision.ends_with("-dirty") {
        return Err(refusal(
            context,
            "the checkout has edits that are in no commit",
            "git status",
        ));
    }
    if git(context, &["branch", "--remotes", "--contains", "HEAD"])?.is_empty() {
        return Err(refusal(
            context,
            "the commit is on no branch of a remote",
            "git push",
        ));
    }
    Ok(())
}

fn refusal(context: &Context, why: &str, hint: &str) -> anyhow::Error {
    Failure::new(
        Code::Refused,
        format!("environment {} is protected: {why}", context.environment),
    )
    .hint(hint)
    .into()
}

/// Asks for the environment's name before something is lost. Without a terminal only
/// `--yes` answers.
///
/// # Errors
/// [`Code::Refused`] where the answer is another.
pub fn confirm(context: &Context, loss: &str) -> anyhow::Result<()> {
    if context.yes {
        return Ok(());
    }
    let name = &context.environment;
    let refused = |why: &str| {
        Failure::new(Code::Refused, format!("{why}; nothing was done"))
            .hint("add --yes where nobody can be asked")
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused(&format!("{loss}, and nobody can be asked")).into());
    }
    context
        .report
        .step(&format!("{loss}. Type `{name}` to go on:"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == name {
        return Ok(());
    }
    Err(refused("the answer was another").into())
}

fn git(context: &Context, arguments: &[&str]) -> anyhow::Result<String> {
    Cmd::new("git").args(arguments).folder(&context.root).read()
}
