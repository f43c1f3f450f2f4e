//! The id of a request: taken from who asks, or made, and then in every line of the log about it, in the answer,
//! and in the job that it leads to.

use std::sync::Arc;

use app_gen_contract::{Origin, is_request_id, trace_of};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::clock::now_millis;
use crate::error::ApiError;
use crate::observe::measures::Measures;
use crate::observe::spans::request_span;
use crate::observe::tracer::Tracer;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The load balancer of AWS adds it: `Root=1-SECONDS-DIGITS`, and `Self=…` or `Parent=…` beside that.
const AMAZON_TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// What counts requests, and what takes their spans.
#[derive(Debug, Clone)]
pub(crate) struct Observers {
    pub(crate) measures: Arc<Measures>,
    pub(crate) tracer: Tracer,
}

/// Where a request comes from, and the span of who asked, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOrigin {
    /// The request's id and span.
    pub origin: Origin,
    /// The span of who asked, 16 hexadecimal digits.
    pub parent_span: Option<String>,
}

impl RequestOrigin {
    /// What the headers say, as far as it may be taken, and otherwise something new.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let amazon = text(AMAZON_TRACE).and_then(amazon_root);
        let asker = text(TRACEPARENT).and_then(trace_of);
        let trace = match (asker, amazon) {
            (Some((trace, _)), _) => trace.to_owned(),
            (None, Some(root)) => trace_of_amazon(root),
            (None, None) => Uuid::now_v7().simple().to_string(),
        };
        let request_id = text(REQUEST_ID)
            .filter(|id| is_request_id(id))
            .or(amazon)
            .map_or_else(|| trace.clone(), str::to_owned);
        Self {
            origin: Origin {
                request_id,
                traceparent: format!("00-{trace}-{}-01", new_span()),
            },
            parent_span: asker.map(|(_, span)| span.to_owned()),
        }
    }
}

/// The `1-SECONDS-DIGITS` of a root that is one.
fn amazon_root(text: &str) -> Option<&str> {
    let root = text
        .split(';')
        .find_map(|part| part.trim().strip_prefix("Root="))?;
    let trace = trace_of_amazon(root);
    let is_root =
        root.len() == 35 && root.starts_with("1-") && root.as_bytes().get(10) == Some(&b'-');
    let fits = is_root && trace_of(&format!("00-{trace}-{}-01", "1".repeat(16))).is_some();
    fits.then_some(root)
}

/// X-Ray writes the same 32 digits with a version and dashes.
fn trace_of_amazon(root: &str) -> String {
    root.strip_prefix("1-").unwrap_or(root).replace('-', "")
}

/// An id of a span: the part of a UUID that is random.
fn new_span() -> String {
    let random = Uuid::now_v7().as_u128() & u128::from(u64::MAX);
    format!("{random:016x}")
}

/// Gives a request its id, counts its answer, and hands its span over.
pub(crate) async fn observe(
    State(observers): State<Observers>,
    mut request: Request,
    next: Next,
) -> Response {
    let origin = RequestOrigin::of(request.headers());
    let request_id = origin.origin.request_id.clone();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let begun = now_millis();
    request.extensions_mut().insert(origin.clone());
    let span = tracing::info_span!("request", request_id);
    let mut response = next.run(request).instrument(span).await;
    let status = response.status();
    observers.measures.answered(status.is_server_error());
    // Whoever only looks leads to nothing, and would be most of what is traced.
    let only_looks = method == Method::GET || method == Method::HEAD;
    if observers.tracer.is_on() && !only_looks {
        let parent = origin.parent_span;
        let (method, status) = (method.as_str(), status.as_u16());
        let span = request_span(&origin.origin, parent, method, &path, status, begun);
        observers.tracer.add(vec![span]);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// For handlers: where the request comes from.
#[derive(Debug)]
pub struct AskedBy(pub Origin);

impl<S: Send + Sync> FromRequestParts<S> for AskedBy {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Without the layer there is none, and one is made all the same.
        let known = parts.extensions.get::<RequestOrigin>().cloned();
        let known = known.unwrap_or_else(|| RequestOrigin::of(&parts.headers));
        Ok(Self(known.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const ROOT: &str = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8";

    fn of(values: &[(&'static str, &str)]) -> RequestOrigin {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        RequestOrigin::of(&headers)
    }

    fn trace(origin: &RequestOrigin) -> &str {
        trace_of(&origin.origin.traceparent).unwrap().0
    }

    #[test]
    fn what_who_asks_says_is_taken() {
        let own = of(&[("x-request-id", "mine-7"), ("traceparent", PARENT)]);
        assert_eq!(own.origin.request_id, "mine-7");
        assert_eq!(trace(&own), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(own.parent_span.as_deref(), Some("00f067aa0ba902b7"));
        let amazon = of(&[("x-amzn-trace-id", ROOT)]);
        assert_eq!(
            amazon.origin.request_id,
            "1-67891233-abcdef012345678912345678"
        );
        assert_eq!(trace(&amazon), "67891233abcdef012345678912345678");
    }

    #[test]
    fn what_is_none_is_replaced() {
        for headers in [
            &[][..],
            &[("x-request-id", "a b")][..],
            &[("traceparent", "00-0-0-01")][..],
            &[("x-amzn-trace-id", "Root=1-x-y")][..],
            &[(
                "x-amzn-trace-id",
                "Root=1-678912-33abcdef012345678912345678",
            )][..],
        ] {
            let (one, other) = (of(headers), of(headers));
            assert_ne!(one.origin, other.origin, "{headers:?}");
            assert!(is_request_id(&one.origin.request_id));
            assert_eq!(trace(&one), one.origin.request_id);
            assert_eq!(one.parent_span, None);
        }
    }
}
