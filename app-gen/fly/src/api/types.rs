//! What the API answers, as far as it is read. All of it may be missing or null.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// An app.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct App {
    #[serde(default)]
    pub(crate) organization: Option<Organization>,
}

/// Whose an app is.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Organization {
    #[serde(default)]
    pub(crate) slug: Option<String>,
}

/// The addresses of an app.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Addresses {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) ips: Vec<Address>,
}

/// An address.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Address {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) ip: String,
}

/// A machine.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Machine {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) state: String,
    /// Another one for each version of the machine.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) instance_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) config: MachineConfig,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) checks: Vec<CheckStatus>,
    /// The newest first.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) events: Vec<Event>,
}

/// What a machine runs.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct MachineConfig {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) image: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) guest: Guest,
}

/// How large it is.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Guest {
    #[serde(default)]
    pub(crate) memory_mb: Option<u32>,
}

/// What became of a health check.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct CheckStatus {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    /// `passing`, `warning` or `critical`.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) output: String,
}

/// What happened to a machine.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Event {
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) request: serde_json::Value,
}

/// The right to change a machine.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Leased {
    pub(crate) data: Lease,
}

/// The right to change a machine.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Lease {
    pub(crate) nonce: String,
}

/// Null is what is not there.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_whatever_is_missing_or_null() {
        let machine: Machine = serde_json::from_str(r#"{"id":"a"}"#).unwrap();
        assert_eq!((&*machine.id, &*machine.state), ("a", ""));
        let text = r#"{"id":"a","state":"started","config":{"image":"b","metadata":null,
            "guest":{"cpus":1,"memory_mb":512}},"checks":null,"events":[{"type":"exit",
            "request":null,"timestamp":1}],"nonce":null}"#;
        let machine: Machine = serde_json::from_str(text).unwrap();
        assert_eq!(machine.config.guest.memory_mb, Some(512));
        assert!(machine.config.metadata.is_empty() && machine.checks.is_empty());
        assert_eq!(machine.events[0].kind, "exit");
        let none: Addresses = serde_json::from_str(r#"{"ips":null}"#).unwrap();
        assert!(none.ips.is_empty());
    }
}
