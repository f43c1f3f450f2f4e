//! The names of previews: `LABEL.preview.HOST`, where HOST is the page's, or below the name that the environment
//! has for them.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};

/// In which the gate of the local cloud says under which name a load balancer was asked: it cannot leave that in
/// the header of HTTP, since the local cloud answers some paths below that name itself.
const GATE_HOST: HeaderName = HeaderName::from_static("x-app-gen-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The first label of the names of all previews of a host.
const PREVIEW: &str = "preview";

/// The preview that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What it is known by.
    pub(crate) label: String,
    /// The whole name, with its port.
    pub(crate) host: String,
    /// The name of the page's host, if previews are below it.
    base: String,
    /// Whether the browser asked by HTTPS.
    pub(crate) is_https: bool,
}

impl Asked {
    /// Nothing for a request to the page. `own` is the name below which previews are. Whatever is below such a
    /// name is a preview, or nothing: never the page.
    pub(crate) fn of(headers: &HeaderMap, own: Option<&str>) -> Option<Self> {
        let host = named_host(headers)?;
        let (name, _) = split_port(&host);
        let name = name.strip_suffix('.').unwrap_or(name);
        let (label, rest) = name.split_once('.')?;
        let base = rest
            .strip_prefix(PREVIEW)
            .and_then(|rest| rest.strip_prefix('.'));
        let is_local = base.is_some_and(|base| base == "localhost" || base.ends_with(".localhost"));
        if own != Some(rest) && !is_local {
            return None;
        }
        Some(Self {
            label: label.to_owned(),
            base: base.unwrap_or_default().to_owned(),
            is_https: is_https(headers),
            host,
        })
    }

    /// Who may have the preview in a frame: the page, under each of its names, as a directive of a
    /// Content-Security-Policy.
    pub(crate) fn ancestors(&self, page_hosts: &[String]) -> String {
        let mut sources = String::from("frame-ancestors");
        let mut add = |name: &str| {
            sources.push(' ');
            sources.push_str(name);
            sources.push_str(":*");
        };
        for name in page_hosts {
            add(name);
        }
        if !self.base.is_empty() {
            add(&self.base);
        }
        // The page of `cargo xtask dev` is under either of them.
        if self.base == "localhost" {
            add("127.0.0.1");
        }
        sources
    }
}

/// Where a preview is, for who asks under the name of the page; nothing where no name leads to it.
pub(crate) fn url(label: &str, headers: &HeaderMap, own: Option<&str>) -> Option<String> {
    let host = named_host(headers)?;
    let (name, port) = split_port(&host);
    let base = match own {
        Some(own) => own.to_owned(),
        None if name == "localhost" || is_address(name) => format!("{PREVIEW}.localhost"),
        None if name.ends_with(".localhost") => format!("{PREVIEW}.{name}"),
        None => return None,
    };
    let scheme = match is_https(headers) {
        true => "https",
        false => "http",
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{label}.{base}{port}/"))
}

/// What the page may have in a frame, as sources of a Content-Security-Policy.
pub(crate) fn frames(own: Option<&str>) -> String {
    match own {
        Some(own) => format!("https://*.{own}:* http://*.{own}:*"),
        None => "http://*.localhost:*".to_owned(),
    }
}

/// The name under which the browser asked, in small letters.
fn named_host(headers: &HeaderMap) -> Option<String> {
    let host = only(headers, header::HOST)?;
    let (name, _) = split_port(host);
    // A name cannot be asked under another one; an address is what a gate asks under.
    let named = match is_address(name) {
        true => only(headers, GATE_HOST).unwrap_or(host),
        false => host,
    };
    Some(named.to_ascii_lowercase())
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_https(headers: &HeaderMap) -> bool {
    only(headers, FORWARDED_PROTO) == Some("https")
}

fn is_address(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    bare.unwrap_or(name).parse::<IpAddr>().is_ok()
}

/// A name and a port.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        });
        pairs.collect()
    }

    fn label(pairs: &[(&'static str, &str)], own: Option<&str>) -> Option<String> {
        Asked::of(&headers(pairs), own).map(|asked| asked.label)
    }

    #[test]
    fn a_name_leads_to_a_preview_or_to_the_page() {
        let own = Some("preview.app.example");
        for host in [
            "abc.preview.localhost",
            "ABC.Preview.localhost:5013",
            "abc.preview.name.alb.localhost:4566",
            "abc.preview.localhost.",
        ] {
            assert_eq!(
                label(&[("host", host)], None).as_deref(),
                Some("abc"),
                "{host}"
            );
        }
        let host = [("host", "abc.preview.app.example")];
        let shown = [("host", "abc.shown.example")];
        assert_eq!(label(&shown, Some("shown.example")).as_deref(), Some("abc"));
        assert_eq!(label(&host, own).as_deref(), Some("abc"));
        assert_eq!(label(&host, None), None);
        for host in [
            "localhost",
            "preview.localhost",
            "127.0.0.1:5013",
            "app.example",
            "preview.app.example",
            "a.b.preview.app.example",
            "abc.previews.localhost",
            "abc.preview.evil.example",
        ] {
            assert_eq!(label(&[("host", host)], own), None, "{host}");
        }
        let twice = [("host", "abc.preview.localhost"), ("host", "localhost")];
        let mut map = headers(&twice[..1]);
        map.append("host", HeaderValue::from_static("localhost"));
        assert_eq!(Asked::of(&map, None), None);
    }

    #[test]
    fn only_who_asks_under_an_address_says_another_name() {
        let gate = ("x-app-gen-host", "abc.preview.name.alb.localhost:4566");
        let by_gate = label(&[("host", "127.0.0.1:4566"), gate], None);
        assert_eq!(by_gate.as_deref(), Some("abc"));
        assert_eq!(label(&[("host", "localhost:5013"), gate], None), None);
        assert_eq!(label(&[("host", "app.example"), gate], None), None);
    }

    #[test]
    fn addresses_are_those_of_who_asks() {
        let url = |pairs: &[(&'static str, &str)], own| url("abc", &headers(pairs), own);
        for (host, expected) in [
            ("localhost:5013", "http://abc.preview.localhost:5013/"),
            ("127.0.0.1:5013", "http://abc.preview.localhost:5013/"),
            ("[::1]:5013", "http://abc.preview.localhost:5013/"),
            (
                "name.alb.localhost:4566",
                "http://abc.preview.name.alb.localhost:4566/",
            ),
        ] {
            assert_eq!(url(&[("host", host)], None).as_deref(), Some(expected));
        }
        assert_eq!(url(&[("host", "app.example")], None), None);
        let secured = [("host", "app.example"), ("x-forwarded-proto", "https")];
        assert_eq!(
            url(&secured, Some("preview.app.example")).as_deref(),
            Some("https://abc.preview.app.example/")
        );
    }

    #[test]
    fn the_page_alone_has_a_preview_in_a_frame() {
        let local = Asked::of(&headers(&[("host", "abc.preview.localhost:5013")]), None).unwrap();
        assert_eq!(
            local.ancestors(&["app.example".to_owned()]),
            "frame-ancestors app.example:* localhost:* 127.0.0.1:*"
        );
        let named = [("host", "abc.preview.app.example")];
        let named = Asked::of(&headers(&named), Some("preview.app.example")).unwrap();
        assert_eq!(
            named.ancestors(&["app.example".to_owned()]),
            "frame-ancestors app.example:* app.example:*"
        );
        assert_eq!(frames(None), "http://*.localhost:*");
    }
}
