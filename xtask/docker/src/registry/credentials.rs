//! What docker keeps for a registry: the file and the credential helpers of `docker login`.
//!
//! The `docker_credential` crate reads the same and is not used: it runs helpers without a bound
//! in time, it offers no way to read the file without running them, and it prefers what the file
//! holds to the credential store, where docker asks the store.

use crate::user_config::{HUB_SERVER, UserConfig};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::time::Duration;
use xtask_core::cmd::Cmd;

/// A helper may have to unlock a keyring, or to ask a service.
const HELPER_BOUND: Duration = Duration::from_secs(15);
const HUB_HOST: &str = "registry-1.docker.io";
/// The user name by which a helper says that its secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// How to log in to a registry. It has no `Debug`, so that no secret is printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// `user:password` in base64.
    Basic(String),
    /// A refresh token of OAuth 2, which the registry's token service takes in place of a password.
    IdentityToken(String),
}

/// What a credential helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// What docker has for the registry, if it has anything.
///
/// # Errors
/// Its configuration cannot be read, or a helper does not answer.
pub(crate) fn find(registry: &str) -> anyhow::Result<Option<Credentials>> {
    let Some(config) = UserConfig::read()? else {
        return Ok(None);
    };
    let server = server(registry);
    if let Some(helper) = config.helper(server)
        && let Some(credentials) = ask_helper(helper, server)?
    {
        return Ok(Some(credentials));
    }
    Ok(login(&config, server))
}

/// What docker calls the registry in its configuration.
pub(crate) fn server(registry: &str) -> &str {
    match registry {
        HUB_HOST => HUB_SERVER,
        other => other,
    }
}

/// What the file itself holds for a server.
fn login(config: &UserConfig, server: &str) -> Option<Credentials> {
    let login = config.login(server)?;
    match (login.identitytoken.as_str(), login.auth.as_str()) {
        ("", "") => None,
        ("", auth) => Some(Credentials::Basic(auth.to_owned())),
        (token, _) => Some(Credentials::IdentityToken(token.to_owned())),
    }
}

/// Nothing where the helper fails, as it does when it has none for the server.
fn ask_helper(helper: &str, server: &str) -> anyhow::Result<Option<Credentials>> {
    let output = Cmd::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(server)
        .timeout(HELPER_BOUND)
        .output()?;
    if !output.status.success() {
        return Ok(None);
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("docker-credential-{helper} did not answer with credentials"))?;
    Ok(Some(if answer.username == TOKEN_USER {
        Credentials::IdentityToken(answer.secret)
    } else {
        Credentials::Basic(STANDARD.encode(format!("{}:{}", answer.username, answer.secret)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_finds_its_entry() {
        let config: UserConfig = serde_json::from_str(
            r#"{
                "auths": {
                    "https://index.docker.io/v1/": { "auth": "aHVi" },
                    "https://old.example/v2/": { "auth": "b2xk" },
                    "old.example:5000": { "auth": "cG9ydA==" },
                    "token.example": { "auth": "MDA6", "identitytoken": "refresh" },
                    "kept-by-a-helper.example": {}
                },
                "credsStore": "all",
                "credHelpers": { "one.example": "own" },
                "psFormat": "table"
            }"#,
        )
        .unwrap();
        assert_eq!(config.helper("one.example"), Some("own"));
        assert_eq!(config.helper("two.example"), Some("all"));
        let login = |registry| login(&config, server(registry));
        let basic = |auth: &str| Some(Credentials::Basic(auth.to_owned()));
        let token = Some(Credentials::IdentityToken("refresh".to_owned()));
        assert!(login(HUB_HOST) == basic("aHVi"));
        assert!(login("old.example") == basic("b2xk"));
        assert!(login("old.example:5000") == basic("cG9ydA=="));
        assert!(login("token.example") == token);
        assert!(login("kept-by-a-helper.example").is_none());
        assert!(login("other.example").is_none());
    }
}
