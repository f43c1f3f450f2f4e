//! Who may use the API.

use std::time::Duration;

use reqwest::Url;

use crate::config::{ConfigError, Environment, environment};

/// Who may use the API.
#[derive(Debug, Clone)]
pub enum AccountsConfig {
    /// Everybody who reaches the orchestrator: all of them are in the one tenant `local`.
    None,
    /// Users of a Supabase project.
    Supabase(SupabaseConfig),
}

/// The Supabase project whose users these are.
#[derive(Debug, Clone)]
pub struct SupabaseConfig {
    /// Its address, without a slash at its end.
    pub url: String,
    /// Its key for pages, which is no secret: the page signs in with it.
    pub anon_key: String,
    /// Whom its access tokens are for.
    pub audience: String,
    /// Its keys are not asked for again before this time has passed, whatever key a token names.
    pub ask_again: Duration,
}

impl SupabaseConfig {
    /// Who signs its access tokens, as they say.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("{}/auth/v1", self.url)
    }

    /// Where its public keys are.
    #[must_use]
    pub fn keys_url(&self) -> String {
        format!("{}/auth/v1/.well-known/jwks.json", self.url)
    }
}

impl AccountsConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.get(environment::AUTH_MODE).unwrap_or("none") {
            "none" => return Ok(Self::None),
            "supabase" => {}
            other => {
                return Err(ConfigError::new(
                    environment::AUTH_MODE,
                    format!("is {other:?}; it takes \"none\" or \"supabase\""),
                ));
            }
        }
        let what = "the address of a Supabase project, https://PROJECT.supabase.co for example";
        let url = environment
            .required(environment::SUPABASE_URL, what)?
            .trim_end_matches('/');
        if !is_base(url) {
            return Err(ConfigError::new(
                environment::SUPABASE_URL,
                format!("is {url:?}; it takes {what}: https, or http on this machine"),
            ));
        }
        let anon_key = environment.required(
            environment::SUPABASE_ANON_KEY,
            "the key for pages of that project (anon or publishable)",
        )?;
        // A key that opens everything must never get to a page.
        if anon_key.starts_with("sb_secret_") {
            return Err(ConfigError::new(
                environment::SUPABASE_ANON_KEY,
                "is a secret key; it takes the key for pages (anon or publishable)",
            ));
        }
        Ok(Self::Supabase(SupabaseConfig {
            url: url.to_owned(),
            anon_key: anon_key.to_owned(),
            audience: environment
                .get(environment::SUPABASE_JWT_AUDIENCE)
                .unwrap_or("authenticated")
                .to_owned(),
            ask_again: Duration::from_secs(10),
        }))
    }
}

/// Whether it is an address without anything that a base of addresses must not have. It becomes a part of the
/// page's policy, too.
fn is_base(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path() == "/"
        && !text.contains([';', ',', ' ', '\'', '"']);
    plain && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_base_or_refused() {
        for good in [
            "https://abc.supabase.co",
            "https://auth.example.com:8443",
            "http://127.0.0.1:54321",
            "http://localhost:54321",
        ] {
            assert!(is_base(good), "{good}");
        }
        for bad in [
            "",
            "abc.supabase.co",
            "http://abc.supabase.co",
            "https://me@abc.supabase.co",
            "https://abc.supabase.co/auth",
            "https://abc.supabase.co?a=b",
            "ftp://abc.supabase.co",
            "https://abc.supabase.co;script-src *",
        ] {
            assert!(!is_base(bad), "{bad}");
        }
    }
}
