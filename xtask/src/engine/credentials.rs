//! The engine's own registry credentials: `docker login`'s file and credential helpers.

use super::cmd::Cmd;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use ureq::Agent;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DockerConfig {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
}

/// What a credential helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The `Authorization` header that answers a challenge.
///
/// # Errors
/// There are no credentials for the registry, or its token service refuses them.
pub fn authorization(agent: &Agent, registry: &str, challenge: &str) -> anyhow::Result<String> {
    let basic = basic(registry)?;
    let Some(parameters) = challenge
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "))
        .map(|_| &challenge[7..])
    else {
        let basic = basic.with_context(|| format!("no credentials for {registry}"))?;
        return Ok(format!("Basic {basic}"));
    };
    let parameters: BTreeMap<&str, &str> = parameters
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    let realm = parameters
        .get("realm")
        .with_context(|| format!("{registry} asks for a token and names no realm"))?;
    let mut request = agent.get(*realm);
    for name in ["service", "scope"] {
        if let Some(value) = parameters.get(name) {
            request = request.query(name, *value);
        }
    }
    if let Some(basic) = basic {
        request = request.header("authorization", format!("Basic {basic}"));
    }
    let mut response = request
        .call()
        .with_context(|| format!("{realm} does not answer"))?;
    anyhow::ensure!(
        response.status().is_success(),
        "{realm} answered {}",
        response.status()
    );
    #[derive(Deserialize)]
    struct Token {
        #[serde(alias = "access_token")]
        token: String,
    }
    let token: Token = response.body_mut().read_json()?;
    Ok(format!("Bearer {}", token.token))
}

/// `user:password` in base64, where the engine has credentials for the registry.
fn basic(registry: &str) -> anyhow::Result<Option<String>> {
    let folder = std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")) else {
        return Ok(None);
    };
    let config: DockerConfig = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not what docker writes", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read {}", path.display()));
        }
    };
    let helper = config
        .cred_helpers
        .get(registry)
        .or(config.creds_store.as_ref());
    if let Some(helper) = helper {
        let output = Cmd::new(format!("docker-credential-{helper}"))
            .arg("get")
            .stdin(registry)
            .timeout(Duration::from_secs(15))
            .output()?;
        if output.status.success() {
            let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
                .with_context(|| format!("docker-credential-{helper} answered no credentials"))?;
            return Ok(Some(
                STANDARD.encode(format!("{}:{}", answer.username, answer.secret)),
            ));
        }
    }
    Ok(config
        .auths
        .get(registry)
        .or_else(|| config.auths.get(&format!("https://{registry}")))
        .and_then(|auth| auth.auth.clone())
        .filter(|auth| !auth.is_empty()))
}
