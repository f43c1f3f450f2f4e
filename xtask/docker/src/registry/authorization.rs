//! The `Authorization` header that answers a registry's challenge.

use crate::registry::agent::agent;
use crate::registry::credentials;
use crate::registry::credentials::Credentials;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The name under which we ask for a token. OAuth 2 demands one.
const CLIENT_ID: &str = "xtask-docker";

/// What a token service answers. Docker Hub gives the token under both names.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Answers a challenge with what docker has for the registry.
///
/// # Errors
/// There are no credentials for the registry, or its token service refuses them.
pub(super) fn answer(registry: &str, challenge: &str, bound: Duration) -> anyhow::Result<String> {
    let credentials = credentials::find(registry)?;
    let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        let token = token(registry, &parameters_of(parameters), credentials, bound)?;
        return Ok(format!("Bearer {token}"));
    }
    match credentials {
        Some(Credentials::Basic(basic)) => Ok(format!("Basic {basic}")),
        Some(Credentials::IdentityToken(_)) => {
            bail!("{registry} asks for a password, and docker has an identity token for it")
        }
        None => bail!("docker has no credentials for {registry}"),
    }
}

/// Asks the token service that the challenge names. An identity token is exchanged as OAuth 2
/// demands; otherwise the password is sent, if there is one, as Docker Hub has always taken it.
fn token(
    registry: &str,
    parameters: &BTreeMap<String, String>,
    credentials: Option<Credentials>,
    bound: Duration,
) -> anyhow::Result<String> {
    let realm = parameters.get("realm").with_context(|| {
        format!("{registry} asks for a token and does not say where to get one")
    })?;
    let agent = agent(realm, bound);
    let named = ["service", "scope"]
        .into_iter()
        .filter_map(|name| Some((name, parameters.get(name)?.as_str())));
    let response = match credentials {
        Some(Credentials::IdentityToken(token)) => {
            let refresh = [
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", &token),
            ];
            agent
                .post(realm)
                .send_form(refresh.into_iter().chain(named))
        }
        Some(Credentials::Basic(basic)) => agent
            .get(realm)
            .query_pairs(named)
            .header("authorization", format!("Basic {basic}"))
            .call(),
        None => agent.get(realm).query_pairs(named).call(),
    };
    let mut response = response.with_context(|| format!("{realm} does not answer"))?;
    anyhow::ensure!(
        response.status().is_success(),
        "{realm} answered {}",
        response.status()
    );
    let answer: TokenAnswer = response
        .body_mut()
        .read_json()
        .with_context(|| format!("{realm} did not answer with JSON"))?;
    answer
        .token
        .or(answer.access_token)
        .with_context(|| format!("{realm} answered without a token"))
}

/// The `name="value"` pairs of a challenge. Commas separate them, and may be part of a quoted value.
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

#[cfg(test)]
mod tests {
    use crate::registry::authorization::parameters_of;

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
