//! Failures with an exit code and a hint.
//!
//! Commands use `anyhow` and add a [`Failure`] wherever they know the exit code or the next
//! command. The hint of the outermost `Failure` that has one is shown, and the code of the
//! innermost one is returned, because the cause knows best what kind of failure it is. A full
//! disk can end any step, so its hint is given here. [`unknown`] refuses a name that does not
//! exist.

use std::fmt;
use std::sync::Arc;

/// Why a command ended. Both sides of the border to the AWS SDK use the same codes.
pub use xtask_aws_api::ExitCode as Code;

/// What the operating system and most tools say when a disk is full.
pub const DISK_FULL: &str = "No space left on device";
const DISK_FULL_HINT: &str = "free some disk space, then run the command again; \
     `cargo xtask cleanup --all` frees what this checkout uses";

/// A message with its exit code and, where one is known, the next command.
#[derive(Debug, Clone)]
pub struct Failure {
    code: Code,
    /// The exit code of a program that the command ran on the user's behalf.
    passed_on: Option<u8>,
    message: String,
    hint: Option<String>,
    cause: Option<Arc<anyhow::Error>>,
}

impl Failure {
    /// A failure without a hint. `message` begins in lower case and names what it is about.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            passed_on: None,
            message: message.into(),
            hint: None,
            cause: None,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ends the command with the exit code of the program that it ran for the user. Zero is not
    /// passed on, because the command failed.
    #[must_use]
    pub fn passing_on(mut self, exit_code: i32) -> Self {
        self.passed_on = u8::try_from(exit_code).ok().filter(|&code| code != 0);
        self
    }

    /// Adds the error that caused it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.cause = Some(Arc::new(cause.into()));
        self
    }

    /// The failure of a command that a signal stopped.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(Code::Interrupted, "interrupted")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| (**cause).as_ref())
    }
}

/// Context that carries a code and a hint: `result.failure(|| Failure::new(…))`.
pub trait FailureContext<T> {
    /// Makes the error the cause of the failure.
    ///
    /// # Errors
    /// The failure, where there was an error.
    fn failure(self, failure: impl FnOnce() -> Failure) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> FailureContext<T> for Result<T, E> {
    fn failure(self, failure: impl FnOnce() -> Failure) -> anyhow::Result<T> {
        // The `context` of anyhow would hide the type from those who walk along the chain.
        self.map_err(|error| anyhow::Error::new(failure().because(error)))
    }
}

/// How alike two names must be before one is suggested for the other; clap asks for as much.
const ALIKE: f64 = 0.7;

/// The refusal of a name that nothing has. `kind` says what the name should have named: "image",
/// "key of secret `generator`". The hint suggests the most similar name and lists all of them.
pub fn unknown<S: AsRef<str>>(
    kind: &str,
    name: &str,
    known: impl IntoIterator<Item = S>,
) -> Failure {
    let known: Vec<S> = known.into_iter().collect();
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let nearest = known
        .iter()
        .map(|&candidate| (strsim::jaro(name, candidate), candidate))
        .filter(|&(likeness, _)| likeness > ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let hint = match (nearest, known.is_empty()) {
        (_, true) => format!("no {kind} exists"),
        (None, _) => format!("name one of: {}", known.join(", ")),
        (Some((_, nearest)), _) if known.len() == 1 => format!("did you mean `{nearest}`?"),
        (Some((_, nearest)), _) => format!(
            "did you mean `{nearest}`? Otherwise name one of: {}",
            known.join(", ")
        ),
    };
    Failure::new(Code::Usage, format!("there is no {kind} named `{name}`")).hint(hint)
}

/// An error as `main` prints and returns it.
#[derive(Debug, serde::Serialize)]
pub struct Rendered {
    /// The outermost message.
    pub message: String,
    /// Its causes, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The process's exit code.
    pub exit_code: u8,
}

impl Rendered {
    /// Finds message, causes, hint and exit code along the chain of causes.
    #[must_use]
    pub fn new(error: &anyhow::Error) -> Self {
        let failures = failures(error);
        let interrupt = failures
            .iter()
            .find(|failure| failure.code == Code::Interrupted);
        if let Some(interrupt) = interrupt {
            // The step that it interrupted did not fail by itself, so there is nothing to mend.
            return Self {
                message: interrupt.message.clone(),
                causes: Vec::new(),
                hint: None,
                exit_code: Code::Interrupted as u8,
            };
        }
        let exit_code = failures.last().map_or(Code::Failed as u8, |failure| {
            failure.passed_on.unwrap_or(failure.code as u8)
        });
        let disk_is_full = error
            .chain()
            .any(|cause| cause.to_string().contains(DISK_FULL));
        let hint = if disk_is_full {
            Some(DISK_FULL_HINT.to_owned())
        } else {
            failures.iter().find_map(|failure| failure.hint.clone())
        };
        let mut messages = error.chain().map(ToString::to_string);
        let message = messages.next().unwrap_or_default();
        // A library may print its cause within its message; then it is not printed again.
        let causes = messages
            .filter(|cause| !message.ends_with(cause.as_str()))
            .collect();
        Self {
            message,
            causes,
            hint,
            exit_code,
        }
    }
}

/// The failures of the chain, outermost first.
fn failures(error: &anyhow::Error) -> Vec<&Failure> {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<Failure>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn hint_comes_from_outside_and_code_from_inside() {
        let error = Err::<(), _>(Failure::new(Code::Service, "registry is gone").hint("inner"))
            .failure(|| Failure::new(Code::Build, "failed to build app").hint("outer"))
            .context("validate")
            .unwrap_err();
        let rendered = Rendered::new(&error);
        assert_eq!(rendered.message, "validate");
        assert_eq!(rendered.causes, ["failed to build app", "registry is gone"]);
        assert_eq!(rendered.hint.as_deref(), Some("outer"));
        assert_eq!(rendered.exit_code, Code::Service as u8);
    }

    #[test]
    fn an_interrupt_is_not_a_failure_of_the_step_that_it_stops() {
        let error = Err::<(), _>(Failure::interrupted())
            .failure(|| Failure::new(Code::Build, "failed to build app").hint("outer"))
            .unwrap_err();
        let rendered = Rendered::new(&error);
        assert_eq!(rendered.message, "interrupted");
        assert_eq!((rendered.causes, rendered.hint), (Vec::new(), None));
        assert_eq!(rendered.exit_code, Code::Interrupted as u8);
    }

    #[test]
    fn the_exit_code_of_a_program_is_passed_on_and_never_as_success() {
        let exit_code = |code| {
            let failure = Failure::new(Code::Failed, "task failed").passing_on(code);
            Rendered::new(&failure.into()).exit_code
        };
        assert_eq!([2, 137, 0, -1, 256].map(exit_code), [2, 137, 1, 1, 1]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_and_with_all() {
        let refused = |name, known: &[&str]| {
            let rendered = Rendered::new(&unknown("service", name, known).into());
            assert_eq!(rendered.exit_code, Code::Usage as u8);
            format!("{}; {}", rendered.message, rendered.hint.unwrap())
        };
        let both = ["generator", "orchestrator"];
        insta::assert_snapshot!(
            [
                refused("orchestra", &both),
                refused("database", &both),
                refused("generatr", &both[..1]),
                refused("web", &[]),
            ]
            .join("\n"),
            @r"
        there is no service named `orchestra`; did you mean `orchestrator`? Otherwise name one of: generator, orchestrator
        there is no service named `database`; name one of: generator, orchestrator
        there is no service named `generatr`; did you mean `generator`?
        there is no service named `web`; no service exists
        "
        );
    }

    #[test]
    fn a_plain_error_is_code_1() {
        let rendered = Rendered::new(&anyhow::anyhow!("no"));
        assert_eq!((rendered.exit_code, rendered.hint), (1, None));
    }
}
