//! What every command is given.

use crate::error::{Code, Failure, unknown};
use crate::paths;
use crate::report::Report;
use app_gen_infra::{Environment, Instance, Platform};
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
    /// Finds the checkout around the current folder and reads its manifest, for the instance
    /// that is named here or else in our environment.
    ///
    /// # Errors
    /// No checkout, a faulty manifest, or an unknown environment.
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

    /// The context of the checkout at `root`, for the instance that our environment names.
    ///
    /// # Errors
    /// A faulty manifest or an unknown environment.
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

    /// Caches of this checkout. What is in them is named by digest, so all instances share it.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        paths::cache_folder(&self.root)
    }

    /// Whose ports, services and data these are.
    #[must_use]
    pub fn instance(&self) -> Instance {
        self.platform.local.instance
    }

    /// What this checkout's instance runs, and what that wrote: records, logs, locks, secrets.
    /// Its path marks the processes that the instance starts, too.
    #[must_use]
    pub fn work_folder(&self) -> PathBuf {
        paths::of_instance(self.cache_folder(), self.instance())
    }

    /// What this instance runs for all checkouts: data and logs of its registry and its local
    /// cloud, and locks.
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
    /// The manifest has none of that name.
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
