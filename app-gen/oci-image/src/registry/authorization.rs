//! The `Authorization` header that answers a registry's challenge.

use crate::client::is_safe;
use crate::registry::{Credentials, quote};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A token service answers at once, or it is out of order.
const BOUND: Duration = Duration::from_secs(30);
/// No token is longer.
const ANSWER_BYTES: usize = 256 * 1024;

/// What a token service answers. Docker Hub gives the token under both names.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Answers a challenge; with nothing where there is nothing to answer it with.
///
/// # Errors
/// The token service does not give a token, with what it says.
pub(super) async fn authorization(
    client: &Client,
    challenge: &str,
    scopes: &[String],
    credentials: &Credentials,
) -> Result<Option<HeaderValue>, String> {
    let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
    let basic = match credentials {
        Credentials::Basic { user, password } => {
            let pair = STANDARD.encode(format!("{user}:{}", password.reveal()));
            Some(header(&format!("Basic {pair}"))?)
        }
        Credentials::Anonymous => None,
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(basic);
    }
    let parameters = parameters_of(parameters);
    let realm = parameters
        .get("realm")
        .ok_or("it asks for a token and does not say where to get one")?;
    let mut url = Url::parse(realm).map_err(|error| format!("its token service: {error}"))?;
    if !is_safe(&url) {
        return Err(format!("its token service {realm} is without https"));
    }
    url.query_pairs_mut()
        .extend_pairs(parameters.get("service").map(|value| ("service", value)))
        .extend_pairs(scopes.iter().map(|value| ("scope", value)));
    let mut request = client.get(url).timeout(BOUND);
    if let Some(basic) = basic {
        request = request.header(AUTHORIZATION, basic);
    }
    let response = request.send().await;
    let mut response = response.map_err(|_| format!("{realm} does not answer"))?;
    let status = response.status();
    if !status.is_success() {
        // 401: the registry's own answer says it better.
        return match status.as_u16() {
            401 | 403 => Ok(None),
            code => {
                let said = quote(response).await;
                Err(format!("{realm} answers {code}: {said}"))
            }
        };
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|_| format!("{realm} stops in the middle of its answer"))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES {
            return Err(format!("{realm} answers without end"));
        }
    }
    let answer: Answer = serde_json::from_slice(&bytes)
        .map_err(|_| format!("{realm} does not answer with a token"))?;
    let token = answer.token.or(answer.access_token);
    let token = token.ok_or_else(|| format!("{realm} answers without a token"))?;
    header(&format!("Bearer {token}")).map(Some)
}

/// The header, which nothing prints.
fn header(value: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(value);
    let mut value = value.map_err(|_| "the password or token is no text of a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
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
    use super::*;
    use crate::secret::Secret;

    fn read(challenge: &str) -> [String; 2] {
        let parameters = parameters_of(challenge);
        ["realm", "service"].map(|name| parameters.get(name).cloned().unwrap_or_default())
    }

    #[test]
    fn challenges_are_read() {
        let of_hub = "realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",\
             scope=\"repository:library/node:pull,push\"";
        assert_eq!(
            read(of_hub),
            ["https://auth.docker.io/token", "registry.docker.io"]
        );
        assert_eq!(
            read("Realm=https://a/b?c=d,error=\"invalid_token\""),
            ["https://a/b?c=d", ""]
        );
        assert_eq!(read("realm=\"https://a"), ["https://a", ""]);
    }

    #[tokio::test]
    async fn a_password_answers_its_own_challenge_and_no_service_without_https() {
        let client = crate::client::http_client("", "localhost").unwrap();
        let credentials = Credentials::Basic {
            user: "x".to_owned(),
            password: Secret::new("hidden-words"),
        };
        let value = authorization(&client, "Basic realm=\"a\"", &[], &credentials).await;
        let value = value.unwrap().unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic eDpoaWRkZW4td29yZHM=");
        assert_eq!(format!("{value:?}"), "Sensitive");
        let challenge = "Bearer realm=\"http://example.com/token\"";
        let error = authorization(&client, challenge, &[], &credentials).await;
        let error = error.unwrap_err();
        assert_eq!(
            error,
            "its token service http://example.com/token is without https"
        );
        let nobody = Credentials::Anonymous;
        let value = authorization(&client, "Basic realm=\"a\"", &[], &nobody).await;
        assert!(value.unwrap().is_none());
    }
}
