//! The providers: where they are, and the credential that requests to them get.

use crate::client::{Certificates, client, pinned_client};
use crate::protocol::Protocol;
use crate::secret::Secret;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::net::{IpAddr, SocketAddr};

/// A key of Anthropic.
pub const ANTHROPIC_API_KEY: &str = "ANTHROPIC_API_KEY";
/// A token of a subscription to Claude, which `claude setup-token` prints.
pub const CLAUDE_CODE_OAUTH_TOKEN: &str = "CLAUDE_CODE_OAUTH_TOKEN";
/// A server that speaks the Messages API, without `/v1`.
pub const ANTHROPIC_BASE_URL: &str = "ANTHROPIC_BASE_URL";
/// A key of OpenAI.
pub const OPENAI_API_KEY: &str = "OPENAI_API_KEY";
/// A server that speaks the Responses API, with `/v1`.
pub const OPENAI_BASE_URL: &str = "OPENAI_BASE_URL";

const ANTHROPIC_URL: &str = "https://api.anthropic.com";
const OPENAI_URL: &str = "https://api.openai.com/v1";

/// The beta that lets Anthropic accept the token of a subscription.
const OAUTH_BETA: &str = "oauth-2025-04-20";
const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a provider knows us by.
#[derive(Debug, Clone)]
pub enum Credential {
    /// None: a server of one's own.
    None,
    /// A key of the provider's console.
    ApiKey(Secret),
    /// The token of a subscription to Claude.
    ClaudeToken(Secret),
}

/// Where to ask, and as whom.
#[derive(Debug, Clone)]
pub struct Upstream {
    url: Url,
    credential: Credential,
    is_loopback: bool,
    /// Where its name leads to, whatever else it may lead to later; `None` where that is the system's to say.
    pinned: Option<Vec<SocketAddr>>,
}

/// Why an upstream is refused. No text here holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Not a URL.
    #[error("{name} is not a URL: {reason}")]
    NotUrl {
        /// The variable.
        name: &'static str,
        /// What the reader of URLs says.
        reason: String,
    },
    /// The credential would be readable on the way.
    #[error("{name} must begin with https://, or with http:// and an address of this machine")]
    NotSafe {
        /// The variable.
        name: &'static str,
    },
    /// Only scheme, host, port and path are of use.
    #[error("{name} must not have a user, a query or a fragment")]
    Extra {
        /// The variable.
        name: &'static str,
    },
    /// A credential that no header can carry.
    #[error("{name} has characters that a key cannot have")]
    Credential {
        /// The variable.
        name: &'static str,
    },
    /// The client cannot be made.
    #[error("the client for requests to the provider cannot be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// The provider of each protocol.
#[derive(Debug, Clone, Default)]
pub struct Upstreams {
    /// Who answers the Messages API.
    pub anthropic: Option<Upstream>,
    /// Who answers the Responses API.
    pub openai: Option<Upstream>,
}

impl Upstreams {
    /// Those that an environment names. `get` returns the value of a variable.
    ///
    /// A key of Anthropic's console comes before the token of a subscription, as Claude Code has it. A
    /// base URL alone is a server that needs no credential.
    ///
    /// # Errors
    /// A variable has a value that cannot be used.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Self, UpstreamError> {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let claude = get(ANTHROPIC_API_KEY)
            .map(|key| {
                (
                    ANTHROPIC_API_KEY,
                    Credential::ApiKey(Secret::new(key.trim())),
                )
            })
            .or_else(|| {
                let token = get(CLAUDE_CODE_OAUTH_TOKEN)?;
                let token = Credential::ClaudeToken(Secret::new(token.trim()));
                Some((CLAUDE_CODE_OAUTH_TOKEN, token))
            });
        let openai = get(OPENAI_API_KEY)
            .map(|key| (OPENAI_API_KEY, Credential::ApiKey(Secret::new(key.trim()))));
        let one = |name, url: &str, credential: Option<(&'static str, Credential)>| {
            let base = get(name);
            if base.is_none() && credential.is_none() {
                return Ok(None);
            }
            let (of, credential) = credential.unwrap_or((name, Credential::None));
            Upstream::checked(name, base.as_deref().unwrap_or(url), of, credential).map(Some)
        };
        Ok(Self {
            anthropic: one(ANTHROPIC_BASE_URL, ANTHROPIC_URL, claude)?,
            openai: one(OPENAI_BASE_URL, OPENAI_URL, openai)?,
        })
    }

    pub(crate) const fn of(&self, protocol: Protocol) -> Option<&Upstream> {
        match protocol {
            Protocol::Anthropic => self.anthropic.as_ref(),
            Protocol::OpenAi => self.openai.as_ref(),
        }
    }
}

/// A URL whose traffic nobody reads on the way, and whether it is of this machine. `name` says what it is
/// in an error.
pub(crate) fn safe_url(name: &'static str, text: &str) -> Result<(Url, bool), UpstreamError> {
    let url = Url::parse(text.trim()).map_err(|error| UpstreamError::NotUrl {
        name,
        reason: error.to_string(),
    })?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.query().is_some() || url.fragment().is_some() {
        return Err(UpstreamError::Extra { name });
    }
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
        return Err(UpstreamError::NotSafe { name });
    }
    Ok((url, is_loopback))
}

impl Upstream {
    /// A server at a base URL, which is without `/v1` for Anthropic and with it for OpenAI.
    ///
    /// # Errors
    /// Neither https nor this machine, or the credential fits into no header.
    pub fn new(url: &str, credential: Credential) -> Result<Self, UpstreamError> {
        Self::checked("the base URL", url, "the key", credential)
    }

    fn checked(
        name: &'static str,
        text: &str,
        of: &'static str,
        credential: Credential,
    ) -> Result<Self, UpstreamError> {
        let (url, is_loopback) = safe_url(name, text)?;
        if let Credential::ApiKey(secret) | Credential::ClaudeToken(secret) = &credential
            && !secret.reveal().bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(UpstreamError::Credential { name: of });
        }
        Ok(Self {
            url,
            credential,
            is_loopback,
            pinned: None,
        })
    }

    /// The same server at these addresses alone, which somebody has judged: the name of a server that a stranger
    /// named may lead elsewhere when it is asked for again. It is asked without a proxy.
    #[must_use]
    pub fn at(self, addresses: Vec<SocketAddr>) -> Self {
        Self {
            pinned: Some(addresses),
            ..self
        }
    }

    /// Its host, and its port.
    #[must_use]
    pub fn host(&self) -> (&str, u16) {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(443);
        (host.trim_matches(['[', ']']), port)
    }

    /// Where the model of a protocol is asked, with the query of the agent.
    pub(crate) fn url(&self, protocol: Protocol, query: Option<&str>) -> Url {
        let mut url = self.url.clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), protocol.path());
        url.set_path(&path);
        url.set_query(query);
        url
    }

    /// Adds the credential.
    pub(crate) fn authorize(&self, protocol: Protocol, headers: &mut HeaderMap) {
        let bearer = |secret: &Secret| format!("Bearer {}", secret.reveal());
        let (name, value) = match (&self.credential, protocol) {
            (Credential::None, _) => return,
            (Credential::ApiKey(key), Protocol::Anthropic) => (X_API_KEY, key.reveal().to_owned()),
            (Credential::ApiKey(key), Protocol::OpenAi) => (header::AUTHORIZATION, bearer(key)),
            (Credential::ClaudeToken(token), _) => {
                let betas = headers.get(ANTHROPIC_BETA);
                let betas = betas
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default();
                if !betas.split(',').any(|beta| beta.trim() == OAUTH_BETA) {
                    let separator = if betas.is_empty() { "" } else { "," };
                    let all = format!("{betas}{separator}{OAUTH_BETA}");
                    if let Ok(all) = HeaderValue::try_from(all) {
                        headers.insert(ANTHROPIC_BETA, all);
                    }
                }
                (header::AUTHORIZATION, bearer(token))
            }
        };
        // The characters were checked when it was made.
        if let Ok(mut value) = HeaderValue::try_from(value) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }

    /// A client for this server alone.
    ///
    /// It follows no redirect, which would carry the credential elsewhere.
    pub(crate) fn client(&self, certificates: &Certificates) -> Result<Client, UpstreamError> {
        Ok(match &self.pinned {
            Some(addresses) => pinned_client(
                certificates,
                self.url.host_str().unwrap_or_default(),
                addresses,
            )?,
            None => client(certificates, self.is_loopback, Policy::none())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams(variables: &[(&str, &str)]) -> Result<Upstreams, UpstreamError> {
        Upstreams::from_environment(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// The headers of a request, as text.
    fn authorized(
        upstream: &Upstream,
        protocol: Protocol,
        betas: Option<&'static str>,
    ) -> Vec<String> {
        let mut headers = HeaderMap::new();
        if let Some(betas) = betas {
            headers.insert(ANTHROPIC_BETA, HeaderValue::from_static(betas));
        }
        upstream.authorize(protocol, &mut headers);
        assert!(
            headers
                .iter()
                .all(|(name, value)| name == ANTHROPIC_BETA || value.is_sensitive())
        );
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        lines.collect()
    }

    #[test]
    fn each_provider_gets_its_own_credential() {
        let both = upstreams(&[
            (ANTHROPIC_API_KEY, " a \n"),
            (CLAUDE_CODE_OAUTH_TOKEN, "t"),
            (OPENAI_API_KEY, "o"),
        ]);
        let both = both.unwrap();
        let (anthropic, openai) = (both.anthropic.unwrap(), both.openai.unwrap());
        assert_eq!(
            authorized(&anthropic, Protocol::Anthropic, None),
            ["x-api-key: a"]
        );
        assert_eq!(
            authorized(&openai, Protocol::OpenAi, None),
            ["authorization: Bearer o"]
        );
        let url = anthropic.url(Protocol::Anthropic, Some("beta=true"));
        assert_eq!(
            url.as_str(),
            "https://api.anthropic.com/v1/messages?beta=true"
        );
        let url = openai.url(Protocol::OpenAi, None);
        assert_eq!(url.as_str(), "https://api.openai.com/v1/responses");
    }

    #[test]
    fn a_subscription_needs_its_beta() {
        let token = upstreams(&[(CLAUDE_CODE_OAUTH_TOKEN, "t")])
            .unwrap()
            .anthropic
            .unwrap();
        let ask = |betas| {
            let mut lines = authorized(&token, Protocol::Anthropic, betas);
            lines.sort();
            lines.join("; ")
        };
        assert_eq!(
            ask(None),
            "anthropic-beta: oauth-2025-04-20; authorization: Bearer t"
        );
        assert_eq!(
            ask(Some("a,b")),
            "anthropic-beta: a,b,oauth-2025-04-20; authorization: Bearer t"
        );
        let twice = "oauth-2025-04-20, b";
        assert_eq!(
            ask(Some(twice)),
            "anthropic-beta: oauth-2025-04-20, b; authorization: Bearer t"
        );
    }

    #[test]
    fn a_server_of_ones_own_needs_no_key_and_keeps_its_path() {
        let own = upstreams(&[
            (ANTHROPIC_BASE_URL, "http://127.0.0.1:8080/a/"),
            (OPENAI_BASE_URL, "https://proxy.example/v1"),
        ]);
        let own = own.unwrap();
        let (anthropic, openai) = (own.anthropic.unwrap(), own.openai.unwrap());
        assert!(authorized(&anthropic, Protocol::Anthropic, None).is_empty());
        assert_eq!(
            anthropic.url(Protocol::Anthropic, None).as_str(),
            "http://127.0.0.1:8080/a/v1/messages"
        );
        assert_eq!(
            openai.url(Protocol::OpenAi, None).as_str(),
            "https://proxy.example/v1/responses"
        );
        let extra = Certificates::default();
        assert!(anthropic.client(&extra).is_ok() && openai.client(&extra).is_ok());
        let none = upstreams(&[(OPENAI_API_KEY, " ")]).unwrap();
        assert!(none.anthropic.is_none() && none.openai.is_none());
    }

    #[test]
    fn what_is_not_safe_is_refused_without_naming_the_key() {
        let key = "sk-very-secret\u{7f}";
        let urls = [
            "http://api.anthropic.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://user:sk-very-secret@example.com",
            "https://example.com?key=sk-very-secret",
            "https://example.com#x",
            "nonsense",
        ];
        for url in urls {
            let error = upstreams(&[
                (ANTHROPIC_API_KEY, "sk-very-secret"),
                (ANTHROPIC_BASE_URL, url),
            ])
            .unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("very-secret"),
                "{error:?}"
            );
        }
        let error = upstreams(&[(OPENAI_API_KEY, key)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "OPENAI_API_KEY has characters that a key cannot have"
        );
        for url in ["http://localhost:1", "http://127.9.9.9", "http://[::1]:2"] {
            assert!(Upstream::new(url, Credential::None).is_ok(), "{url}");
        }
        let known = upstreams(&[(OPENAI_API_KEY, "sk-very-secret")]).unwrap();
        assert!(!format!("{known:?}").contains("very-secret"));
    }
}
