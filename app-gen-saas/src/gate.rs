//! Which requests are let in: those for this host, from programs and from our own page.
//!
//! A browser lets any page send requests to any address, and a page can point a name of its own at this
//! machine. So the host must be ours, and a request of a page must come from a page of ours.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::error::ApiError;

/// What browsers say about where a request comes from; no page can change it. It is only sent to HTTPS
/// and to this machine.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The names under which the orchestrator may be asked.
#[derive(Debug, Clone)]
struct AllowedHosts(Arc<[String]>);

impl AllowedHosts {
    fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// An address cannot be the name that a page points at us, and health checks have no name.
    fn contains(&self, authority: &Authority) -> bool {
        let host = authority.host().to_ascii_lowercase();
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if address.unwrap_or(&host).parse::<IpAddr>().is_ok() {
            return true;
        }
        let name = host.strip_suffix('.').unwrap_or(&host);
        name == "localhost"
            || name.ends_with(".localhost")
            || self.0.iter().any(|allowed| allowed == name)
    }
}

/// What is let in.
#[derive(Debug, Clone)]
pub(crate) struct Allowed {
    hosts: AllowedHosts,
    /// Origins whose pages may send requests, beside our own.
    origins: Arc<[String]>,
}

impl Allowed {
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> Self {
        Self {
            hosts: AllowedHosts::new(hosts),
            origins: origins.into(),
        }
    }

    /// Whether the request says that it is of a page that may send it. Browsers say so whenever the page is to see the
    /// answer.
    fn has_origin(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN);
        let origin = origin.and_then(|origin| origin.to_str().ok());
        origin.is_some_and(|origin| self.origins.iter().any(|allowed| allowed == origin))
    }
}

/// Answers requests that are not let in.
pub(crate) async fn gate(State(allowed): State<Allowed>, request: Request, next: Next) -> Response {
    match check(&allowed, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(allowed: &Allowed, request: &Request) -> Result<(), ApiError> {
    let host = host(request.headers())?;
    for authority in [Some(&host), request.uri().authority()]
        .into_iter()
        .flatten()
    {
        if !allowed.hosts.contains(authority) {
            return Err(ApiError::Misdirected(authority.to_string()));
        }
    }
    if is_of_another_page(request.method(), request.headers(), &host)
        && !allowed.has_origin(request.headers())
    {
        return Err(ApiError::Forbidden(
            "a page of another origin must not send this request",
        ));
    }
    Ok(())
}

/// The one host that the request names.
fn host(headers: &HeaderMap) -> Result<Authority, ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes())
            .ok()
            .filter(|host| !host.as_str().contains('@')),
        _ => None,
    }
    .ok_or_else(|| ApiError::Invalid("the request does not name exactly one host".to_owned()))
}

/// Following a link to us is let in; everything else that a page of another origin can have a browser
/// send is not. Without the browser's own word, only the origin says where the page is from, and
/// requests that only read may come without it.
fn is_of_another_page(method: &Method, headers: &HeaderMap, host: &Authority) -> bool {
    let only_reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        && !headers.contains_key(header::UPGRADE);
    match headers.get(FETCH_SITE).map(|value| value.as_bytes()) {
        Some(b"same-origin" | b"none") => false,
        Some(_) => {
            let mode = headers.get(FETCH_MODE).map(|value| value.as_bytes());
            !(only_reads && mode == Some(b"navigate"))
        }
        None if only_reads => false,
        None => headers.get(header::ORIGIN).is_some_and(|origin| {
            let origin = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.split_once("://"));
            !origin.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host.as_str()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn verdict(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let allowed = Allowed::new(
            &["App.example".to_owned()],
            &["https://other.example".to_owned()],
        );
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match check(&allowed, &request.body(Body::empty()).unwrap()) {
            Ok(()) => 200,
            Err(error) => error.into_response().status().as_u16(),
        }
    }

    #[test]
    fn hosts() {
        for host in [
            "app.example",
            "APP.EXAMPLE:8080",
            "app.example.",
            "localhost:5013",
            "name.alb.localhost:4566",
            "127.0.0.1",
            "10.11.0.7:5013",
            "[::1]:5013",
        ] {
            assert_eq!(verdict("GET", "/", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "app.example.evil.example",
            "sub.app.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evillocalhost",
        ] {
            assert_eq!(verdict("GET", "/", &[("host", host)]), 421, "{host}");
            assert_eq!(verdict("GET", "/health", &[("host", host)]), 421, "{host}");
        }
        for host in ["", "a b", "me@127.0.0.1", "[::1"] {
            assert_eq!(verdict("GET", "/", &[("host", host)]), 400, "{host}");
        }
        assert_eq!(verdict("GET", "/", &[]), 400);
        let two = [("host", "127.0.0.1"), ("host", "evil.example")];
        assert_eq!(verdict("GET", "/", &two), 400);
        let host = [("host", "127.0.0.1")];
        assert_eq!(verdict("GET", "http://evil.example/", &host), 421);
    }

    #[test]
    fn pages() {
        let host = ("host", "app.example:5013");
        let with = |method: &str, headers: &[(&'static str, &'static str)]| {
            let headers: Vec<_> = [host].into_iter().chain(headers.iter().copied()).collect();
            verdict(method, "/api/jobs", &headers)
        };
        let upgrade = ("upgrade", "websocket");
        // Programs, and old browsers on our own page.
        assert_eq!(with("POST", &[]), 200);
        assert_eq!(with("GET", &[upgrade]), 200);
        assert_eq!(with("POST", &[("origin", "https://app.example:5013")]), 200);
        // A page of ours behind a proxy that changes the host.
        let own = ("sec-fetch-site", "same-origin");
        assert_eq!(
            with("POST", &[own, ("origin", "http://127.0.0.1:5173")]),
            200
        );
        assert_eq!(with("GET", &[("sec-fetch-site", "none")]), 200);
        for origin in [
            "https://evil.example",
            "https://app.example:5013.evil.example",
            "https://app.example",
            "http://localhost:5173",
            "null",
            "",
        ] {
            assert_eq!(with("POST", &[("origin", origin)]), 403, "{origin}");
            assert_eq!(with("GET", &[upgrade, ("origin", origin)]), 403, "{origin}");
            assert_eq!(with("GET", &[("origin", origin)]), 200, "{origin}");
        }
        let navigate = ("sec-fetch-mode", "navigate");
        for site in ["cross-site", "same-site", "unknown"] {
            let site = ("sec-fetch-site", site);
            assert_eq!(with("POST", &[site]), 403);
            assert_eq!(with("POST", &[site, navigate]), 403);
            assert_eq!(with("GET", &[site]), 403);
            assert_eq!(with("GET", &[site, navigate, upgrade]), 403);
            assert_eq!(with("GET", &[site, navigate]), 200);
        }
        // Pages that operators allow, and nobody who is called like them.
        let cross = ("sec-fetch-site", "cross-site");
        let other = ("origin", "https://other.example");
        for method in ["GET", "POST", "OPTIONS"] {
            assert_eq!(with(method, &[cross, other]), 200, "{method}");
        }
        assert_eq!(with("GET", &[cross, other, upgrade]), 200);
        for origin in [
            "http://other.example",
            "https://other.example:8443",
            "https://other.example.evil.example",
            "null",
        ] {
            assert_eq!(with("POST", &[cross, ("origin", origin)]), 403, "{origin}");
        }
    }
}
