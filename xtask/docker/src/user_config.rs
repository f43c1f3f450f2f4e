//! The configuration that the user has for docker, as far as it is believed: logins, and where
//! plugins are. Everything else in it could change what is built.

use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Docker Hub, as docker's configuration names it.
pub(crate) const HUB_SERVER: &str = "https://index.docker.io/v1/";
/// The folder with docker's configuration.
pub(crate) const FOLDER_VARIABLE: &str = "DOCKER_CONFIG";
/// Its file, and its folder of plugins.
pub(crate) const FILE: &str = "config.json";
pub(crate) const PLUGINS: &str = "cli-plugins";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserConfig {
    auths: BTreeMap<String, Login>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
    #[serde(rename = "cliPluginsExtraDirs")]
    plugin_folders: Vec<PathBuf>,
}

/// What the file itself holds for a registry; nothing where a helper keeps it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Login {
    pub(crate) auth: String,
    pub(crate) identitytoken: String,
}

impl UserConfig {
    /// Nothing where there is no file.
    pub(crate) fn read() -> anyhow::Result<Option<Self>> {
        match folder() {
            Some(folder) => Self::of_file(&folder.join(FILE)),
            None => Ok(None),
        }
    }

    fn of_file(path: &Path) -> anyhow::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not what docker writes", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    /// The name of the helper that keeps the credentials of the server.
    pub(crate) fn helper(&self, server: &str) -> Option<&str> {
        let own = self.cred_helpers.get(server);
        own.or(self.creds_store.as_ref()).map(String::as_str)
    }

    /// The entry of a server. The keys of the file are hosts, and URLs where an older docker wrote
    /// them.
    pub(crate) fn login(&self, server: &str) -> Option<&Login> {
        let of_same_host = || {
            let mut logins = self.auths.iter();
            logins.find_map(|(key, login)| (host_of(key) == server).then_some(login))
        };
        self.auths.get(server).or_else(of_same_host)
    }
}

/// The file of a plugin of the user's own, which docker prefers to one of the machine.
pub(crate) fn plugin(name: &str) -> Option<PathBuf> {
    // With a configuration that it cannot read, docker looks into its own folder too.
    let configured = UserConfig::read().ok().flatten();
    let folders = configured.map(|config| config.plugin_folders);
    folders
        .unwrap_or_default()
        .into_iter()
        .chain(folder().map(|folder| folder.join(PLUGINS)))
        .map(|folder| folder.join(name))
        .find_map(|path| path.canonicalize().ok())
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER_VARIABLE)
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")))
}

fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://");
    let rest = rest.or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
}
