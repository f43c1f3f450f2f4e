//! What this process may do: taken once, before its first thread.

use crate::failure::Failure;
use app_gen_cage::{Folders, Secrets, prepare};
use app_gen_contract::env::{FLY_API_TOKEN, GITHUB_BOT_TOKEN};
use app_gen_gateway::{ANTHROPIC_API_KEY, CLAUDE_CODE_OAUTH_TOKEN, OPENAI_API_KEY};
use std::path::Path;

/// Variables whose values nobody but this process is to see.
const SECRETS: [&str; 5] = [
    ANTHROPIC_API_KEY,
    CLAUDE_CODE_OAUTH_TOKEN,
    OPENAI_API_KEY,
    GITHUB_BOT_TOKEN,
    FLY_API_TOKEN,
];

/// Where the folders of a generator are: a volume of its task.
pub(super) const STATE: &str = "/state";

/// Whether agents can be kept away from secrets here.
#[derive(Debug, Clone)]
pub(crate) enum Rights {
    /// This process gave up all that it does not need, and has what agents must not.
    Caged(Secrets, Folders),
    /// It is no container's root, for this reason. It starts no agent.
    Plain(String),
}

impl Rights {
    /// Takes the secrets out of the environment and gives up rights, if this process is the root of a
    /// container. The first thing that a generator does.
    pub(crate) fn take() -> Self {
        match prepare(&SECRETS, Path::new(STATE)) {
            Ok((secrets, folders)) => Self::Caged(secrets, folders),
            Err(unfit) => Self::Plain(unfit.to_string()),
        }
    }

    /// The value of a secret, if there is one. A plain process has it in its environment.
    pub(crate) fn secret(&self, name: &str) -> Option<String> {
        match self {
            Self::Caged(secrets, _) => secrets.get(name).map(str::to_owned),
            Self::Plain(_) => std::env::var(name).ok(),
        }
    }

    /// Secrets and folders.
    ///
    /// # Errors
    /// Agents cannot be started here.
    pub(crate) fn caged(self) -> Result<(Secrets, Folders), Failure> {
        match self {
            Self::Caged(secrets, folders) => Ok((secrets, folders)),
            Self::Plain(reason) => Err(Failure::job(
                reason,
                "run the generator's image, for example by: cargo xtask run generator \"…\"",
            )),
        }
    }
}
