//! The server of a provider, and the key that it gets: what a generator would do with the same variables.

use crate::providers::answer::{ApiError, Verdict, judge};
use crate::providers::provider::{Header, Key, Provider};
use std::io::Read as _;
use std::net::IpAddr;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Uri};
use xtask_aws_api::SecretText;
use xtask_core::error::{Code, Failure};
use xtask_core::http;

/// Whoever waits for it wants to begin.
const BOUND: Duration = Duration::from_secs(5);
/// An error of a provider has some hundred bytes.
const BODY_LIMIT_BYTES: u64 = 64 * 1024;
const ANTHROPIC_VERSION: &str = "2023-06-01";
/// The beta that lets Anthropic accept the token of a subscription.
pub(super) const OAUTH_BETA: &str = "oauth-2025-04-20";

/// Where to ask, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    provider: Provider,
    /// Scheme, host and port. The path of a base URL is nobody's to read: some proxies are opened by it.
    server: String,
    /// Without a slash at its end.
    base: String,
    key: Option<(Key, SecretText)>,
}

impl Upstream {
    /// The one that a generator would ask; `None` where it has neither key nor base URL. `get` returns the
    /// value of one of its variables.
    ///
    /// # Errors
    /// [`Code::Manifest`]: a generator would refuse the base URL, too, because others could read the key.
    pub(super) fn of(
        provider: Provider,
        get: impl Fn(&str) -> Option<SecretText>,
    ) -> Result<Option<Self>, Failure> {
        let get = |name| {
            let value = get(name)?;
            let value = value.reveal().trim();
            (!value.is_empty()).then(|| SecretText::from(value))
        };
        let mut keys = provider.keys().iter();
        let key = keys.find_map(|key| Some((*key, get(key.name)?)));
        let named = get(provider.base_variable());
        if key.is_none() && named.is_none() {
            return Ok(None);
        }
        let named = named.as_ref().map(SecretText::reveal);
        let base = named.unwrap_or(provider.usual_base());
        let server = server(base).map_err(|why| {
            Failure::new(
                Code::Manifest,
                format!("{} {why}", provider.base_variable()),
            )
            .hint(format!(
                "edit `environment` of [tasks.generator] in {}",
                app_gen_infra::MANIFEST_PATH
            ))
        })?;
        Ok(Some(Self {
            provider,
            server,
            base: base.trim_end_matches('/').to_owned(),
            key,
        }))
    }

    /// The variable that holds the key, if there is one.
    pub(super) fn key(&self) -> Option<&'static str> {
        self.key.as_ref().map(|(key, _)| key.name)
    }

    /// Scheme, host and port.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Asks once, about a model or about the key alone, within a bound. No text of the verdict is the provider's: it quotes parts of keys.
    pub(super) fn ask(&self, model: Option<&str>) -> Verdict {
        let Some(headers) = self.headers() else {
            return Verdict::KeyRefused("it has characters that no key can have".to_owned());
        };
        let url = format!("{}{}", self.base, self.provider.path(model));
        // A redirect would carry the key elsewhere.
        let agent: Agent = http::config(&url, BOUND).max_redirects(0).build().into();
        let mut request = agent.get(&url);
        if let Some(all) = request.headers_mut() {
            all.extend(headers);
        }
        let mut answer = match request.call() {
            Ok(answer) => answer,
            Err(error) => return Verdict::Unanswered(format!("{}: {error}", self.server)),
        };
        let status = answer.status().as_u16();
        if (200..300).contains(&status) {
            return Verdict::Accepted;
        }
        let mut body = Vec::new();
        // An answer that breaks off is judged by its status and by what arrived.
        let _ = answer
            .body_mut()
            .as_reader()
            .take(BODY_LIMIT_BYTES)
            .read_to_end(&mut body);
        let error = ApiError::read(&body);
        match judge(&self.server, status, error.as_ref(), model.is_some()) {
            // Nobody promises that this route takes such a token, which agents use with another one.
            Verdict::KeyRefused(why) if self.is_subscription() => {
                Verdict::Unanswered(format!("{why} to the token of a subscription"))
            }
            verdict => verdict,
        }
    }

    fn is_subscription(&self) -> bool {
        let key = self.key.as_ref();
        key.is_some_and(|(key, _)| key.header == Header::ClaudeToken)
    }

    /// The headers of the question; `None` where the key fits into none.
    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        if self.provider == Provider::Claude {
            let version = HeaderValue::from_static(ANTHROPIC_VERSION);
            headers.insert("anthropic-version", version);
        }
        if let Some((key, value)) = &self.key {
            let value = value.reveal();
            if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            if key.header == Header::ClaudeToken {
                headers.insert("anthropic-beta", HeaderValue::from_static(OAUTH_BETA));
            }
            let (name, value) = match key.header {
                Header::ApiKey => ("x-api-key", value.to_owned()),
                Header::Bearer | Header::ClaudeToken => {
                    ("authorization", format!("Bearer {value}"))
                }
            };
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Some(headers)
    }
}

/// Scheme, host and port of a base URL, or why nobody should send a key there. What is said never quotes it:
/// it may hold a password.
fn server(base: &str) -> Result<String, &'static str> {
    let uri: Uri = base.parse().map_err(|_| "is not a URL")?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("is not a URL");
    };
    if authority.as_str().contains('@') || uri.query().is_some() || base.contains('#') {
        return Err("must not have a user, a query or a fragment");
    }
    let host = authority.host();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    if scheme == "https" || (scheme == "http" && is_loopback) {
        return Ok(format!("{scheme}://{authority}"));
    }
    Err("must begin with https://, or with http:// and an address of this machine")
}
