//! Keys of model providers that tenants bring: kept where only their own jobs read them, tested with one small
//! request, and never shown again.

mod endpoint;
mod folder;
mod outcome;
mod probe;
mod secrets;

use app_gen_contract::{ModelKey, ModelProvider};
use tokio::sync::Semaphore;

use crate::config::{KeyStoreConfig, ModelKeysConfig};
use crate::models::endpoint::Endpoint;
use crate::models::folder::Folder;
use crate::models::secrets::Secrets;

pub use endpoint::checked_base;
pub use outcome::Outcome;
pub use probe::usual_model;

/// A test waits for somebody else, for 20 s at most.
const TESTS: usize = 8;

/// Keeps and tests keys of tenants.
#[derive(Debug)]
pub struct ModelKeys {
    store: Store,
    /// Whether a server may have an address of a private network or of this machine.
    pub allows_private: bool,
    /// Tests that may be made at once.
    tests: Semaphore,
}

#[derive(Debug)]
enum Store {
    Folder(Folder),
    Secrets(Box<Secrets>),
}

impl ModelKeys {
    /// Asks nobody for anything yet.
    ///
    /// # Errors
    /// The folder or the client of AWS cannot be made.
    pub async fn from_config(config: &ModelKeysConfig) -> anyhow::Result<Self> {
        let store = match &config.store {
            KeyStoreConfig::Folder(path) => Store::Folder(Folder::new(path)?),
            KeyStoreConfig::SecretsManager(prefix) => {
                Store::Secrets(Box::new(Secrets::new(prefix, &config.tags).await?))
            }
        };
        Ok(Self {
            store,
            allows_private: config.allows_private,
            tests: Semaphore::new(TESTS),
        })
    }

    /// Keeps a key in the place of the one before; gives the place where generators find it.
    ///
    /// # Errors
    /// The store fails.
    pub async fn keep(
        &self,
        tenant: &str,
        provider: ModelProvider,
        key: &ModelKey,
    ) -> anyhow::Result<String> {
        match &self.store {
            Store::Folder(folder) => folder.write(tenant, provider, key),
            Store::Secrets(secrets) => secrets.put(tenant, provider, key).await,
        }
    }

    /// The key that is kept, if one is.
    ///
    /// # Errors
    /// The store fails.
    pub async fn read(
        &self,
        tenant: &str,
        provider: ModelProvider,
    ) -> anyhow::Result<Option<ModelKey>> {
        match &self.store {
            Store::Folder(folder) => folder.read(tenant, provider),
            Store::Secrets(secrets) => secrets.get(tenant, provider).await,
        }
    }

    /// Removes a key for good, if there is one.
    ///
    /// # Errors
    /// The store fails.
    pub async fn remove(&self, tenant: &str, provider: ModelProvider) -> anyhow::Result<()> {
        match &self.store {
            Store::Folder(folder) => folder.remove(tenant, provider),
            Store::Secrets(secrets) => secrets.delete(tenant, provider).await,
        }
    }

    /// Asks the provider once, within a bound, for one word of a model. `None` if too many tests are being made.
    pub async fn test(
        &self,
        provider: ModelProvider,
        key: &ModelKey,
        model: &str,
    ) -> Option<Outcome> {
        let _place = self.tests.try_acquire().ok()?;
        let found = Endpoint::find(provider, key.base_url.as_deref(), self.allows_private).await;
        Some(match found {
            Ok(endpoint) => probe::ask(provider, &endpoint, &key.key, model).await,
            Err(outcome) => outcome,
        })
    }
}
