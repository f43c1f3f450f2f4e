//! What every command knows: the checkout, its manifest, and what the global flags say.

use crate::error::{Code, Failure, unknown};
use crate::paths;
use crate::report::Report;
use app_gen_infra::{Environment, Platform};
use std::path::PathBuf;

/// The checkout, its manifest, the chosen environment, and the global flags.
#[derive(Debug, Clone)]
pub struct Context {
    /// The root of the checkout.
    pub root: PathBuf,
    /// The manifest, `platform.toml`, which has been validated.
    pub platform: Platform,
    /// The name of the chosen environment, which the manifest has.
    pub environment: String,
    /// Take yes for the answer to every question, because of `--yes` or of `CI=true`.
    pub yes: bool,
    /// Whether the command line has `--yes`; for what `CI=true` alone must not allow.
    pub yes_given: bool,
    /// Where progress and the result are written.
    pub report: Report,
}

impl Context {
    /// Finds the checkout around the current folder and reads its manifest.
    ///
    /// # Errors
    /// The current folder is not in a checkout, the manifest is wrong, or it does not have the
    /// environment.
    pub fn load(environment: &str, yes: bool, report: Report) -> anyhow::Result<Self> {
        let root = paths::checkout_root(&std::env::current_dir()?)?;
        Self::at(root, environment, yes, report)
    }

    /// The context of the checkout at `root`.
    ///
    /// # Errors
    /// The manifest is wrong, or it does not have the environment.
    pub fn at(root: PathBuf, environment: &str, yes: bool, report: Report) -> anyhow::Result<Self> {
        let platform = Platform::load(&root).map_err(|error| {
            Failure::new(Code::Manifest, error.to_string())
                .hint(format!("edit {}", app_gen_infra::MANIFEST_PATH))
        })?;
        if !platform.environments.contains_key(environment) {
            let known = platform.environments.keys();
            return Err(unknown("environment", environment, known).into());
        }
        Ok(Self {
            root,
            platform,
            environment: environment.to_owned(),
            yes: yes || std::env::var_os("CI").is_some_and(|value| value == "true"),
            yes_given: yes,
            report,
        })
    }

    /// The folder for keys, packages, logs and locks of this checkout.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        paths::cache_folder(&self.root)
    }

    /// The environment's entry of the manifest.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.platform.environments[&self.environment]
    }

    /// The same checkout in another environment.
    ///
    /// # Errors
    /// The manifest does not have an environment of that name.
    pub fn in_environment(&self, name: &str) -> anyhow::Result<Self> {
        let mut other = Self::at(self.root.clone(), name, self.yes_given, self.report.clone())?;
        other.yes = self.yes;
        Ok(other)
    }

    /// Whether the environment is the one on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.environment == "local"
    }
}
