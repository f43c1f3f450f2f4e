//! Where a key is sent. A tenant may name a server of its own, and a name may lead anywhere: into the network of the
//! platform, to the metadata of its machines. So all addresses of the name are judged, and the request goes to these
//! and to no others, whatever the name leads to a moment later. Generators do the same (`app-gen/src/workshop`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use app_gen_contract::{ModelProvider, is_allowed};
use reqwest::Url;
use tokio::time::timeout;

use crate::models::outcome::Outcome;

/// Maximum number of bytes of a base URL.
const MAX_BASE_BYTES: usize = 300;
/// How long a name is looked up.
const LOOK_UP: Duration = Duration::from_secs(5);
/// The only port that generators reach on AWS.
const HTTPS_PORT: u16 = 443;

/// A server, and its addresses if a tenant named it.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// Without a slash at its end.
    pub(super) base: String,
    /// Its host, and where that leads to.
    pub(super) pinned: Option<(String, Vec<SocketAddr>)>,
}

/// A base URL as it is kept, without a slash at its end.
///
/// # Errors
/// Why nobody should send a key there, in words for whoever named it. They never quote it: it may hold a password.
pub fn checked_base(text: &str, allows_private: bool) -> Result<String, &'static str> {
    let text = text.trim();
    if text.len() > MAX_BASE_BYTES {
        return Err("base_url has more than 300 bytes");
    }
    let url = Url::parse(text).map_err(|_| "base_url is not a URL")?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.query().is_some() || url.fragment().is_some() {
        return Err("base_url must not have a user, a query or a fragment");
    }
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if allows_private && is_here => {}
        _ => return Err("base_url must begin with https://"),
    }
    if url.port_or_known_default() != Some(HTTPS_PORT) && !allows_private {
        return Err("base_url must not name another port than 443");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

impl Endpoint {
    /// The server of a provider, or the one that a tenant named.
    ///
    /// # Errors
    /// What a test comes to that asks nobody.
    pub(super) async fn find(
        provider: ModelProvider,
        base: Option<&str>,
        allows_private: bool,
    ) -> Result<Self, Outcome> {
        let Some(base) = base else {
            return Ok(Self {
                base: provider.usual_base().to_owned(),
                pinned: None,
            });
        };
        // It was checked when it was set; the setting may have changed since.
        let base = checked_base(base, allows_private).map_err(|_| Outcome::ForbiddenAddress)?;
        let url = Url::parse(&base).map_err(|_| Outcome::WrongEndpoint)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or(HTTPS_PORT);
        let name = host.trim_matches(['[', ']']).to_owned();
        let found = tokio::net::lookup_host((name, port));
        let Ok(Ok(found)) = timeout(LOOK_UP, found).await else {
            return Err(Outcome::Unreachable);
        };
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.is_empty() {
            return Err(Outcome::Unreachable);
        }
        let is_refused = |address: &SocketAddr| !is_allowed(address.ip(), allows_private);
        if addresses.iter().any(is_refused) {
            return Err(Outcome::ForbiddenAddress);
        }
        Ok(Self {
            base,
            pinned: Some((host, addresses)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_https_and_nothing_else() {
        assert_eq!(
            checked_base(" https://models.example/v1/ ", false),
            Ok("https://models.example/v1".to_owned())
        );
        assert_eq!(
            checked_base("https://models.example:443", false),
            Ok("https://models.example".to_owned())
        );
        for wrong in [
            "",
            "models.example",
            "http://models.example",
            "http://127.0.0.1",
            "ftp://models.example",
            "file:///etc/passwd",
            "https://user@models.example",
            "https://:secret@models.example",
            "https://models.example?key=secret",
            "https://models.example#x",
            "https://models.example:8443",
            &format!("https://models.example/{}", "x".repeat(300)),
        ] {
            let refused = checked_base(wrong, false).unwrap_err();
            assert!(refused.starts_with("base_url ") && !refused.contains("secret"));
        }
        for private in [
            "https://models.example:8443",
            "http://127.0.0.1:8080/v1",
            "http://localhost:1",
        ] {
            assert!(checked_base(private, true).is_ok(), "{private}");
        }
        // A key never goes over a network as it is.
        assert!(checked_base("http://10.0.0.1", true).is_err());
    }

    #[tokio::test]
    async fn addresses_that_are_not_public_are_asked_for_nothing() {
        let find = async |base: &'static str, allows_private| {
            Endpoint::find(ModelProvider::OpenAi, Some(base), allows_private).await
        };
        for base in [
            "https://127.0.0.1",
            "https://localhost",
            "https://2130706433",
            "https://0x7f.1",
            "https://10.1.2.3",
            "https://169.254.169.254",
            "https://[::1]",
            "https://[::ffff:169.254.169.254]",
            "https://[fd00:ec2::254]",
        ] {
            let refused = find(base, false).await.unwrap_err();
            assert_eq!(refused, Outcome::ForbiddenAddress, "{base}");
        }
        assert_eq!(
            find("https://169.254.170.2", true).await.unwrap_err(),
            Outcome::ForbiddenAddress
        );
        let local = find("http://127.0.0.1:8080/v1", true).await.unwrap();
        let (host, addresses) = local.pinned.unwrap();
        assert_eq!(host, "127.0.0.1");
        assert_eq!(addresses, ["127.0.0.1:8080".parse().unwrap()]);
        let usual = Endpoint::find(ModelProvider::OpenAi, None, false).await;
        assert_eq!(usual.unwrap().base, "https://api.openai.com/v1");
        let nowhere = find("https://nowhere.invalid", false).await.unwrap_err();
        assert_eq!(nowhere, Outcome::Unreachable);
    }
}
