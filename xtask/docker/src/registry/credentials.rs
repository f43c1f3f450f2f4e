//! The engine's own registry credentials: `docker login`'s file and credential helpers.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use ureq::Agent;
use xtask_core::cmd::Cmd;

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
    let parameters = parameters_of(parameters);
    let realm = parameters
        .get("realm")
        .with_context(|| format!("{registry} asks for a token and names no realm"))?;
    let mut request = agent.get(realm);
    for name in ["service", "scope"] {
        if let Some(value) = parameters.get(name) {
            request = request.query(name, value);
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
    /// Docker Hub gives the token under both names.
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = response
        .body_mut()
        .read_json()
        .with_context(|| format!("{realm} answered no JSON"))?;
    let token = answer
        .token
        .or(answer.access_token)
        .with_context(|| format!("{realm} answered no token"))?;
    Ok(format!("Bearer {token}"))
}

/// `name="value"` pairs with commas between them and, in quotes, also within them.
fn parameters_of(challenge: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut rest = challenge;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        let name = name.trim().to_ascii_lowercase();
        parameters.insert(name, value.trim().to_owned());
        rest = after.trim_start().trim_start_matches(',');
    }
    parameters
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
    let server = server(registry);
    let helper = config
        .cred_helpers
        .get(server)
        .or(config.creds_store.as_ref());
    if let Some(helper) = helper {
        let output = Cmd::new(format!("docker-credential-{helper}"))
            .arg("get")
            .stdin(server)
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
        .get(server)
        .or_else(|| config.auths.get(&format!("https://{server}")))
        .and_then(|auth| auth.auth.clone())
        .filter(|auth| !auth.is_empty()))
}

/// Under which name the engine keeps the credentials of a registry.
fn server(registry: &str) -> &str {
    match registry {
        "registry-1.docker.io" => "https://index.docker.io/v1/",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::credentials::parameters_of;

    #[test]
    fn challenges_of_real_registries() {
        let read = |challenge| {
            let parameters = parameters_of(challenge);
            ["realm", "service", "scope"]
                .map(|name| parameters.get(name).cloned().unwrap_or_default())
        };
        assert_eq!(
            read(
                "realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",\
                 scope=\"repository:library/debian:pull,push\""
            ),
            [
                "https://auth.docker.io/token",
                "registry.docker.io",
                "repository:library/debian:pull,push"
            ]
        );
        assert_eq!(
            read(
                "realm=\"https://public.ecr.aws/token/\", service=\"public.ecr.aws\", scope=\"aws\""
            ),
            ["https://public.ecr.aws/token/", "public.ecr.aws", "aws"]
        );
        assert_eq!(
            read("Realm=https://a/b?c=d,error=\"invalid_token\""),
            ["https://a/b?c=d", "", ""]
        );
        assert_eq!(read("realm=\"https://a"), ["https://a", "", ""]);
    }
}
