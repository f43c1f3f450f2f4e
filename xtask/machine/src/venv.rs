//! Python packages, each set in a virtual environment of its own.

use anyhow::Context as _;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::paths::remove_folder;

const CREATE_BOUND: Duration = Duration::from_secs(120);
const INSTALL_BOUND: Duration = Duration::from_secs(900);

/// Makes the virtual environment `folder`, whole or not at all. `wanted` is what pip is
/// told to install.
///
/// Scripts in its `bin` name the folder they were made in, which is another one; its Python
/// and whatever is no script do not, so only those may be started.
///
/// # Errors
/// Python or pip fails, or the disk is full.
pub(super) fn make<S: AsRef<OsStr>>(
    context: &Context,
    folder: &Path,
    wanted: impl IntoIterator<Item = S>,
) -> anyhow::Result<()> {
    // Appended, not as its extension: a version in the name has points too.
    let mut partial = folder.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    remove_folder(&partial)?;
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("failed to create {}", parent.display()))?;
    }
    Cmd::new("python3")
        .args(["-m", "venv"])
        .arg(&partial)
        .timeout(CREATE_BOUND)
        .run(&context.report, "python")?;
    Cmd::new(partial.join(PYTHON))
        .args(["-m", "pip", "install", "--no-input", "--quiet"])
        .arg("--disable-pip-version-check")
        .args(wanted)
        .timeout(INSTALL_BOUND)
        .run(&context.report, "pip")?;
    remove_folder(folder)?;
    std::fs::rename(&partial, folder)
        .with_context(|| format!("failed to move {} into place", folder.display()))
}

const PYTHON: &str = "bin/python";

/// The Python of a virtual environment, where that is there.
pub(super) fn python(folder: &Path) -> Option<PathBuf> {
    let python = folder.join(PYTHON);
    xtask_core::paths::is_executable(&python).then_some(python)
}
