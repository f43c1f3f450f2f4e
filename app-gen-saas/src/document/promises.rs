//! Keeps what the document promises of each operation: it takes no parameter but its own, and who still
//! uses a deprecated one is told so by every answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{Deprecated, OpenApi, PathItem, RefOr};

use crate::error::ApiError;
use crate::problem::REFERENCE_PATH;

/// When an operation was deprecated: the value of the header `Deprecation` (RFC 9745), `@` and seconds
/// of Unix time.
pub const DEPRECATION: &str = "x-deprecation";

/// When an operation will be gone: the value of the header `Sunset` (RFC 8594), a date of HTTP.
pub const SUNSET: &str = "x-sunset";

/// Maximum number of characters of a parameter's name that a refusal repeats.
const MAX_NAME_CHARS: usize = 40;

/// What the document promises, by path and method.
#[derive(Debug, Default)]
pub(crate) struct Promises(HashMap<String, Vec<(Method, Promise)>>);

#[derive(Debug)]
struct Promise {
    query: BTreeSet<String>,
    /// Of every answer.
    headers: HeaderMap,
}

impl Promises {
    /// What `document` promises.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter();
        Self(
            paths
                .map(|(path, item)| (path.clone(), promises(item)))
                .collect(),
        )
    }

    fn find(&self, path: &str, method: &Method) -> Option<&Promise> {
        // The router answers HEAD as GET.
        let is_head = *method == Method::HEAD;
        let mut operations = self.0.get(path)?.iter();
        let found = operations.find(|(own, _)| own == method || (is_head && *own == Method::GET));
        found.map(|(_, promise)| promise)
    }
}

fn promises(item: &PathItem) -> Vec<(Method, Promise)> {
    [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, Promise::of(operation.as_ref()?))))
    .collect()
}

impl Promise {
    fn of(operation: &Operation) -> Self {
        let parameters = operation.parameters.iter().flatten();
        let query = parameters.filter_map(|parameter| match parameter {
            RefOr::T(Parameter {
                name,
                parameter_in: ParameterIn::Query,
                ..
            }) => Some(name.clone()),
            _ => None,
        });
        Self {
            query: query.collect(),
            headers: deprecation(operation),
        }
    }

    fn check(&self, uri: &Uri) -> Result<(), ApiError> {
        // What cannot be read at all, the operation refuses.
        let Ok(Query(asked)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Ok(());
        };
        let unknown = asked
            .into_iter()
            .find(|(name, _)| !self.query.contains(name));
        let Some((name, _)) = unknown else {
            return Ok(());
        };
        let name: String = name.chars().take(MAX_NAME_CHARS).collect();
        let known: Vec<&str> = self.query.iter().map(String::as_str).collect();
        let known = match known.is_empty() {
            true => "none".to_owned(),
            false => known.join(", "),
        };
        Err(ApiError::Invalid(format!(
            "unknown query parameter {name:?}; this operation takes {known}"
        )))
    }
}

/// The headers by which a deprecated operation says so.
fn deprecation(operation: &Operation) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !matches!(operation.deprecated, Some(Deprecated::True)) {
        return headers;
    }
    for (extension, name) in [
        (DEPRECATION, HeaderName::from_static("deprecation")),
        (SUNSET, HeaderName::from_static("sunset")),
    ] {
        let value = operation.extensions.as_ref();
        let value = value.and_then(|all| all.get(extension)?.as_str());
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            headers.insert(name, value);
        }
    }
    if let Some(id) = &operation.operation_id {
        let link = format!("<{REFERENCE_PATH}#{id}>; rel=\"deprecation\"; type=\"text/html\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    headers
}

/// Refuses parameters that the operation does not have, and marks the answers of deprecated ones.
pub(crate) async fn keep(
    State(promises): State<Arc<Promises>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let promise = path.and_then(|path| promises.find(path.as_str(), request.method()));
    let Some(promise) = promise else {
        return next.run(request).await;
    };
    let checked = promise.check(request.uri());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in &promise.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware;
    use axum::routing::get;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use serde_json::json;

    /// A document as it will be once something is deprecated, with a router that keeps it.
    fn router() -> Router {
        let document: OpenApi = serde_json::from_value(json!({
            "openapi": "3.1.0",
            "info": { "title": "A test", "version": "1" },
            "paths": {
                "/old/{id}": { "get": {
                    "operationId": "get_old",
                    "deprecated": true,
                    "x-deprecation": "@1798761600",
                    "x-sunset": "Thu, 01 Jul 2027 00:00:00 GMT",
                    "parameters": [
                        { "name": "limit", "in": "query", "required": false },
                    ],
                    "responses": {},
                } },
                "/new": { "get": { "operationId": "get_new", "responses": {} } },
            },
        }))
        .unwrap();
        Router::new()
            .route("/old/{id}", get(async || "old").post(async || "posted"))
            .route("/new", get(async || "new"))
            .route_layer(middleware::from_fn_with_state(
                Arc::new(Promises::of(&document)),
                keep,
            ))
    }

    async fn ask(method: Method, uri: &str) -> Response {
        let request = Request::builder().method(method).uri(uri);
        let request = request.body(axum::body::Body::empty()).unwrap();
        let service = TowerToHyperService::new(router());
        service.call(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_deprecated_operation_says_so_in_every_answer() {
        for (method, uri, status) in [
            (Method::GET, "/old/7", 200),
            (Method::HEAD, "/old/7?limit=1", 200),
            (Method::GET, "/old/7?more=1", 400),
        ] {
            let response = ask(method, uri).await;
            assert_eq!(response.status().as_u16(), status, "{uri}");
            let headers = response.headers();
            assert_eq!(headers["deprecation"], "@1798761600", "{uri}");
            assert_eq!(headers["sunset"], "Thu, 01 Jul 2027 00:00:00 GMT", "{uri}");
            let link = headers["link"].to_str().unwrap();
            assert!(link.starts_with("</api/reference#get_old>;"), "{link}");
        }
        for (method, uri) in [(Method::GET, "/new"), (Method::POST, "/old/7?more=1")] {
            let response = ask(method, uri).await;
            assert_eq!(response.status().as_u16(), 200, "{uri}");
            assert!(!response.headers().contains_key("deprecation"), "{uri}");
        }
    }

    #[tokio::test]
    async fn an_unknown_parameter_is_refused_by_name() {
        for (uri, part) in [
            (
                "/new?x=1",
                "unknown query parameter \\\"x\\\"; this operation takes none",
            ),
            (
                "/old/7?limit=1&Limit=2",
                "\\\"Limit\\\"; this operation takes limit",
            ),
            ("/new?%00", "\\\"\\\\0\\\""),
        ] {
            let response = ask(Method::GET, uri).await;
            assert_eq!(response.status().as_u16(), 400, "{uri}");
            let body = axum::body::to_bytes(response.into_body(), 10_000).await;
            let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
            assert!(body.contains(part), "{uri}: {body}");
        }
    }
}
