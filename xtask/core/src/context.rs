//! What every command is given.

use crate::error::{Code, Failure, unknown};
use crate::paths;
use crate::report::Report;
use app_gen_infra::{Environment, Platform};
use std::path::PathBuf;

/// The checkout, its manifest, and how the user wants to be spoken to.
#[derive(Debug, Clone)]
pub struct Context {
    /// Root of the checkout.
    pub root: PathBuf,
    /// The manifest, checked.
    pub platform: Platform,
    /// Environment by name; it is one of the manifest's.
    pub environment: String,
    /// Do not ask.
    pub yes: bool,
    /// Whether that was said with `--yes`, not concluded from `CI=true`.
    pub yes_given: bool,
    /// Progress and results.
    pub report: Report,
}

impl Context {
    /// Finds the checkout around the current folder and reads its manifest.
    ///
    /// # Errors
    /// No checkout, a faulty manifest, or an unknown environment.
    pub fn load(environment: &str, yes: bool, report: Report) -> anyhow::Result<Self> {
        let root = paths::checkout_root(&std::env::current_dir()?)?;
        Self::at(root, environment, yes, report)
    }

    /// The context of the checkout at `root`.
    ///
    /// # Errors
    /// A faulty manifest or an unknown environment.
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

    /// Records and caches of this checkout.
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
    /// The manifest has none of that name.
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
