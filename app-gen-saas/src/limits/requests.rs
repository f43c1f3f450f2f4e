//! What a single request may be, and how fast they may come.
//!
//! Who says who they are is counted by that, wherever they are (`accounts::guard` knows them); everybody else, and
//! whoever is not let in, by the address. A stream is one request.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Body as _;
use tower_http::timeout::TimeoutBody;

use crate::app::App;
use crate::controllers::client;
use crate::error::ApiError;
use crate::limits::rate::Client;

/// Bytes of the address and of all headers. The server itself refuses more than 64 KiB, and more than 100 headers.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The answer to a request that is counted already.
#[derive(Debug, Clone, Copy)]
struct Counted;

/// Refuses what is too large or comes too fast, and bounds the silence of bodies.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    if head_bytes(request.uri(), request.headers()) > MAX_HEAD_BYTES {
        return ApiError::HeadTooLarge(MAX_HEAD_BYTES).into_response();
    }
    let address = client::address_of(
        request.extensions(),
        request.headers(),
        app.config.server.trusted_proxies,
    );
    // Who brings something to be let in with is looked up first, unless that was of no use too often.
    let is_to_be_known = app.accounts.has_login() && brings_something(&request);
    let counted = match is_to_be_known {
        true => check(&app, Client::refused_at(address)),
        false => take(&app, Client::at(address)),
    };
    if let Err(refusal) = counted {
        return refusal.into_response();
    }
    let silence = app.config.server.limits.body;
    let request = match request.body().is_end_stream() {
        true => request,
        false => request.map(|body| Body::new(TimeoutBody::new(silence, body))),
    };
    let response = next.run(request).await;
    if is_to_be_known && response.extensions().get::<Counted>().is_none() {
        // It was of no use. What is over the bound is refused the next time.
        let _ = take(&app, Client::refused_at(address));
    }
    response
}

/// Counts a request of a client that is known, and has its answer not count for the address.
///
/// # Errors
/// It comes too fast.
pub(crate) fn take(app: &App, client: Client) -> Result<(), ApiError> {
    refused(app, |now| app.rates.take(client, now))
}

fn check(app: &App, client: Client) -> Result<(), ApiError> {
    refused(app, |now| app.rates.check(client, now))
}

/// Says of an answer that its request is counted.
pub(crate) fn mark(response: &mut Extensions) {
    response.insert(Counted);
}

fn refused(
    app: &App,
    look: impl FnOnce(Instant) -> Result<(), std::time::Duration>,
) -> Result<(), ApiError> {
    look(Instant::now()).map_err(|wait| {
        let rate = app.rates.rate();
        let secs = wait.as_millis().div_ceil(1000);
        ApiError::TooFast {
            per_second: rate.per_second,
            burst: rate.burst,
            retry_after_secs: u32::try_from(secs).unwrap_or(u32::MAX),
        }
    })
}

fn brings_something(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.headers().contains_key(header::AUTHORIZATION)
        || query.split('&').any(|part| part.starts_with("ticket="))
}

/// What the head of a request has, about as it came.
fn head_bytes(uri: &Uri, headers: &HeaderMap) -> usize {
    let address = uri.path().len() + uri.query().map_or(0, str::len);
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + 4);
    address + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_its_address_and_its_headers() {
        let uri = "/api/jobs?limit=5".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(head_bytes(&uri, &headers), 16);
        headers.append("a", "12345".parse().unwrap());
        headers.append("a", "1".parse().unwrap());
        assert_eq!(head_bytes(&uri, &headers), 16 + 10 + 6);
    }
}
