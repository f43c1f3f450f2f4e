//! What every command knows: the checkout, its manifest, and what the global flags say.

use crate::error::{Code, Failure, unknown};
use crate::paths;
use crate::report::Report;
use app_gen_infra::{Environment, Instance, Platform};
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
    /// Finds the checkout around the current folder and reads its manifest for the instance. Where
    /// none is given, the environment of this process names it.
    ///
    /// # Errors
    /// The current folder is not in a checkout, the manifest is wrong, or it does not have the
    /// environment.
    pub fn load(
        instance: Option<Instance>,
        environment: &str,
        yes: bool,
        report: Report,
    ) -> anyhow::Result<Self> {
        let root = paths::checkout_root(&std::env::current_dir()?)?;
        let instance = match instance {
            Some(instance) => instance,
            None => named_instance()?,
        };
        Self::of_instance(root, instance, environment, yes, report)
    }

    /// The context of the checkout at `root`, for the instance that the environment of this process
    /// names.
    ///
    /// # Errors
    /// The manifest is wrong, or it does not have the environment.
    pub fn at(root: PathBuf, environment: &str, yes: bool, report: Report) -> anyhow::Result<Self> {
        Self::of_instance(root, named_instance()?, environment, yes, report)
    }

    /// As [`Context::at`], for this instance.
    ///
    /// # Errors
    /// As [`Context::at`].
    pub fn of_instance(
        root: PathBuf,
        instance: Instance,
        environment: &str,
        yes: bool,
        report: Report,
    ) -> anyhow::Result<Self> {
        let platform = Platform::load_for(&root, instance).map_err(|error| {
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

    /// The folder for keys, packages and builds of this checkout. Their names contain digests, so
    /// that all instances share them.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        paths::cache_folder(&self.root)
    }

    /// The instance that the local ports, services and data of this context belong to.
    #[must_use]
    pub fn instance(&self) -> Instance {
        self.platform.local.instance
    }

    /// The folder for what the instance of this checkout runs, and for what that writes: records,
    /// logs, locks, secrets. Its path is also the mark of the processes that the instance starts.
    #[must_use]
    pub fn work_folder(&self) -> PathBuf {
        paths::of_instance(self.cache_folder(), self.instance())
    }

    /// The folder for what this instance runs for all checkouts: data and logs of its registry and
    /// of MiniStack, and locks.
    ///
    /// # Errors
    /// As [`paths::state`].
    pub fn state_folder(&self) -> Result<PathBuf, Failure> {
        Ok(paths::of_instance(paths::state()?, self.instance()))
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
        let (root, report) = (self.root.clone(), self.report.clone());
        let mut other = Self::of_instance(root, self.instance(), name, self.yes_given, report)?;
        other.yes = self.yes;
        Ok(other)
    }

    /// Whether the environment is the one on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.environment == "local"
    }
}

fn named_instance() -> Result<Instance, Failure> {
    Instance::from_environment().map_err(|error| {
        Failure::new(Code::Usage, error.to_string()).hint(format!("unset {}", Instance::VARIABLE))
    })
}
