//! What a command checks and asks before it changes an environment.

use crate::deploy::export::{commit, git};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::questions;

/// Git revision of the checkout, with `-dirty` if it has uncommitted changes; `None` outside git.
#[must_use]
pub fn revision(context: &Context) -> Option<String> {
    let head = commit(&context.root).ok()?;
    let status = ["status", "--porcelain", "--untracked-files=normal"];
    let edits = git(&context.root, &status).read().ok()?;
    let mark = if edits.is_empty() { "" } else { "-dirty" };
    Some(format!("{head}{mark}"))
}

/// Refuses to deploy an environment on AWS that would be open to strangers.
///
/// # Errors
/// [`Code::Manifest`], with the line and the key of the manifest and what to write there.
pub fn closed_to_strangers(context: &Context) -> anyhow::Result<()> {
    match context.platform.exposed(&context.environment) {
        None => Ok(()),
        Some(fault) => Err(Failure::new(Code::Manifest, fault.to_string())
            .hint(format!("edit {}", app_gen_infra::MANIFEST_PATH))
            .into()),
    }
}

/// Refuses to change a protected environment unless `--yes` is on the command line.
///
/// # Errors
/// [`Code::Refused`].
pub fn said_yes(context: &Context, command: &str) -> anyhow::Result<()> {
    if context.environment().protected && !context.yes_given {
        return Err(refusal(
            context,
            "a change of it needs --yes on the command line",
            &format!("cargo xtask {command} --env {} --yes", context.environment),
        ));
    }
    Ok(())
}

/// Refuses to deploy to a protected environment what others cannot see: only a clean checkout whose
/// commit is pushed may be deployed, and only with `--yes`.
///
/// # Errors
/// [`Code::Refused`] with what is missing.
pub fn protected(context: &Context, command: &str) -> anyhow::Result<()> {
    said_yes(context, command)?;
    if !context.environment().protected {
        return Ok(());
    }
    let Some(revision) = revision(context) else {
        return Err(refusal(
            context,
            "the checkout is not under git, so nobody could find the sources of what runs",
            "deploy from a clone of the repository",
        ));
    };
    if revision.ends_with("-dirty") {
        return Err(refusal(
            context,
            "the checkout has uncommitted changes",
            "git status",
        ));
    }
    let branches = ["branch", "--remotes", "--contains", "HEAD"];
    if git(&context.root, &branches).read()?.is_empty() {
        return Err(refusal(
            context,
            "the commit is not pushed to a branch of a remote",
            "git push",
        ));
    }
    Ok(())
}

/// The error of a command that a protected environment does not allow.
pub fn refusal(context: &Context, why: &str, hint: &str) -> anyhow::Error {
    Failure::new(
        Code::Refused,
        format!("environment {} is protected: {why}", context.environment),
    )
    .hint(hint)
    .into()
}

/// Asks a person to type the name of the environment before something is lost. Without a terminal,
/// `--yes` is needed.
///
/// # Errors
/// [`Code::Refused`] if the answer is not the name, or nobody can be asked.
pub fn confirm(context: &Context, loss: &str) -> anyhow::Result<()> {
    if context.yes {
        return Ok(());
    }
    let name = &context.environment;
    let refused = |why: &str| {
        Failure::new(Code::Refused, format!("{why}; nothing was changed"))
            .hint("add --yes to confirm without a terminal")
    };
    let question = format!("{loss}. Type `{name}` to continue: ");
    match questions::line(&context.report, &question)? {
        Some(answer) if answer.trim() == name => Ok(()),
        Some(_) => Err(refused(&format!("the answer was not `{name}`")).into()),
        None => Err(refused(&format!("{loss}, and there is no terminal to confirm it")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use xtask_core::cmd::Cmd;
    use xtask_core::error::Rendered;
    use xtask_core::report::{Report, Verbosity};

    /// A repository with one commit.
    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Self {
            let repository = Self::empty();
            std::fs::write(repository.path().join("file"), "one").unwrap();
            repository.git(&["add", "file"]);
            repository.git(&["commit", "--quiet", "--message", "one"]);
            repository
        }

        fn empty() -> Self {
            let repository = Self(tempfile::tempdir().unwrap());
            repository.git(&["init", "--quiet", "--initial-branch", "main"]);
            repository
        }

        /// A clone as actions/checkout makes it: one detached commit, known as the branch of a
        /// remote.
        fn checked_out_by_a_workflow(&self) -> Self {
            let checkout = Self::empty();
            let url = format!("file://{}", self.path().display());
            let fetched = format!(
                "+{}:refs/remotes/origin/main",
                self.git(&["rev-parse", "HEAD"])
            );
            checkout.git(&["remote", "add", "origin", &url]);
            checkout.git(&[
                "fetch",
                "--quiet",
                "--no-tags",
                "--depth=1",
                "origin",
                &fetched,
            ]);
            checkout.git(&[
                "checkout",
                "--quiet",
                "--detach",
                "refs/remotes/origin/main",
            ]);
            checkout
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        fn git(&self, arguments: &[&str]) -> String {
            Cmd::new("git")
                .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
                .args(["-c", "commit.gpgsign=false"])
                .args(arguments)
                .folder(self.path())
                .read()
                .unwrap()
        }

        /// Why a deploy of this checkout is refused; `None` if it is not.
        fn refused(&self, environment: &str, yes: bool) -> Option<String> {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"))
                .ancestors()
                .nth(2)
                .unwrap();
            let report = Report::new(false, Verbosity::Quiet);
            let mut context = Context::at(root.to_owned(), environment, yes, report).unwrap();
            context.root = self.path().to_owned();
            let rendered = Rendered::new(&protected(&context, "deploy").err()?);
            assert_eq!(rendered.exit_code, Code::Refused as u8);
            assert!(rendered.hint.is_some(), "{rendered:?}");
            Some(rendered.message)
        }
    }

    #[test]
    fn a_protected_environment_gets_only_what_is_committed_and_pushed() {
        let origin = Repository::new();
        let refused = |repository: &Repository| repository.refused("prod", true);
        assert!(
            refused(&origin)
                .unwrap()
                .ends_with("is not pushed to a branch of a remote")
        );
        let checkout = origin.checked_out_by_a_workflow();
        assert_eq!(refused(&checkout), None);
        let edited = checkout.path().join("file");
        std::fs::write(&edited, "two").unwrap();
        assert!(
            refused(&checkout)
                .unwrap()
                .ends_with("has uncommitted changes")
        );
        checkout.git(&["commit", "--quiet", "--all", "--message", "two"]);
        assert!(
            refused(&checkout)
                .unwrap()
                .ends_with("is not pushed to a branch of a remote")
        );
        checkout.git(&["checkout", "--quiet", "refs/remotes/origin/main"]);
        std::fs::write(checkout.path().join("new"), "in no commit").unwrap();
        assert!(
            refused(&checkout)
                .unwrap()
                .ends_with("has uncommitted changes")
        );
    }

    #[test]
    fn a_protected_environment_wants_yes_typed_and_others_do_not() {
        let checkout = Repository::new().checked_out_by_a_workflow();
        let unasked = checkout.refused("prod", false).unwrap();
        assert!(
            unasked.ends_with("a change of it needs --yes on the command line"),
            "{unasked}"
        );
        let edited = Repository::new();
        std::fs::write(edited.path().join("new"), "in no commit").unwrap();
        assert_eq!(edited.refused("dev", false), None);
        let nowhere = Repository(tempfile::tempdir().unwrap());
        assert!(
            nowhere
                .refused("prod", true)
                .unwrap()
                .contains("not under git")
        );
    }
}
