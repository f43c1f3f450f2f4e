//! Headers of requests and answers that are forwarded: what belongs to a connection, what is nobody's business, and
//! what would have an effect beyond the preview's own host.

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::previews::host::Asked;

/// What belongs to a connection.
const OF_CONNECTION: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What an application is not told: who asks, and by which way. Names, or beginnings of names.
const NOT_SENT: [&str; 5] = ["forwarded", "via", "x-amzn-", "x-app-gen-", "x-forwarded-"];

/// What an application may not say: for other hosts of the domain, for later, or against being shown in a frame
/// of the page.
const NOT_RETURNED: [&str; 11] = [
    "alt-svc",
    "cache-control",
    "clear-site-data",
    "expires",
    "nel",
    "origin-agent-cluster",
    "referrer-policy",
    "report-to",
    "strict-transport-security",
    "x-frame-options",
    "x-robots-tag",
];

/// What every answer of a preview says. It is nobody else's, it is not kept, and its name is told to nobody.
const OURS: [(&str, &str); 4] = [
    ("cache-control", "no-store"),
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "same-origin"),
    ("x-robots-tag", "noindex, nofollow"),
];

/// The protocol that a request wants to change to.
pub(super) fn wanted_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_wanted = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| is_wanted).cloned()
}

/// What the application is told of a request.
pub(super) fn to_application(headers: &mut HeaderMap, asked: &Asked, upgrade: Option<HeaderValue>) {
    remove_of_connection(headers);
    remove(headers, |name| {
        NOT_SENT.iter().any(|start| name.starts_with(start))
    });
    if let Ok(host) = HeaderValue::from_str(&asked.host) {
        headers.insert(header::HOST, host.clone());
        headers.insert(HeaderName::from_static("x-forwarded-host"), host);
    }
    let proto = match asked.is_https {
        true => "https",
        false => "http",
    };
    headers.insert(
        HeaderName::from_static("x-forwarded-proto"),
        HeaderValue::from_static(proto),
    );
    if let Some(protocol) = upgrade {
        set_upgrade(headers, protocol);
    }
}

/// What the browser is told of an answer. `ancestors` says who may have it in a frame.
pub(super) fn to_browser(headers: &mut HeaderMap, ancestors: &str) {
    remove_of_connection(headers);
    remove(headers, |name| NOT_RETURNED.contains(&name));
    let cookies = rewritten(headers, &header::SET_COOKIE, own_cookie);
    let policies = rewritten(headers, &header::CONTENT_SECURITY_POLICY, without_ancestors);
    for (name, values) in [
        (header::SET_COOKIE, cookies),
        (header::CONTENT_SECURITY_POLICY, policies),
    ] {
        headers.remove(&name);
        for value in values {
            headers.append(name.clone(), value);
        }
    }
    add_ours(headers, ancestors);
}

/// What every answer under the host of a preview has, also one of our own.
pub(super) fn add_ours(headers: &mut HeaderMap, ancestors: &str) {
    for (name, value) in OURS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    // Each of several policies holds.
    if let Ok(ancestors) = HeaderValue::from_str(ancestors) {
        headers.append(header::CONTENT_SECURITY_POLICY, ancestors);
    }
}

/// Says that the protocol changes.
pub(super) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

fn remove_of_connection(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    remove(headers, |name| {
        OF_CONNECTION.contains(&name) || named.iter().any(|named| named == name)
    });
}

fn remove(headers: &mut HeaderMap, is_removed: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_removed(name.as_str()))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// The values of a header as they may be; what is no text is left out.
fn rewritten(
    headers: &HeaderMap,
    name: &HeaderName,
    rewrite: fn(&str) -> String,
) -> Vec<HeaderValue> {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| HeaderValue::from_str(&rewrite(value.to_str().ok()?)).ok())
        .filter(|value| !value.is_empty())
        .collect()
}

/// A cookie for this host alone, whatever domain it names.
fn own_cookie(cookie: &str) -> String {
    let is_domain = |attribute: &str| {
        let name = attribute.split('=').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("domain")
    };
    let mut parts = cookie.split(';');
    let pair = parts.next().unwrap_or_default();
    let attributes = parts.filter(|attribute| !is_domain(attribute));
    std::iter::once(pair)
        .chain(attributes)
        .collect::<Vec<_>>()
        .join(";")
}

/// A policy, or several with commas between them, that leaves it to us who may have the preview in a frame.
fn without_ancestors(policies: &str) -> String {
    let is_other = |directive: &&str| {
        let name = directive.split_whitespace().next().unwrap_or_default();
        !name.eq_ignore_ascii_case("frame-ancestors")
    };
    policies
        .split(',')
        .map(|policy| {
            let kept: Vec<&str> = policy.split(';').filter(is_other).collect();
            kept.join(";")
        })
        .filter(|policy| !policy.trim().is_empty())
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    fn all<'headers>(headers: &'headers HeaderMap, name: &str) -> Vec<&'headers str> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn an_application_is_not_told_who_asks() {
        let mut sent = headers(&[
            ("host", "abc.preview.localhost"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-amzn-trace-id", "1"),
            ("cookie", "own=1"),
            ("transfer-encoding", "chunked"),
        ]);
        let asked = Asked::of(&sent, None).unwrap();
        to_application(&mut sent, &asked, None);
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["cookie", "host", "x-forwarded-host", "x-forwarded-proto"]
        );
    }

    #[test]
    fn a_change_of_protocol_is_passed_on() {
        let mut sent = headers(&[
            ("host", "abc.preview.localhost"),
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
        ]);
        let asked = Asked::of(&sent, None).unwrap();
        let upgrade = wanted_upgrade(&sent);
        assert_eq!(upgrade.as_ref().unwrap(), "websocket");
        to_application(&mut sent, &asked, upgrade);
        assert_eq!(all(&sent, "connection"), ["upgrade"]);
        assert_eq!(all(&sent, "upgrade"), ["websocket"]);
        let without = headers(&[("connection", "close"), ("upgrade", "websocket")]);
        assert_eq!(wanted_upgrade(&without), None);
    }

    #[test]
    fn nothing_that_an_application_says_leaves_its_host() {
        let mut answer = headers(&[
            ("set-cookie", "a=1; Path=/; Domain=app.example; HttpOnly"),
            ("set-cookie", "domain=x"),
            (
                "content-security-policy",
                "default-src 'self'; Frame-Ancestors 'none', frame-ancestors 'self'",
            ),
            ("x-frame-options", "DENY"),
            ("clear-site-data", "\"*\""),
            ("strict-transport-security", "max-age=1; includeSubDomains"),
            ("cache-control", "public, max-age=31536000"),
            ("connection", "close"),
            ("content-type", "text/html"),
        ]);
        to_browser(&mut answer, "frame-ancestors app.example:*");
        assert_eq!(
            all(&answer, "set-cookie"),
            ["a=1; Path=/; HttpOnly", "domain=x"]
        );
        assert_eq!(
            all(&answer, "content-security-policy"),
            ["default-src 'self'", "frame-ancestors app.example:*"]
        );
        assert_eq!(all(&answer, "cache-control"), ["no-store"]);
        assert_eq!(all(&answer, "referrer-policy"), ["same-origin"]);
        for gone in [
            "x-frame-options",
            "clear-site-data",
            "strict-transport-security",
            "connection",
        ] {
            assert!(!answer.contains_key(gone), "{gone}");
        }
        assert_eq!(all(&answer, "content-type"), ["text/html"]);
    }
}
