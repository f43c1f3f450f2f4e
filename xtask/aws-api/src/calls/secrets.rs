//! The JSON secrets that `platform.toml` names.
//!
//! A request names a secret as `platform.toml` does (`orchestrator`) or by its name in Secrets
//! Manager (`app-gen-saas/orchestrator`).

use crate::SecretText;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::Display;

/// Asks which secrets and keys exist, and which keys have a value that somebody can have meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSecrets {}

/// The secrets of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSecrets {
    /// In the order of their names in `platform.toml`.
    pub secrets: Vec<ListedSecret>,
}

/// Whether a secret exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSecret {
    /// Its name in `platform.toml`.
    pub id: String,
    /// Its name in Secrets Manager.
    pub name: String,
    /// Whether Secrets Manager has it.
    pub exists: bool,
    /// Its keys by the manifest.
    pub keys: Vec<ListedKey>,
}

/// A key and what can be said of its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedKey {
    /// Its name.
    pub key: String,
    /// Whether the environment needs it.
    pub required: bool,
    /// What can be said of its value.
    pub state: SecretState,
}

/// What can be said of a value without showing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SecretState {
    /// The key does not exist, or its value is empty.
    Missing,
    /// The value only keeps the place of another one: `changeme`, `<token>`.
    Placeholder,
    /// The key has a value.
    Set,
}

/// Sets one key and keeps the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSecret {
    /// The secret.
    pub secret: String,
    /// The key.
    pub key: String,
    /// The value, at most 65,536 bytes; it is stored exactly as it is here.
    pub value: SecretText,
}

/// A key has a new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSet {
    /// The name in Secrets Manager.
    pub name: String,
    /// The key.
    pub key: String,
}

/// Asks for all keys and values of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadSecret {
    /// The secret.
    pub secret: String,
}

/// Values by key, as ECS puts them into the environment of a container: a value that is not a
/// string is written as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretValues(pub BTreeMap<String, SecretText>);

/// Removes one key of a secret, or the whole secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveSecret {
    /// The secret.
    pub secret: String,
    /// The key; the whole secret where this is absent.
    pub key: Option<String>,
}

/// A secret or a key does not exist any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRemoved {
    /// The name in Secrets Manager.
    pub name: String,
    /// The key, where only a key was to be removed.
    pub key: Option<String>,
    /// Whether it existed before.
    pub removed: bool,
}
