//! Keys of model providers that tenants bring: where they are kept, and which servers they may name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::launcher::object_of_texts;
use crate::config::{ConfigError, Environment, environment};

/// Where keys of tenants are kept, and which servers they may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelKeysConfig {
    /// Where they are kept.
    pub store: KeyStoreConfig,
    /// Whether a server may have an address of a private network or of this machine.
    pub allows_private: bool,
    /// Tags of every secret, beside the tenant's id.
    pub tags: BTreeMap<String, String>,
}

/// Where keys are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStoreConfig {
    /// In files of this folder, which nobody else reads.
    Folder(PathBuf),
    /// In secrets of AWS whose names begin so, without a slash at the end.
    SecretsManager(String),
}

impl ModelKeysConfig {
    /// `None` where tenants bring no keys.
    pub(super) fn from_environment(environment: &Environment) -> Result<Option<Self>, ConfigError> {
        let variable = environment::MODEL_KEYS_URI;
        let Some(uri) = environment.get(variable) else {
            return Ok(None);
        };
        let store = store(uri).ok_or_else(|| {
            ConfigError::new(
                variable,
                format!("is {uri:?}; it takes secretsmanager://PREFIX or file:///FOLDER"),
            )
        })?;
        let variable = environment::MODEL_ENDPOINTS;
        let allows_private = match environment.get(variable) {
            None | Some("public") => false,
            Some("any") => true,
            Some(other) => {
                return Err(ConfigError::new(
                    variable,
                    format!("is {other:?}; it takes public or any"),
                ));
            }
        };
        Ok(Some(Self {
            store,
            allows_private,
            tags: object_of_texts(environment, environment::GENERATOR_TAGS)?,
        }))
    }
}

fn store(uri: &str) -> Option<KeyStoreConfig> {
    let uri = uri.trim_end_matches('/');
    if let Some(prefix) = uri.strip_prefix("secretsmanager://") {
        let is_plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        let is_prefix = prefix.split('/').all(is_plain);
        return is_prefix.then(|| KeyStoreConfig::SecretsManager(prefix.to_owned()));
    }
    let path = uri.strip_prefix("file://")?;
    let is_folder = path.starts_with('/') && !path.split('/').any(|part| part == "..");
    is_folder.then(|| KeyStoreConfig::Folder(PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_prefix_or_a_folder() {
        assert_eq!(
            store("secretsmanager://app-gen-saas/dev/tenants/"),
            Some(KeyStoreConfig::SecretsManager(
                "app-gen-saas/dev/tenants".to_owned()
            ))
        );
        assert_eq!(
            store("file:///state/model-keys"),
            Some(KeyStoreConfig::Folder(PathBuf::from("/state/model-keys")))
        );
        for wrong in [
            "",
            "secretsmanager://",
            "secretsmanager://a//b",
            "secretsmanager://a b",
            "file://",
            "file://folder",
            "file:///a/../b",
            "s3://bucket/keys",
        ] {
            assert_eq!(store(wrong), None, "{wrong}");
        }
    }
}
