//! What docker keeps for a registry: the file and the credential helpers of `docker login`.
//!
//! The `docker_credential` crate reads the same and is not used: it runs helpers without a bound
//! in time, it offers no way to read the file without running them, and it prefers what the file
//! holds to the credential store, where docker asks the store.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;

/// A helper may have to unlock a keyring, or to ask a service.
const HELPER_BOUND: Duration = Duration::from_secs(15);
/// Docker Hub, as docker's configuration names it.
const HUB_SERVER: &str = "https://index.docker.io/v1/";
const HUB_HOST: &str = "registry-1.docker.io";
/// The user name by which a helper says that its secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// How to log in to a registry. It has no `Debug`, so that no secret is printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// `user:password` in base64.
    Basic(String),
    /// A refresh token of OAuth 2, which the registry's token service takes in place of a password.
    IdentityToken(String),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Login>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

/// What the file itself holds for a registry; nothing where a helper keeps it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Login {
    auth: String,
    identitytoken: String,
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
pub(super) fn find(registry: &str) -> anyhow::Result<Option<Credentials>> {
    let Some(folder) = folder() else {
        return Ok(None);
    };
    let Some(config) = Config::read(&folder.join("config.json"))? else {
        return Ok(None);
    };
    let server = match registry {
        HUB_HOST => HUB_SERVER,
        other => other,
    };
    if let Some(helper) = config.helper(server)
        && let Some(credentials) = ask_helper(helper, server)?
    {
        return Ok(Some(credentials));
    }
    Ok(config.login(server))
}

fn folder() -> Option<PathBuf> {
    std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")))
}

impl Config {
    /// Nothing where there is no file.
    fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not what docker writes", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    /// The name of the helper that keeps the credentials of the server.
    fn helper(&self, server: &str) -> Option<&str> {
        let own = self.cred_helpers.get(server);
        own.or(self.creds_store.as_ref()).map(String::as_str)
    }

    /// What the file itself holds. Its keys are hosts, and URLs where an older docker wrote them.
    fn login(&self, server: &str) -> Option<Credentials> {
        let of_same_host = || {
            let mut logins = self.auths.iter();
            logins.find_map(|(key, login)| (host_of(key) == server).then_some(login))
        };
        let login = self.auths.get(server).or_else(of_same_host)?;
        match (login.identitytoken.as_str(), login.auth.as_str()) {
            ("", "") => None,
            ("", auth) => Some(Credentials::Basic(auth.to_owned())),
            (token, _) => Some(Credentials::IdentityToken(token.to_owned())),
        }
    }
}

fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://");
    let rest = rest.or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
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

    fn login(server: &str) -> Option<Credentials> {
        let config: Config = serde_json::from_str(
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
        config.login(server)
    }

    #[test]
    fn a_registry_finds_its_entry() {
        let basic = |auth: &str| Some(Credentials::Basic(auth.to_owned()));
        let token = Some(Credentials::IdentityToken("refresh".to_owned()));
        assert!(login(HUB_SERVER) == basic("aHVi"));
        assert!(login("old.example") == basic("b2xk"));
        assert!(login("old.example:5000") == basic("cG9ydA=="));
        assert!(login("token.example") == token);
        assert!(login("kept-by-a-helper.example").is_none());
        assert!(login("other.example").is_none());
    }
}
