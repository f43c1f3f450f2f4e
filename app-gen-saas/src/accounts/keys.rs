//! The public keys that access tokens are signed with, as the login publishes them.
//!
//! A key that is not known is asked for, because keys change. Whoever sends tokens with made-up names of keys has
//! them asked for once in a while, and by one request at a time, whatever the number of tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::Value;

use crate::tls;

/// Time limit of one request for the keys.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than any login publishes.
const MAX_BYTES: usize = 64 * 1024;
const MAX_KEYS: usize = 16;
const MAX_NAME_BYTES: usize = 256;
/// A key that was withdrawn opens nothing after this time.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// So long the keys are good while the login does not answer.
const STALE: Duration = Duration::from_secs(60 * 60);

/// A public key, and the one algorithm that it is good for.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<String, Arc<Key>>,
    /// When they were read.
    read_at: Option<Instant>,
    /// When they were last asked for, whatever came of it.
    asked_at: Option<Instant>,
}

/// The login's public keys.
#[derive(Debug)]
pub(super) struct Keys {
    client: reqwest::Client,
    url: String,
    ask_again: Duration,
    known: Mutex<Known>,
    asking: tokio::sync::Mutex<()>,
}

/// The login has not answered for too long.
#[derive(Debug)]
pub(super) struct Unreachable;

impl Keys {
    pub(super) fn new(url: String, ask_again: Duration) -> anyhow::Result<Self> {
        let builder = tls::http_client()?;
        // A proxy is asked only for what is not on this machine, and only there the login may be without TLS.
        let builder = match url.starts_with("http://") {
            true => builder.no_proxy(),
            false => builder,
        };
        let client = builder
            .redirect(Policy::none())
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .context("failed to prepare the client of the login")?;
        Ok(Self {
            client,
            url,
            ask_again,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// The key of this name, if the login has one.
    pub(super) async fn named(&self, name: &str) -> Result<Option<Arc<Key>>, Unreachable> {
        if name.len() > MAX_NAME_BYTES {
            return Ok(None);
        }
        if let Some(key) = self.within(FRESH, name) {
            return Ok(Some(key));
        }
        let _turn = self.asking.lock().await;
        // Somebody else may have asked meanwhile.
        if let Some(key) = self.within(FRESH, name) {
            return Ok(Some(key));
        }
        if self.begin_asking() {
            match self.read().await {
                Ok(keys) => {
                    let mut known = self.known();
                    known.keys = keys;
                    known.read_at = Some(Instant::now());
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(
                        error,
                        url = self.url,
                        "failed to read the keys of the login"
                    );
                }
            }
        }
        let is_usable = {
            let known = self.known();
            known.read_at.is_some_and(|at| at.elapsed() < STALE)
        };
        match self.within(STALE, name) {
            None if !is_usable => Err(Unreachable),
            key => Ok(key),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of this name, if the keys were read within this time.
    fn within(&self, age: Duration, name: &str) -> Option<Arc<Key>> {
        let known = self.known();
        let is_young = known.read_at.is_some_and(|at| at.elapsed() < age);
        known.keys.get(name).filter(|_| is_young).cloned()
    }

    /// Whether the login may be asked now.
    fn begin_asking(&self) -> bool {
        let mut known = self.known();
        let may = known
            .asked_at
            .is_none_or(|at| at.elapsed() >= self.ask_again);
        if may {
            known.asked_at = Some(Instant::now());
        }
        may
    }

    async fn read(&self) -> anyhow::Result<HashMap<String, Arc<Key>>> {
        let answer = self.client.get(&self.url).send().await?;
        let mut answer = answer.error_for_status()?;
        let mut bytes = Vec::new();
        while let Some(part) = answer.chunk().await? {
            if bytes.len() + part.len() > MAX_BYTES {
                bail!("the answer has more than {MAX_BYTES} bytes");
            }
            bytes.extend_from_slice(&part);
        }
        keys_of(&bytes)
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// What of a published key is looked at.
#[derive(Deserialize)]
struct PublicKey {
    kid: String,
    kty: String,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// The keys of a set that are good for one of the two algorithms, by their names. Others are left out: a login may
/// publish keys for other purposes.
fn keys_of(bytes: &[u8]) -> anyhow::Result<HashMap<String, Arc<Key>>> {
    let set: KeySet = serde_json::from_slice(bytes).context("the answer is no set of keys")?;
    if set.keys.len() > MAX_KEYS {
        bail!("the set has {} keys, more than {MAX_KEYS}", set.keys.len());
    }
    let keys = set.keys.into_iter().filter_map(|key| {
        let key: PublicKey = serde_json::from_value(key).ok()?;
        let usable = usable(&key)?;
        (key.kid.len() <= MAX_NAME_BYTES).then(|| (key.kid, Arc::new(usable)))
    });
    Ok(keys.collect())
}

/// The key, with the algorithm that follows from its kind alone.
fn usable(key: &PublicKey) -> Option<Key> {
    if key.r#use.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let says = |name: &str| key.alg.as_deref().is_none_or(|said| said == name);
    let (algorithm, key) = match (key.kty.as_str(), key.crv.as_deref()) {
        ("EC", Some("P-256")) if says("ES256") => {
            let (x, y) = (key.x.as_deref()?, key.y.as_deref()?);
            let key = DecodingKey::from_ec_components(x, y);
            (Algorithm::ES256, key.ok()?)
        }
        ("RSA", None) if says("RS256") => {
            let (n, e) = (key.n.as_deref()?, key.e.as_deref()?);
            let key = DecodingKey::from_rsa_components(n, e);
            (Algorithm::RS256, key.ok()?)
        }
        _ => return None,
    };
    Some(Key { algorithm, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_keys_that_sign_are_taken() {
        let (x, n) = ("A".repeat(43), "A".repeat(342));
        let set = json!({ "keys": [
            { "kid": "ec", "kty": "EC", "crv": "P-256", "x": x, "y": x, "alg": "ES256", "use": "sig" },
            { "kid": "rsa", "kty": "RSA", "n": n, "e": "AQAB" },
            { "kid": "secret", "kty": "oct", "k": x, "alg": "HS256" },
            { "kid": "larger", "kty": "EC", "crv": "P-384", "x": x, "y": x },
            { "kid": "other", "kty": "RSA", "n": n, "e": "AQAB", "alg": "RS512" },
            { "kid": "encrypts", "kty": "RSA", "n": n, "e": "AQAB", "use": "enc" },
            { "kty": "EC", "crv": "P-256", "x": x, "y": x },
            "nothing",
        ] });
        let keys = keys_of(set.to_string().as_bytes()).unwrap();
        let mut names: Vec<&str> = keys.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["ec", "rsa"]);
        assert_eq!(keys["ec"].algorithm, Algorithm::ES256);
        assert_eq!(keys["rsa"].algorithm, Algorithm::RS256);
    }

    #[test]
    fn a_set_has_its_bounds() {
        let keys: Vec<Value> = (0..=MAX_KEYS).map(|_| json!({})).collect();
        assert!(keys_of(json!({ "keys": keys }).to_string().as_bytes()).is_err());
        assert!(keys_of(b"<html>").is_err());
    }
}
