//! The docker client that builds. This is the one place that decides what of its surroundings a
//! build gets.
//!
//! Variables (a source policy, a builder, a platform, a time) and docker's configuration (proxies, a
//! builder, a context, settings of plugins) can change what is built, and no key contains them. So
//! the client gets a configuration of its own and the variables in [`PASSED_ENVIRONMENT`], which
//! only say how to reach a server. It gets the logins of the user for the registries of the build,
//! and the user's own buildx, and it builds with the engine that [`engine::socket`] names.

use crate::engine;
use crate::registry::credentials;
use crate::registry::credentials::Credentials;
use crate::user_config;
use crate::user_config::{FILE, FOLDER_VARIABLE, PLUGINS};
use anyhow::Context as _;
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::{Map, Value, json};
use std::fs;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use xtask_core::cmd::Cmd;
use xtask_core::paths::remove_folder;
use xtask_core::report::Report;

/// The variables of the user's environment that the client gets. None of them can change an image:
/// the client finds programs and temporary files by them, and reaches the token services of
/// registries.
const PASSED_ENVIRONMENT: &[&str] = &[
    "PATH",
    "TMPDIR",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];
const BUILDX: &str = "docker-buildx";

/// A docker client with a configuration of its own, in a folder that is removed with it.
#[derive(Debug)]
pub(crate) struct BuildClient {
    folder: PathBuf,
    /// The configuration. It contains passwords, so it is a file without a name, which a killed
    /// process does not leave.
    _config: File,
}

impl BuildClient {
    /// A client that knows the user's logins for these registries. Nobody else may use the folder.
    /// A login that cannot be read is reported under `label`: perhaps the registry asks for none.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn new<'a>(
        report: &Report,
        label: &str,
        folder: PathBuf,
        registries: impl IntoIterator<Item = &'a str>,
    ) -> anyhow::Result<Self> {
        let mut logins = Map::new();
        for registry in registries {
            let found = credentials::find(registry).unwrap_or_else(|error| {
                let why = format!("the login for {registry} cannot be read: {error:#}");
                report.line(label, &why);
                None
            });
            // With an entry for no registry at all, docker would look for a keyring.
            logins.insert(credentials::server(registry).to_owned(), entry(found));
        }
        let failed = || format!("failed to configure docker in {}", folder.display());
        let config = prepare(&folder, &json!({ "auths": logins })).with_context(failed)?;
        Ok(Self {
            folder,
            _config: config,
        })
    }

    /// A folder for files of the build.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command of this client.
    ///
    /// # Errors
    /// There is no engine on this machine that it could use.
    pub(crate) fn command(&self) -> anyhow::Result<Cmd> {
        let socket = engine::socket()?;
        Ok(Cmd::new("docker")
            // What it finds around it must not matter, a repository of git for example.
            .folder(&self.folder)
            .only_env(PASSED_ENVIRONMENT)
            .env(FOLDER_VARIABLE, &self.folder)
            .env("DOCKER_HOST", format!("unix://{}", socket.display())))
    }
}

impl Drop for BuildClient {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes the folder of a configuration.
fn prepare(folder: &Path, config: &Value) -> anyhow::Result<File> {
    // A killed build may have left it.
    remove_folder(folder)?;
    fs::create_dir_all(folder.join(PLUGINS))?;
    let mut file = File::from(memfd_create(FILE, MemfdFlags::CLOEXEC)?);
    file.write_all(config.to_string().as_bytes())?;
    let ours = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    symlink(ours, folder.join(FILE))?;
    if let Some(buildx) = user_config::plugin(BUILDX) {
        symlink(buildx, folder.join(PLUGINS).join(BUILDX))?;
    }
    Ok(file)
}

/// An entry of docker's configuration.
fn entry(credentials: Option<Credentials>) -> Value {
    match credentials {
        Some(Credentials::Basic(auth)) => json!({ "auth": auth }),
        Some(Credentials::IdentityToken(token)) => json!({ "identitytoken": token }),
        None => json!({}),
    }
}
