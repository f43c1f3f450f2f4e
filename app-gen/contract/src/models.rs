//! Keys of model providers that a tenant brings: who the providers are, where a generator finds the keys of its own
//! job, and which addresses an endpoint of somebody's own may have.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Maximum number of bytes of what holds a key.
pub const MAX_MODEL_KEY_BYTES: usize = 4096;

/// Whose protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ModelProvider {
    /// Anthropic, or a server that speaks its Messages API.
    #[serde(rename = "anthropic")]
    Anthropic,
    /// OpenAI, or a server that speaks its Responses API.
    #[serde(rename = "openai")]
    OpenAi,
}

impl ModelProvider {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Anthropic, Self::OpenAi];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == name)
    }

    /// The provider of jobs whose agent asks it.
    #[must_use]
    pub const fn agent(self) -> &'static str {
        match self {
            Self::Anthropic => "claude",
            Self::OpenAi => "codex",
        }
    }

    /// Its own server, as its agent takes it: only that of OpenAI holds the version.
    #[must_use]
    pub const fn usual_base(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAi => "https://api.openai.com/v1",
        }
    }
}

/// A key, and where it is sent. This is what a store of secrets holds, as JSON. Nothing prints the key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelKey {
    /// The key.
    pub key: String,
    /// The server; without it, the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

impl fmt::Debug for ModelKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<model key>")
    }
}

/// Who pays a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payer {
    /// Whoever runs the platform.
    #[default]
    Platform,
    /// The tenant, with a key of its own.
    Tenant,
}

impl Payer {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Tenant => "tenant",
        }
    }

    pub(crate) const fn is_platform(&self) -> bool {
        matches!(self, Self::Platform)
    }
}

/// Where the keys of a job are: the ARN of a secret, or `file:///absolute/path`.
pub type KeyPlaces = BTreeMap<ModelProvider, String>;

/// The places as the text of a variable: `anthropic=PLACE,openai=PLACE`.
#[must_use]
pub fn key_places_text(places: &KeyPlaces) -> String {
    let places = places
        .iter()
        .map(|(provider, place)| format!("{}={place}", provider.as_str()));
    places.collect::<Vec<_>>().join(",")
}

/// The places of such a text; `None` if it is none.
#[must_use]
pub fn key_places(text: &str) -> Option<KeyPlaces> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (provider, place) = part.split_once('=')?;
            Some((ModelProvider::named(provider)?, place.to_owned()))
        })
        .collect()
}

/// Whether anybody on the internet can have this address. Everything else is refused for an endpoint that a tenant
/// names: this machine, a private network, the metadata of a cloud, and addresses that lead there by translation.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether a server that a tenant names may have this address: a public one, and where private ones are allowed, one
/// of this machine or of a private network. What is local to a link is never allowed: clouds have their metadata there.
#[must_use]
pub fn is_allowed(address: IpAddr, allows_private: bool) -> bool {
    /// Where Amazon has its metadata by IPv6.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let is_private = match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback(),
        IpAddr::V6(METADATA) => false,
        IpAddr::V6(address) => address.is_loopback() || address.segments()[0] & 0xfe00 == 0xfc00,
    };
    is_public(address) || allows_private && is_private
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = match (first, second, third) {
        // "This network", and what is reserved or for many at once.
        (0 | 224..=255, _, _)
        // Shared by the customers of a provider.
        | (100, 64..=127, _)
        // Protocols, relays of 6to4, and benchmarks.
        | (192, 0, 0)
        | (192, 88, 99)
        | (198, 18 | 19, _) => true,
        _ => false,
    };
    !(is_special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    match address.segments() {
        // Translated to IPv4 (64:ff9b::/96).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(joined(high, low)),
        // Tunnelled over IPv4: 6to4 names the address, Teredo hides it.
        [0x2002, high, low, ..] => is_public_v4(joined(high, low)),
        [0x2001, 0, ..] => false,
        // Documentation.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        // All that is given out to anybody.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    let ([first, second], [third, fourth]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(first, second, third, fourth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for provider in ModelProvider::ALL {
            assert_eq!(serde_json::json!(provider), provider.as_str());
            assert_eq!(ModelProvider::named(provider.as_str()), Some(provider));
        }
        assert_eq!(serde_json::json!(Payer::Tenant), Payer::Tenant.as_str());
        assert_eq!(serde_json::json!(Payer::Platform), Payer::Platform.as_str());
        assert_eq!(ModelProvider::named("claude"), None);
    }

    #[test]
    fn nothing_prints_a_key() {
        let key = ModelKey {
            key: "sk-very-secret".to_owned(),
            base_url: Some("https://models.example/secret".to_owned()),
        };
        assert_eq!(format!("{key:?}"), "<model key>");
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<ModelKey>(&json).unwrap(), key);
    }

    #[test]
    fn places_are_read_as_they_were_written() {
        let places = KeyPlaces::from([
            (
                ModelProvider::Anthropic,
                "arn:aws:secretsmanager:us-east-1:1:secret:a/b-x".to_owned(),
            ),
            (ModelProvider::OpenAi, "file:///state/keys/1".to_owned()),
        ]);
        assert_eq!(key_places(&key_places_text(&places)), Some(places));
        assert_eq!(key_places(""), Some(KeyPlaces::new()));
        for wrong in ["anthropic", "gemini=x", "anthropic=a,b"] {
            assert_eq!(key_places(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_anybody_can_reach_is_public() {
        for address in [
            "1.1.1.1",
            "100.63.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
            assert!(!is_allowed(address.parse().unwrap(), false), "{address}");
        }
    }

    #[test]
    fn a_private_network_can_be_allowed_and_metadata_cannot() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "::1",
            "fd12::1",
            "1.1.1.1",
        ] {
            assert!(is_allowed(address.parse().unwrap(), true), "{address}");
        }
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
        ] {
            assert!(!is_allowed(address.parse().unwrap(), true), "{address}");
        }
    }
}
