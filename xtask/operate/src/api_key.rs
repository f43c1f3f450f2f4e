//! The key by which verbs use an orchestrator that knows its users. It comes from the environment, never from an
//! argument, which everybody on the machine could read; it goes to environments on AWS alone, and only over TLS.

use ureq::config::ConfigBuilder;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderValue, Request, Response};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::typestate::AgentScope;
use ureq::{Body, SendBody};
use xtask_core::context::Context;

/// Holds a key that somebody made on the page of the environment, `agk_` and 43 characters.
pub const API_KEY: &str = "APP_GEN_API_KEY";

/// Puts the key into every request of an agent.
struct WithKey(HeaderValue);

impl Middleware for WithKey {
    fn handle(
        &self,
        mut request: Request<SendBody>,
        next: MiddlewareNext,
    ) -> Result<Response<Body>, ureq::Error> {
        request.headers_mut().insert(AUTHORIZATION, self.0.clone());
        next.handle(request)
    }
}

/// The configuration of an agent for the orchestrator of the context at this address, with the key, if there is one
/// that may go there.
pub(crate) fn with_key(
    config: ConfigBuilder<AgentScope>,
    context: &Context,
    base_url: &str,
) -> ConfigBuilder<AgentScope> {
    let key = std::env::var(API_KEY).unwrap_or_default();
    match header(&key).filter(|_| may_go(context.is_local(), base_url)) {
        Some(header) => config.middleware(WithKey(header)),
        None => config,
    }
}

fn may_go(is_local: bool, base_url: &str) -> bool {
    !is_local && base_url.starts_with("https://")
}

/// The header, without its value in any `Debug`.
fn header(key: &str) -> Option<HeaderValue> {
    let key = key.trim();
    if key.is_empty() {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_where_it_may() {
        assert!(may_go(false, "https://app.example.com"));
        assert!(!may_go(false, "http://name.elb.amazonaws.com"));
        assert!(!may_go(true, "https://app.example.com"));
    }

    #[test]
    fn a_key_is_in_no_text() {
        let header = header(" agk_secret\n").unwrap();
        assert_eq!(header.as_bytes(), b"Bearer agk_secret");
        assert!(!format!("{header:?}").contains("secret"));
        assert!(super::header(" ").is_none());
        assert!(super::header("a\nb").is_none());
    }
}
