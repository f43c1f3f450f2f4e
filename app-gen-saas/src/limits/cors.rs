//! Pages of other origins that may use the API from a browser, where operators list them. Nobody has cookies here, so
//! such a page gets only what it brings a token or a key for; where there are no accounts, it may do everything.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser need not ask again.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// What such pages may send.
const ALLOWED_HEADERS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-app-gen-tenant"),
    HeaderName::from_static("x-request-id"),
];

/// What such pages may read of answers, beside what every page may.
const EXPOSED_HEADERS: [HeaderName; 6] = [
    header::CONTENT_DISPOSITION,
    header::LOCATION,
    header::RETRY_AFTER,
    HeaderName::from_static("api-version"),
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("x-request-id"),
];

/// Tells browsers which pages may ask; nothing where none is listed.
pub(crate) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    if origins.is_empty() {
        return None;
    }
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods(methods)
            .allow_headers(ALLOWED_HEADERS)
            .expose_headers(EXPOSED_HEADERS)
            .max_age(MAX_AGE),
    )
}
