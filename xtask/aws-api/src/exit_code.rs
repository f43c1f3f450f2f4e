//! Exit codes of `cargo xtask`, which `xtask-aws` shares.

use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};

/// Why a command failed, as the exit code of its process. AGENTS.md documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
#[repr(u8)]
pub enum ExitCode {
    /// A step failed, and no other code describes the failure better.
    Failed = 1,
    /// The command line is wrong (clap ends with the same code).
    Usage = 2,
    /// Something that `cargo xtask setup` installs or starts is missing.
    Prerequisite = 3,
    /// `platform.toml` is wrong.
    Manifest = 4,
    /// An image could not be built.
    Build = 5,
    /// The platform runs, but it did not do what a user expects.
    Smoke = 6,
    /// Another command holds the lock.
    Busy = 7,
    /// The engine, the registry, the local cloud or AWS failed.
    Service = 8,
    /// A required secret or one of its keys does not exist, or a provider refuses the key.
    Secret = 9,
    /// What was deployed does not serve.
    Deploy = 10,
    /// A guard of the environment refuses: it is protected, or the answer to a question was no.
    Refused = 11,
    /// `doctor` found something wrong.
    Unhealthy = 12,
    /// Ctrl-C or SIGTERM ended the command.
    Interrupted = 130,
}

impl ExitCode {
    /// All codes, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The code behind the exit status of one of our processes.
    #[must_use]
    pub fn from_exit(exit: i32) -> Option<Self> {
        Self::iter().find(|code| i32::from(code.number()) == exit)
    }

    /// The number that the process ends with.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name by which programs know the code.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What the code means to people; AGENTS.md has the same words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "a step failed",
            Self::Usage => "wrong command line",
            Self::Prerequisite => "something to install or start",
            Self::Manifest => "`platform.toml` is wrong",
            Self::Build => "an image could not be built",
            Self::Smoke => "the smoke test failed",
            Self::Busy => "another command holds the lock",
            Self::Service => "engine, registry or cloud failed, or a port is taken",
            Self::Secret => "a required secret is missing, or a provider refuses it",
            Self::Deploy => "what was deployed does not serve",
            Self::Refused => {
                "a guard refuses: a protected environment, a question that nobody answered with yes"
            }
            Self::Unhealthy => "`doctor` found something",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_by_the_status_that_it_ends_with() {
        for code in ExitCode::all() {
            assert_eq!(ExitCode::from_exit(i32::from(code.number())), Some(code));
        }
        assert_eq!(ExitCode::from_exit(0), None);
        assert_eq!(ExitCode::from_exit(256 + 1), None);
    }

    #[test]
    fn codes_are_listed_by_number() {
        assert!(ExitCode::all().is_sorted_by_key(ExitCode::number));
    }
}
