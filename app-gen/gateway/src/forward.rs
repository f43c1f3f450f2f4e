//! One request: who asks, whether it may be asked, and what the provider says.

use crate::account::Account;
use crate::bounds::{BODY_BYTES, PATIENCE};
use crate::budget::Exhausted;
use crate::exchange::{End, Refusal};
use crate::pass::Scope;
use crate::protocol::Protocol;
use crate::relay::Relay;
use crate::server::Answer;
use crate::shared::Shared;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// What an agent may not send on: what belongs to the connection, credentials, and what would make the
/// provider count for somebody else. Everything else is the agent's and the provider's business.
const NOT_SENT: [&str; 24] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "chatgpt-account-id",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "openai-organization",
    "openai-project",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// What of an answer is not for the agent: what belongs to the connection, and whose key it was.
const NOT_RETURNED: [&str; 12] = [
    "anthropic-organization-id",
    "connection",
    "keep-alive",
    "openai-organization",
    "openai-project",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Tiers that cost more than the prices say.
const DEAR_TIERS: [&str; 2] = ["priority", "fast"];

/// Bytes of the name of a model. Names are kept as long as the bill is.
const MODEL_BYTES: usize = 128;

/// What is read of a request.
#[derive(Deserialize)]
struct Asked {
    model: String,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    service_tier: Option<String>,
    #[serde(default)]
    speed: Option<String>,
    /// The answer comes later, to a request that is not passed on, and nothing says what it took.
    #[serde(default)]
    background: Option<bool>,
}

/// Why a request is not answered by a provider.
struct Refused {
    refusal: Refusal,
    message: String,
}

fn refused(refusal: Refusal, message: impl Into<String>) -> Refused {
    let message = message.into();
    Refused { refusal, message }
}

pub(crate) async fn forward(request: Request<Incoming>, shared: &Arc<Shared>) -> Answer {
    let (parts, body) = request.into_parts();
    // An agent is answered in its own words even where its request is refused.
    let protocol = Protocol::of_request(&parts.method, parts.uri.path());
    let speaks =
        protocol.unwrap_or_else(|| match parts.headers.contains_key("anthropic-version") {
            true => Protocol::Anthropic,
            false => Protocol::OpenAi,
        });
    let scope = shared.passes.find(&parts.headers);
    let prepared = match (&scope, protocol) {
        (None, _) => Err(refused(Refusal::Token, "the token is not valid")),
        (_, None) => {
            let message = "only requests of the model are passed on";
            Err(refused(Refusal::Path, message))
        }
        (Some(scope), Some(protocol)) => prepare(&parts, body, scope, protocol, shared).await,
    };
    match prepared {
        Ok(prepared) => ask(&parts, prepared).await,
        Err(Refused { refusal, message }) => {
            let place = scope.as_ref().map(|scope| &scope.place);
            shared.observer.refused(place, refusal, &message);
            refuse(speaks, refusal, &message)
        }
    }
}

/// A request that may be sent.
struct Prepared {
    account: Account,
    body: Bytes,
    is_streamed: bool,
}

async fn prepare(
    parts: &Parts,
    body: Incoming,
    scope: &Arc<Scope>,
    protocol: Protocol,
    shared: &Arc<Shared>,
) -> Result<Prepared, Refused> {
    let coding = parts.headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| coding != "identity") {
        let message = "requests that are compressed are not read";
        return Err(refused(Refusal::Request, message));
    }
    if shared.upstream(protocol).is_none() {
        let message = "no provider is configured for this protocol";
        return Err(refused(Refusal::Provider, message));
    }
    let body = read(body, shared).await?;
    let asked: Asked = serde_json::from_slice(&body).map_err(|_| {
        let message = "the request is not JSON that names a model";
        refused(Refusal::Request, message)
    })?;
    if asked.model.len() > MODEL_BYTES || asked.background == Some(true) {
        let message = "the model's name is too long, or the answer is to come in the background";
        return Err(refused(Refusal::Request, message));
    }
    let is_dear = |tier: &Option<String>| {
        tier.as_deref()
            .is_some_and(|tier| DEAR_TIERS.contains(&tier))
    };
    if is_dear(&asked.service_tier) || is_dear(&asked.speed) {
        let message = "only the standard tier may be used, because prices are known for no other";
        return Err(refused(Refusal::Tier, message));
    }
    let begun = shared.ledger.begin(
        shared.budget,
        scope.budget,
        &scope.place,
        &asked.model,
        &shared.prices,
    );
    let number = begun.map_err(|why: Exhausted| refused(Refusal::Budget, why.to_string()))?;
    // From here on it counts, whatever happens.
    let account = Account::new(
        Arc::clone(shared),
        Arc::clone(scope),
        number,
        protocol,
        asked.model,
        body.len() as u64,
    );
    if shared.observer.wants_bodies() {
        shared.observer.request_body(number, &body);
    }
    Ok(Prepared {
        account,
        body,
        is_streamed: asked.stream == Some(true),
    })
}

/// The body, when there is room for it.
async fn read(body: Incoming, shared: &Shared) -> Result<Bytes, Refused> {
    let too_large = || {
        let message = format!("the request has more than {BODY_BYTES} bytes");
        refused(Refusal::Size, message)
    };
    // One that does not say its size gets room for the largest.
    let size = body.size_hint().upper().unwrap_or(BODY_BYTES as u64);
    if size > BODY_BYTES as u64 {
        return Err(too_large());
    }
    let kilobytes = u32::try_from(size / 1024 + 1).unwrap_or(u32::MAX);
    let read = async {
        // The semaphore is never closed.
        let _room = shared.room.acquire_many(kilobytes).await.ok();
        Limited::new(body, BODY_BYTES).collect().await
    };
    match timeout(PATIENCE, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(refused(Refusal::Request, "the request broke")),
        Err(_) => Err(refused(Refusal::Slow, "the request did not come in time")),
    }
}

async fn ask(parts: &Parts, prepared: Prepared) -> Answer {
    let Prepared {
        mut account,
        body,
        is_streamed,
    } = prepared;
    let protocol = account.protocol;
    let shared = Arc::clone(&account.shared);
    let Some((upstream, client)) = shared.upstream(protocol) else {
        account.settle(End::Unreachable);
        return refuse(protocol, Refusal::Provider, "no provider is configured");
    };
    let began = Instant::now();
    let mut headers = sent(&parts.headers);
    upstream.authorize(protocol, &mut headers);
    let request = client
        .post(upstream.url(protocol, parts.uri.query()))
        .headers(headers)
        .body(body)
        .send();
    let bound = match is_streamed {
        true => shared.bounds.first_byte,
        false => shared.bounds.first_byte_unstreamed,
    };
    let response = match timeout(bound, request).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let (end, message) = match error.is_connect() {
                true => (End::Unreachable, "the provider cannot be reached"),
                false => (
                    End::Cut,
                    "the provider closed the connection without an answer",
                ),
            };
            account.settle(end);
            return error_of(protocol, StatusCode::BAD_GATEWAY, "api_error", message);
        }
        Err(_) => {
            account.settle(End::NoAnswer);
            let message = "the provider did not answer in time";
            return error_of(
                protocol,
                StatusCode::GATEWAY_TIMEOUT,
                "timeout_error",
                message,
            );
        }
    };
    let response: Response<reqwest::Body> = response.into();
    let (head, body) = response.into_parts();
    account.answered(head.status.as_u16(), head.headers.clone(), is_streamed);
    // The provider's words would tell a part of the key, and no agent could do anything about it.
    if head.status == StatusCode::UNAUTHORIZED {
        account.settle(End::Answered);
        let message = "the provider refuses the key of this platform";
        return error_of(protocol, last(protocol), "authentication_error", message);
    }
    // Whoever followed it would bring its token to a stranger.
    if head.status.is_redirection() {
        account.settle(End::Answered);
        let message = "the provider redirects to another address";
        return error_of(protocol, StatusCode::BAD_GATEWAY, "api_error", message);
    }
    let (silence, until) = (shared.bounds.silence, began + shared.bounds.whole);
    let mut answer = Response::new(Relay::new(body, account, silence, until).boxed());
    *answer.status_mut() = head.status;
    *answer.headers_mut() = returned(&head.headers);
    answer
}

/// The headers that the provider gets.
fn sent(headers: &HeaderMap) -> HeaderMap {
    let mut sent = without(headers, &NOT_SENT);
    // What passes is looked at, so it should be readable.
    sent.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    sent
}

/// The headers that the agent gets. The length of the body is not changed, so it stays.
fn returned(headers: &HeaderMap) -> HeaderMap {
    without(headers, &NOT_RETURNED)
}

fn without(headers: &HeaderMap, names: &[&str]) -> HeaderMap {
    // Further headers that belong to the connection are named by it.
    let named = headers.get_all(header::CONNECTION).iter();
    let named: Vec<String> = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let keep = |name: &HeaderName| {
        !names.contains(&name.as_str()) && !named.iter().any(|other| other == name.as_str())
    };
    let kept = headers.iter().filter(|(name, _)| keep(name));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The status of a refusal that both agents take for the last word. Claude Code repeats a 401 ten times
/// and no 403. Codex repeats both, and no 400.
const fn last(protocol: Protocol) -> StatusCode {
    match protocol {
        Protocol::Anthropic => StatusCode::FORBIDDEN,
        Protocol::OpenAi => StatusCode::BAD_REQUEST,
    }
}

fn refuse(protocol: Protocol, refusal: Refusal, message: &str) -> Answer {
    let (status, kind) = match refusal {
        Refusal::Token => (StatusCode::UNAUTHORIZED, "authentication_error"),
        Refusal::Path => (StatusCode::NOT_FOUND, "not_found_error"),
        Refusal::Request => (StatusCode::BAD_REQUEST, "invalid_request_error"),
        Refusal::Size => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
        Refusal::Slow => (StatusCode::REQUEST_TIMEOUT, "timeout_error"),
        Refusal::Provider | Refusal::Tier => (last(protocol), "permission_error"),
        Refusal::Budget => match protocol {
            Protocol::Anthropic => (last(protocol), "billing_error"),
            Protocol::OpenAi => (last(protocol), "insufficient_quota"),
        },
    };
    error_of(protocol, status, kind, message)
}

fn error_of(protocol: Protocol, status: StatusCode, kind: &str, message: &str) -> Answer {
    let body = protocol
        .error(kind, &format!("App-Gen: {message}"))
        .to_string();
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if !status.is_server_error() {
        let name = HeaderName::from_static("x-should-retry");
        headers.insert(name, HeaderValue::from_static("false"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_headers_are_in_order_and_as_http_spells_them() {
        for names in [&NOT_SENT[..], &NOT_RETURNED] {
            assert!(names.is_sorted());
            for name in names {
                assert_eq!(HeaderName::from_static(name).as_str(), *name);
            }
        }
    }

    #[test]
    fn headers_that_a_connection_names_stay_behind() {
        let pairs = [
            ("connection", "close, X-Own"),
            ("x-own", "1"),
            ("x-other", "2"),
            ("te", "trailers"),
        ];
        let mut headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        headers.append("x-other", HeaderValue::from_static("3"));
        let sent = sent(&headers);
        let names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(sent.get_all("x-other").iter().count(), 2);
        assert_eq!(sent[header::ACCEPT_ENCODING], "identity");
    }
}
