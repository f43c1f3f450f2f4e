//! Who sends a request, as far as its address says it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName};

use crate::app::App;
use crate::error::ApiError;

/// To which each proxy adds the address of who asks it.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address at the other end of the connection; the server sets it.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub IpAddr);

/// The address of the client, behind the proxies that are trusted.
#[derive(Debug)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let proxies = app.config.server.trusted_proxies;
        Ok(Self(address_of(&parts.extensions, &parts.headers, proxies)))
    }
}

/// The address of the client of a request, behind so many proxies.
#[must_use]
pub fn address_of(extensions: &Extensions, headers: &HeaderMap, proxies: usize) -> IpAddr {
    let peer = extensions.get::<PeerAddress>();
    // Without a server there is no connection either.
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    client(peer, headers, proxies)
}

/// What the outermost of the trusted proxies saw. What is before that can be anything.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> IpAddr {
    let Some(index) = proxies.checked_sub(1) else {
        return peer;
    };
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.rsplit(','))
        .nth(index)
        .and_then(|text| address(text.trim()))
        .unwrap_or(peer)
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    text.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_say_counts() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let seen = |values: &[&str], proxies| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(FORWARDED_FOR, value.parse().unwrap());
            }
            client(peer, &headers, proxies).to_string()
        };
        assert_eq!(seen(&["192.0.2.1"], 0), "10.0.0.1");
        assert_eq!(seen(&["192.0.2.1"], 1), "192.0.2.1");
        assert_eq!(seen(&["6.6.6.6, 192.0.2.1"], 1), "192.0.2.1");
        assert_eq!(seen(&["6.6.6.6", "192.0.2.1"], 1), "192.0.2.1");
        assert_eq!(seen(&["6.6.6.6, 192.0.2.1", "10.0.0.9"], 2), "192.0.2.1");
        assert_eq!(seen(&["192.0.2.1:4711"], 1), "192.0.2.1");
        assert_eq!(seen(&["[2001:db8::1]:4711"], 1), "2001:db8::1");
        assert_eq!(seen(&["2001:db8::1"], 1), "2001:db8::1");
        for (values, proxies) in [(&["nobody"][..], 1), (&[][..], 1), (&["192.0.2.1"][..], 2)] {
            assert_eq!(seen(values, proxies), "10.0.0.1");
        }
    }
}
