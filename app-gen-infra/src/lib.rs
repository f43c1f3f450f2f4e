//! The typed reader of `platform.toml`, the manifest that lists what exists.
//!
//! [`Platform::load`] parses and checks the manifest, so every reference in a [`Platform`]
//! is valid. The callers make the compose project, the task definitions and the smoke tests
//! from it.

mod check;
mod error;
mod exposure;
mod instance;
mod prebuilds;
mod previews;
mod prices;
mod schema;
mod storage;

pub use error::ManifestError;
pub use instance::Instance;
pub use prices::{PRICES_PATH, Price, Prices};
pub use schema::{
    AptPrebuild, Deliverer, Environment, Image, Local, NpmPrebuild, NpmToolsPrebuild, Platform,
    Previews, RustPrebuild, Secret, SecretKey, Service, Size, StorageMode, Task, Usage,
};

use std::collections::BTreeMap;
use std::path::Path;

/// The variable of the orchestrator that has generators play a script in place of a model.
const MODEL_SCRIPT: &str = "MODEL_SCRIPT";

/// The variable of the orchestrator that says where it keeps everything; each environment chooses.
const STORAGE_MODE: &str = "STORAGE_MODE";

/// Path of the manifest, relative to the root of the checkout.
pub const MANIFEST_PATH: &str = "app-gen-infra/platform.toml";

/// Path of the folder of the CDK app, relative to the root of the checkout.
pub const CDK_FOLDER: &str = "app-gen-infra/cdk";
/// The tests that use the web page in a browser, relative to the root of the checkout. They are no part of the
/// page, so that no tool of theirs is in a key.
pub const BROWSER_FOLDER: &str = "app-gen-saas/browser";

/// Hours of a month in the calculation of costs: a twelfth of a year, as AWS counts.
pub const HOURS_PER_MONTH: u32 = 730;

/// Metrics that the orchestrator can embed in its log, and those of them that alarms watch: those of
/// `cdk/lib/observability/metrics.toml`.
pub const EMBEDDED_METRICS: u32 = 14;
/// See [`EMBEDDED_METRICS`].
pub const ALARMED_METRICS: u32 = 3;

impl Platform {
    /// Reads and checks the manifest of the checkout at `root`, for the instance that our
    /// environment names.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has an unknown or missing key, or
    /// contradicts itself or the checkout; the error names file, line and key.
    pub fn load(root: &Path) -> Result<Self, ManifestError> {
        Self::load_for(root, Instance::from_environment()?)
    }

    /// Like [`Platform::load`] for this instance.
    ///
    /// # Errors
    /// As [`Platform::load`].
    pub fn load_for(root: &Path, instance: Instance) -> Result<Self, ManifestError> {
        let path = root.join(MANIFEST_PATH);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            ManifestError::whole_file(MANIFEST_PATH, format!("cannot be read: {error}"))
        })?;
        let mut platform = Self::parse(&text, root)?;
        if instance == Instance::Test {
            platform.local = platform.local_test.clone();
            platform.local.instance = instance;
        }
        Ok(platform)
    }

    /// Reads the developer's instance of a manifest from a given text; paths are looked up below
    /// `root`.
    ///
    /// # Errors
    /// The same as those of [`Platform::load`].
    pub fn parse(text: &str, root: &Path) -> Result<Self, ManifestError> {
        let mut platform: Self =
            toml::from_str(text).map_err(|error| ManifestError::from_toml(text, &error))?;
        check::check(&platform, text, root)?;
        platform.exposed = exposure::faults(&platform, text);
        Ok(platform)
    }

    /// Why the environment would be open to strangers if it were deployed as the manifest says;
    /// `None` if it would not. What runs already can be operated all the same.
    #[must_use]
    pub fn exposed(&self, environment: &str) -> Option<&ManifestError> {
        self.exposed.get(environment)
    }

    /// The always-on service that users talk to.
    #[must_use]
    pub fn orchestrator(&self) -> &Service {
        &self.services["orchestrator"]
    }

    /// The task that runs once per job.
    #[must_use]
    pub fn generator(&self) -> &Task {
        &self.tasks["generator"]
    }

    /// The task that runs an application for whoever looks at it.
    #[must_use]
    pub fn preview(&self) -> &Task {
        &self.tasks["preview"]
    }

    /// The role that is lent to generators.
    #[must_use]
    pub fn generator_role(&self) -> &str {
        let role = self.generator().role.as_ref();
        // The check of the manifest refuses a generator without one.
        role.map_or("", |role| role.get_ref().as_str())
    }

    /// The keys that the secret `name` must hold in `environment`, each of them, with the modes that the
    /// orchestrator's variables select.
    #[must_use]
    pub fn required_secret_keys(&self, name: &str, environment: &str) -> Vec<&str> {
        let keys = self.secret_keys(name, environment);
        keys.filter(|(_, key)| key.one_of.is_none() && self.applies(key, environment))
            .map(|(name, _)| name)
            .collect()
    }

    /// The keys of which one is enough, by what they are one of, with the modes that the orchestrator's
    /// variables select. A scripted model needs no key.
    #[must_use]
    pub fn alternative_secret_keys(&self, name: &str, environment: &str) -> Vec<Vec<&str>> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        if self.orchestrator().environment.contains_key(MODEL_SCRIPT) {
            return Vec::new();
        }
        for (name, key) in self.secret_keys(name, environment) {
            if let Some(group) = &key.one_of
                && self.applies(key, environment)
            {
                groups.entry(group).or_default().push(name);
            }
        }
        groups.into_values().collect()
    }

    /// The keys that are handed over wherever the secret `name` holds them in `environment`.
    #[must_use]
    pub fn optional_secret_keys(&self, name: &str, environment: &str) -> Vec<&str> {
        let keys = self.secret_keys(name, environment);
        keys.filter(|(_, key)| key.one_of.is_some())
            .map(|(name, _)| name)
            .collect()
    }

    fn secret_keys(
        &self,
        name: &str,
        environment: &str,
    ) -> impl Iterator<Item = (&str, &SecretKey)> {
        let keys = self.secrets.get(name).into_iter();
        keys.flat_map(|secret| &secret.keys)
            .filter(move |(_, key)| {
                key.environments.is_empty()
                    || key.environments.iter().any(|name| name == environment)
            })
            .map(|(name, key)| (name.as_str(), key))
    }

    /// Where the orchestrator of `environment` keeps everything.
    #[must_use]
    pub fn storage_mode(&self, environment: &str) -> StorageMode {
        let environment = self.environments.get(environment);
        environment.map_or_else(StorageMode::default, |environment| environment.storage_mode)
    }

    /// Whether the orchestrator's variables in `environment` are as the key wants them.
    fn applies(&self, key: &SecretKey, environment: &str) -> bool {
        let modes = &self.orchestrator().environment;
        key.when
            .iter()
            .all(|(variable, value)| match variable.as_str() {
                STORAGE_MODE => self.storage_mode(environment).as_str() == value,
                variable => modes.get(variable) == Some(value),
            })
    }
}
