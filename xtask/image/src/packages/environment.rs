//! What npm, Node and the programs that they start see of the user: how the network is reached, and
//! nothing else. Every place that starts one of them asks here.
//!
//! `NODE_OPTIONS`, `NODE_ENV` and `npm_config_…` change what is installed or built. A home folder has
//! an `.npmrc`, a `.cdk.json`, folders of modules and configurations of bundlers.

use anyhow::Context as _;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use xtask_core::cmd::Cmd;
use xtask_core::paths::remove_folder;

/// The variables of the user's environment that are passed on. They lead to the network; what is
/// loaded from there is held against a checksum.
const PASSED: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// Those of them that name certificates.
const CERTIFICATES: [&str; 3] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_DIR", "SSL_CERT_FILE"];

/// The certificates that the user's environment names.
pub fn certificates() -> impl Iterator<Item = PathBuf> {
    CERTIFICATES
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
}

/// A home folder for tools, with settings of npm that are empty.
#[derive(Debug)]
pub struct Home(PathBuf);

impl Home {
    /// Makes the folder, which is empty even if it existed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn make(folder: &Path) -> anyhow::Result<Self> {
        remove_folder(folder)?;
        Self::of(folder)
    }

    /// The folder, which keeps what is in it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn of(folder: &Path) -> anyhow::Result<Self> {
        let home = Self(folder.to_owned());
        let failed = || format!("failed to create {}", folder.display());
        // Settings of npm can hold tokens.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(home.0.join("tmp"))
            .with_context(failed)?;
        for file in [home.user_settings(), home.global_settings()] {
            File::create(file).with_context(failed)?;
        }
        Ok(home)
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// npm's settings of the user.
    #[must_use]
    pub fn user_settings(&self) -> PathBuf {
        self.0.join(".npmrc")
    }

    /// npm refuses one file for two purposes.
    fn global_settings(&self) -> PathBuf {
        self.0.join("npmrc-global")
    }

    /// Gives the command this home and this `PATH`, and takes the user's environment away.
    #[must_use]
    pub fn surround(&self, cmd: Cmd, path: &OsStr) -> Cmd {
        cmd.only_env(PASSED)
            .env("PATH", path)
            .env("HOME", &self.0)
            .env("TMPDIR", self.0.join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("npm_config_userconfig", self.user_settings())
            .env("npm_config_globalconfig", self.global_settings())
            .env("npm_config_cache", self.0.join(".npm"))
            // It names the versions of npm and Node, and every script sees it.
            .env("npm_config_user_agent", "npm")
            .env("npm_config_update_notifier", "false")
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// Something in it cannot be removed.
    pub fn remove(self) -> anyhow::Result<()> {
        remove_folder(&self.0)
    }
}

/// Folders in the form of `PATH`.
#[must_use]
pub fn joined(first: &Path, rest: &OsStr) -> OsString {
    let mut joined = first.as_os_str().to_owned();
    joined.push(":");
    joined.push(rest);
    joined
}
