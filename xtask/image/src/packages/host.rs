//! The npm of this machine and the Node that runs it.
//!
//! Version managers put programs into `PATH` that look up the real ones by the user's home folder
//! and environment. npm is started without those, so the real ones are looked up here.

use anyhow::Context as _;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use xtask_core::cmd::Cmd;
use xtask_core::error::{Code, Failure};
use xtask_core::paths;

/// The real programs.
#[derive(Debug)]
pub(crate) struct HostNpm {
    /// Node's binary.
    pub(crate) node: PathBuf,
    /// npm's script, which Node runs.
    pub(crate) script: PathBuf,
}

impl HostNpm {
    /// Finds them by the user's `PATH`.
    ///
    /// # Errors
    /// One of them is missing, or does not answer.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let (node, npm) = (on_path("node")?, on_path("npm")?);
        if is_binary(&node) && npm.file_name() == Some(OsStr::new("npm-cli.js")) {
            return Ok(Self { node, script: npm });
        }
        let answer = Cmd::new("npm")
            .args(["exec", "--offline", "--call"])
            .arg("printenv npm_node_execpath npm_execpath")
            .folder(std::env::temp_dir())
            .read()
            .context("npm does not say where it is")?;
        let mut lines = answer.lines().map(PathBuf::from);
        match (lines.next(), lines.next()) {
            (Some(node), Some(script)) if node.is_file() && script.is_file() => {
                Ok(Self { node, script })
            }
            _ => anyhow::bail!("npm does not say where it is: {answer}"),
        }
    }

    /// The folder of npm's package.
    pub(crate) fn package(&self) -> Option<&Path> {
        self.script.parent()?.parent()
    }
}

fn on_path(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = paths::program(OsStr::new(name), &path).ok_or_else(|| {
        Failure::new(Code::Prerequisite, format!("there is no program {name}"))
            .hint("cargo xtask preflight")
    })?;
    found
        .canonicalize()
        .with_context(|| format!("failed to read {}", found.display()))
}

/// Whether it is Node itself and no program that looks for it.
fn is_binary(node: &Path) -> bool {
    let mut magic = [0; 4];
    let is_elf = std::fs::File::open(node)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok_and(|()| magic == *b"\x7fELF");
    is_elf
        && node
            .file_stem()
            .is_some_and(|name| name.to_string_lossy().starts_with("node"))
}
