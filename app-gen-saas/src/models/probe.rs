//! The test of a key: one request for one word of the provider's cheapest model. Only such a request tells whether the
//! account has credit; lists of models are answered without any.

use std::time::Duration;

use app_gen_contract::ModelProvider;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::models::endpoint::Endpoint;
use crate::models::outcome::Outcome;
use crate::tls;

/// The whole test.
const BOUND: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);
/// An answer of one word has some hundred bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const ANTHROPIC_VERSION: &str = "2023-06-01";
/// The fewest that each provider takes.
const ANTHROPIC_TOKENS: u32 = 1;
const OPENAI_TOKENS: u32 = 16;

/// The provider's cheapest model, which tests ask for if nobody chose another.
#[must_use]
pub const fn usual_model(provider: ModelProvider) -> &'static str {
    match provider {
        ModelProvider::Anthropic => "claude-haiku-4-5",
        ModelProvider::OpenAi => "gpt-5.6-luna",
    }
}

/// Asks once. Nothing of the answer is shown to anybody: errors of providers quote parts of keys.
pub(super) async fn ask(
    provider: ModelProvider,
    endpoint: &Endpoint,
    key: &str,
    model: &str,
) -> Outcome {
    let Some(headers) = headers(provider, key) else {
        return Outcome::KeyRefused;
    };
    let client = match client(endpoint) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "no client to test a key with");
            return Outcome::Unreachable;
        }
    };
    let (path, question) = question(provider, model);
    let asked = async {
        let request = client
            .post(format!("{}{path}", endpoint.base))
            .headers(headers)
            .body(question.to_string());
        let mut answer = request.send().await?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                // Nothing that was asked for is so long.
                return Ok(Outcome::WrongEndpoint);
            }
        }
        Ok(judge(provider, status, &body))
    };
    let asked: reqwest::Result<Outcome> = asked.await;
    asked.unwrap_or_else(|error| {
        let error = error.without_url().to_string();
        tracing::info!(
            provider = provider.as_str(),
            error,
            "a test of a key was not answered"
        );
        Outcome::Unreachable
    })
}

fn client(endpoint: &Endpoint) -> anyhow::Result<reqwest::Client> {
    let builder = tls::http_client()?
        .timeout(BOUND)
        .connect_timeout(CONNECT)
        .retry(reqwest::retry::never())
        .referer(false)
        // A redirect would carry the key elsewhere.
        .redirect(Policy::none());
    let builder = match &endpoint.pinned {
        // A proxy would look the name up itself.
        Some((host, addresses)) => builder.no_proxy().resolve_to_addrs(host, addresses),
        None => builder,
    };
    Ok(builder.build()?)
}

/// `None` where the key fits into no header.
fn headers(provider: ModelProvider, key: &str) -> Option<HeaderMap> {
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let (name, value) = match provider {
        ModelProvider::Anthropic => ("x-api-key", key.to_owned()),
        ModelProvider::OpenAi => ("authorization", format!("Bearer {key}")),
    };
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static(name), value);
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    if provider == ModelProvider::Anthropic {
        let version = HeaderValue::from_static(ANTHROPIC_VERSION);
        headers.insert("anthropic-version", version);
    }
    Some(headers)
}

fn question(provider: ModelProvider, model: &str) -> (&'static str, Value) {
    match provider {
        ModelProvider::Anthropic => (
            "/v1/messages",
            json!({
                "model": model,
                "max_tokens": ANTHROPIC_TOKENS,
                "messages": [{ "role": "user", "content": "Hi" }],
            }),
        ),
        ModelProvider::OpenAi => (
            "/responses",
            json!({ "model": model, "max_output_tokens": OPENAI_TOKENS, "input": "Hi", "store": false }),
        ),
    }
}

/// What an answer means. Status and codes decide; what people read in it does not, but for one sentence.
fn judge(provider: ModelProvider, status: u16, body: &[u8]) -> Outcome {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &answer["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    let (kind, code) = (text("type"), text("code"));
    let has = |words: &[&str]| words.contains(&kind) || words.contains(&code);
    let is_unpaid = status == 402
        || has(&["insufficient_quota", "billing_error", "billing_hard_limit_reached"])
        // Anthropic has no code of its own for it.
        || provider == ModelProvider::Anthropic
            && text("message").starts_with("Your credit balance is too low");
    match status {
        200..=299 => {
            let is_answer = match provider {
                ModelProvider::Anthropic => answer["type"] == "message",
                ModelProvider::OpenAi => answer["object"] == "response",
            };
            if is_answer {
                Outcome::Works
            } else {
                Outcome::WrongEndpoint
            }
        }
        401 => Outcome::KeyRefused,
        _ if is_unpaid => Outcome::NoCredit,
        403 if error.is_object() => Outcome::KeyRefused,
        400 | 404 if code == "model_not_found" => Outcome::UnknownModel,
        404 if kind == "not_found_error" => Outcome::UnknownModel,
        // It knows the key, and counts its requests.
        429 if error.is_object() => Outcome::Works,
        408 | 429 | 500..=599 => Outcome::Unreachable,
        _ => Outcome::WrongEndpoint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        use ModelProvider::{Anthropic, OpenAi};
        for (provider, status, body, expected) in [
            (Anthropic, 200, r#"{"type":"message"}"#, Outcome::Works),
            (OpenAi, 200, r#"{"object":"response"}"#, Outcome::Works),
            (OpenAi, 200, r#"{"type":"message"}"#, Outcome::WrongEndpoint),
            (OpenAi, 200, "<html>", Outcome::WrongEndpoint),
            (
                Anthropic,
                401,
                r#"{"error":{"type":"authentication_error"}}"#,
                Outcome::KeyRefused,
            ),
            (OpenAi, 401, "", Outcome::KeyRefused),
            (
                OpenAi,
                403,
                r#"{"error":{"code":"unsupported_country_region_territory"}}"#,
                Outcome::KeyRefused,
            ),
            (OpenAi, 403, "<html>", Outcome::WrongEndpoint),
            (OpenAi, 402, "", Outcome::NoCredit),
            (
                OpenAi,
                429,
                r#"{"error":{"code":"insufficient_quota"}}"#,
                Outcome::NoCredit,
            ),
            (
                OpenAi,
                429,
                r#"{"error":{"code":"rate_limit_exceeded"}}"#,
                Outcome::Works,
            ),
            (
                Anthropic,
                400,
                r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
                Outcome::NoCredit,
            ),
            (
                Anthropic,
                400,
                r#"{"error":{"type":"invalid_request_error"}}"#,
                Outcome::WrongEndpoint,
            ),
            (
                Anthropic,
                404,
                r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
                Outcome::UnknownModel,
            ),
            (
                OpenAi,
                400,
                r#"{"error":{"code":"model_not_found"}}"#,
                Outcome::UnknownModel,
            ),
            (OpenAi, 404, "404 page not found", Outcome::WrongEndpoint),
            (OpenAi, 302, "", Outcome::WrongEndpoint),
            (OpenAi, 429, "<html>", Outcome::Unreachable),
            (Anthropic, 529, "", Outcome::Unreachable),
            (Anthropic, 503, "", Outcome::Unreachable),
        ] {
            assert_eq!(
                judge(provider, status, body.as_bytes()),
                expected,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_key_is_sent_as_its_provider_wants_it_and_printed_nowhere() {
        for (provider, name) in [
            (ModelProvider::Anthropic, "x-api-key"),
            (ModelProvider::OpenAi, "authorization"),
        ] {
            let headers = headers(provider, "sk-very-secret").unwrap();
            assert!(headers[name].is_sensitive());
            assert!(!format!("{headers:?}").contains("very-secret"));
        }
        assert!(headers(ModelProvider::OpenAi, "a\nb").is_none());
    }
}
