//! One request of npm: whether it may be asked, and what the registry says.

use crate::exchange::End;
use crate::packages::bounds::PackagesBounds;
use crate::packages::counts::{PackagesCounts, Tally, one_more};
use crate::packages::path::Wanted;
use crate::relay::{Relay, Watcher};
use crate::server::Answer;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use reqwest::{Client, Url};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::{Instant, timeout};

/// What of a request is sent on: how the answer may look, and what npm has of it already. Whatever else a
/// header could say is nobody's business elsewhere.
const SENT: [HeaderName; 4] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
];
/// What of an answer is for npm.
const RETURNED: [HeaderName; 8] = [
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
    header::VARY,
];
/// Bytes of a header that is sent on. npm's are shorter.
const HEADER_BYTES: usize = 256;
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("app-gen/", env!("CARGO_PKG_VERSION")));

pub(crate) struct Mirror {
    registry: Url,
    client: Client,
    bounds: PackagesBounds,
    tally: Arc<Tally>,
}

impl Mirror {
    pub(crate) fn new(registry: Url, client: Client, bounds: PackagesBounds) -> Self {
        Self {
            registry,
            client,
            bounds,
            tally: Arc::default(),
        }
    }

    pub(crate) fn counts(&self) -> PackagesCounts {
        self.tally.counts()
    }
}

pub(crate) async fn answer(request: Request<Incoming>, mirror: &Mirror) -> Answer {
    let wanted = Wanted::of(request.uri(), mirror.registry.path());
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let Some(wanted) = wanted.filter(|_| is_read) else {
        one_more(&mirror.tally.refused);
        let message = "this mirror has packages to install, and nothing else";
        return error(StatusCode::NOT_FOUND, message);
    };
    one_more(&mirror.tally.requests);
    match ask(&request, &wanted, mirror).await {
        Ok(answer) => answer,
        Err((status, message)) => {
            one_more(&mirror.tally.failed);
            error(status, message)
        }
    }
}

async fn ask(
    request: &Request<Incoming>,
    wanted: &Wanted,
    mirror: &Mirror,
) -> Result<Answer, (StatusCode, &'static str)> {
    let began = Instant::now();
    let bounds = mirror.bounds;
    let mut headers = some(request.headers(), &SENT);
    headers.insert(header::USER_AGENT, USER_AGENT);
    let asked = mirror
        .client
        .request(request.method().clone(), wanted.below(&mirror.registry))
        .headers(headers)
        .send();
    let response = timeout(bounds.first_byte, asked).await.map_err(|_| {
        let message = "the registry does not answer in time";
        (StatusCode::GATEWAY_TIMEOUT, message)
    })?;
    let response: Response<reqwest::Body> = response
        .map_err(|_| (StatusCode::BAD_GATEWAY, "the registry cannot be reached"))?
        .into();
    let (head, body) = response.into_parts();
    if head.status.is_redirection() && head.status != StatusCode::NOT_MODIFIED {
        let message = "the registry redirects to another host";
        return Err((StatusCode::BAD_GATEWAY, message));
    }
    let length = head.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > bounds.bytes) {
        let message = "the answer of the registry is larger than any may be";
        return Err((StatusCode::BAD_GATEWAY, message));
    }
    let passing = Passing {
        tally: Arc::clone(&mirror.tally),
        left: bounds.bytes,
        is_over: false,
    };
    let relay = Relay::new(body, passing, bounds.silence, began + bounds.whole);
    let mut answer = Response::new(relay.boxed());
    *answer.status_mut() = head.status;
    *answer.headers_mut() = some(&head.headers, &RETURNED);
    Ok(answer)
}

/// An answer on its way.
struct Passing {
    tally: Arc<Tally>,
    /// The bytes that may still come.
    left: u64,
    is_over: bool,
}

impl Watcher for Passing {
    fn passed(&mut self, piece: &[u8]) -> Option<End> {
        let bytes = piece.len() as u64;
        let Some(left) = self.left.checked_sub(bytes) else {
            return Some(End::TooLong);
        };
        self.left = left;
        self.tally.bytes.fetch_add(bytes, Ordering::Relaxed);
        None
    }

    fn ended(&mut self, end: End) {
        let is_first = !std::mem::replace(&mut self.is_over, true);
        // That npm leaves is no fault of the registry.
        if is_first && !matches!(end, End::Answered | End::Abandoned) {
            one_more(&self.tally.failed);
        }
    }
}

/// The headers of these names, unless they are longer than any that npm or a registry sends.
fn some(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let known = names.iter().filter_map(|name| {
        let value = headers.get(name)?;
        (value.len() <= HEADER_BYTES).then(|| (name.clone(), value.clone()))
    });
    known.collect()
}

fn error(status: StatusCode, message: &str) -> Answer {
    let text = serde_json::json!({ "error": format!("App-Gen: {message}") }).to_string();
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed());
    *answer.status_mut() = status;
    let form = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, form);
    answer
}
