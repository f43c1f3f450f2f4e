//! Keys that the job's tenant brings: read when the attempt begins, from where the orchestrator says, and given to
//! nobody but the gateway.
//!
//! A task is told the name of a secret and not its value: what a task was started with can be looked up for an hour.
//! Its session may read the secrets of its own tenant and no others.

use crate::failure::{Failure, reason};
use crate::location::Location;
use crate::workshop::secret::read_secret;
use anyhow::{Context as _, Result, bail, ensure};
use app_gen_contract::{MAX_MODEL_KEY_BYTES, ModelKey, ModelProvider, env, is_allowed, key_places};
use app_gen_gateway::{Certificates, Credential, Protocol, Secret, Upstream, Upstreams};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// How long a name is looked up.
const LOOK_UP: Duration = Duration::from_secs(10);
/// What a person does about a key that cannot be used.
const MEND: &str = "test the key on the page of the account, and set it again or remove it";

/// The protocols that the tenant pays for.
pub(crate) type Own = BTreeSet<Protocol>;

/// The protocol of a provider.
const fn protocol(provider: ModelProvider) -> Protocol {
    match provider {
        ModelProvider::Anthropic => Protocol::Anthropic,
        ModelProvider::OpenAi => Protocol::OpenAi,
    }
}

/// Puts the servers of the tenant's keys in the place of the platform's. A key that cannot be used ends the attempt:
/// nobody else pays for it without a word. `lookup` reads the environment.
pub(crate) async fn take(
    lookup: &(dyn Fn(&str) -> Option<String> + Sync),
    upstreams: &mut Upstreams,
    certificates: &Certificates,
) -> Result<Own, Failure> {
    let mut own = Own::new();
    let text = lookup(env::MODEL_KEYS).unwrap_or_default();
    let Some(places) = key_places(&text) else {
        return Err(Failure::bad_spec(
            format!("{} does not say where keys are", env::MODEL_KEYS),
            "set it to anthropic=PLACE,openai=PLACE, or leave it out",
        ));
    };
    let allows_private = lookup(env::MODEL_ENDPOINTS).as_deref() == Some("any");
    for (provider, place) in places {
        let upstream = async {
            let key = read(lookup, certificates, &place).await?;
            upstream(provider, key, allows_private).await
        };
        let upstream = upstream.await.map_err(|error| {
            let why = reason(&error);
            let name = provider.as_str();
            Failure::job(
                format!("the tenant's own key for {name} cannot be used: {why}"),
                MEND,
            )
        })?;
        match provider {
            ModelProvider::Anthropic => upstreams.anthropic = Some(upstream),
            ModelProvider::OpenAi => upstreams.openai = Some(upstream),
        }
        own.insert(protocol(provider));
    }
    Ok(own)
}

async fn read(
    lookup: &(dyn Fn(&str) -> Option<String> + Sync),
    certificates: &Certificates,
    place: &str,
) -> Result<ModelKey> {
    let bytes = match place.starts_with("file://") {
        true => Location::open(place)?.read(MAX_MODEL_KEY_BYTES).await?,
        false => read_secret(lookup, certificates, place).await?,
    };
    // What the reader says could quote the key.
    serde_json::from_slice(&bytes)
        .ok()
        .with_context(|| format!("{place} holds no key"))
}

/// Where a key is sent. The server that a tenant names is judged by all addresses of its name, and asked at these.
async fn upstream(
    provider: ModelProvider,
    key: ModelKey,
    allows_private: bool,
) -> Result<Upstream> {
    let base = key.base_url.as_deref().unwrap_or(provider.usual_base());
    let credential = Credential::ApiKey(Secret::new(key.key));
    let upstream = Upstream::new(base, credential)?;
    if key.base_url.is_none() {
        return Ok(upstream);
    }
    let (host, port) = upstream.host();
    let found = timeout(LOOK_UP, tokio::net::lookup_host((host, port)));
    let Ok(found) = found.await else {
        bail!("the name {host} was not found in time");
    };
    let addresses: Vec<SocketAddr> = found
        .with_context(|| format!("the name {host} is not found"))?
        .collect();
    ensure!(!addresses.is_empty(), "the name {host} has no address");
    let is_refused = |address: &SocketAddr| !is_allowed(address.ip(), allows_private);
    // Which address it is says something of a network that is not theirs.
    ensure!(
        !addresses.iter().any(is_refused),
        "{host} leads to an address that is not public"
    );
    Ok(upstream.at(addresses))
}

#[cfg(test)]
mod tests {
    use super::*;
    use app_gen_contract::{KeyPlaces, key_places_text};
    use app_gen_gateway::{Budget, Gateway, Place, Scope, Settings};
    use axum::http::HeaderMap;
    use std::sync::{Arc, Mutex};

    /// A provider that keeps the keys that it is sent.
    async fn provider() -> (String, Arc<Mutex<Vec<String>>>) {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let keys = Arc::clone(&seen);
        let answer = move |headers: HeaderMap| async move {
            let bearer = headers.get("authorization").map(|value| {
                let value = value.to_str().unwrap();
                value.trim_start_matches("Bearer ").to_owned()
            });
            let key = headers.get("x-api-key");
            let key = key.map(|value| value.to_str().unwrap().to_owned());
            keys.lock().unwrap().push(key.or(bearer).unwrap());
            "{}"
        };
        let router = axum::Router::new().fallback(answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (format!("http://{address}"), seen)
    }

    fn environment(pairs: Vec<(&'static str, String)>) -> impl Fn(&str) -> Option<String> + Sync {
        move |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        }
    }

    fn kept(folder: &std::path::Path, name: &str, key: &ModelKey) -> String {
        let path = folder.join(name);
        std::fs::write(&path, serde_json::to_vec(key).unwrap()).unwrap();
        format!("file://{}", path.display())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_tenant_pays_where_it_has_a_key_and_the_platform_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let (url, seen) = provider().await;
        let key = ModelKey {
            key: "sk-of-the-tenant".to_owned(),
            base_url: Some(url.clone()),
        };
        let place = kept(folder.path(), "anthropic", &key);
        let places = KeyPlaces::from([(ModelProvider::Anthropic, place)]);
        let lookup = environment(vec![
            (env::MODEL_KEYS, key_places_text(&places)),
            (env::MODEL_ENDPOINTS, "any".to_owned()),
            ("ANTHROPIC_API_KEY", "sk-of-the-platform".to_owned()),
            ("OPENAI_API_KEY", "sk-of-the-platform".to_owned()),
            ("OPENAI_BASE_URL", url),
        ]);
        let mut upstreams = Upstreams::from_environment(&lookup).unwrap();
        let own = take(&lookup, &mut upstreams, &Certificates::default())
            .await
            .unwrap();
        assert_eq!(own, Own::from([Protocol::Anthropic]));
        assert!(!format!("{upstreams:?}").contains("sk-of"));
        let settings = Settings::new(upstreams).unwrap();
        let gateway = Gateway::start(settings).await.unwrap();
        let pass = gateway
            .admit(Scope {
                place: Place {
                    role: "builder".to_owned(),
                    stage: "build".to_owned(),
                },
                budget: Budget::default(),
            })
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for (protocol, path) in [
            (Protocol::Anthropic, "/v1/messages"),
            (Protocol::OpenAi, "/responses"),
        ] {
            let asked = client
                .post(format!("{}{path}", gateway.base_url(protocol)))
                .bearer_auth(pass.token().reveal())
                .header("content-type", "application/json")
                .body(r#"{"model":"m","max_tokens":1,"messages":[],"input":"x"}"#);
            asked.send().await.unwrap();
        }
        let seen: Vec<String> = seen.lock().unwrap().clone();
        assert_eq!(seen, ["sk-of-the-tenant", "sk-of-the-platform"]);
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_used_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let key = |base: &str| ModelKey {
            key: "sk-very-secret".to_owned(),
            base_url: Some(base.to_owned()),
        };
        for (name, base, why) in [
            (
                "loopback",
                "https://localhost/v1",
                "leads to an address that is not public",
            ),
            (
                "metadata",
                "https://169.254.169.254",
                "leads to an address that is not public",
            ),
            ("plain", "http://10.0.0.1", "must begin with https://"),
        ] {
            let place = kept(folder.path(), name, &key(base));
            let lookup = environment(vec![(env::MODEL_KEYS, format!("openai={place}"))]);
            let mut upstreams = Upstreams::default();
            let refused = take(&lookup, &mut upstreams, &Certificates::default())
                .await
                .unwrap_err();
            assert!(refused.reason.contains(why), "{}", refused.reason);
            assert!(!refused.reason.contains("very-secret"));
            assert!(upstreams.openai.is_none());
        }
        let place = format!("file://{}", folder.path().join("missing").display());
        let lookup = environment(vec![(env::MODEL_KEYS, format!("openai={place}"))]);
        let refused = take(&lookup, &mut Upstreams::default(), &Certificates::default())
            .await
            .unwrap_err();
        assert!(refused.reason.contains("cannot read"), "{}", refused.reason);
    }
}
