//! The program behind the local cloud, in a virtual environment of the state folder.

use super::packages::remove_folder;
use super::tools;
use crate::engine::cmd::Cmd;
use crate::engine::context::Context;
use crate::engine::error::Failure;
use crate::engine::paths;
use std::path::PathBuf;
use std::time::Duration;

/// The version whose behaviour the rest relies on.
pub const VERSION: &str = "1.5.33";

const INSTALL_BOUND: Duration = Duration::from_secs(900);

/// Makes the virtual environment, whole or not at all.
pub(super) fn install(context: &Context) -> anyhow::Result<()> {
    let folder = folder()?;
    let partial = folder.with_file_name(format!("venv-{VERSION}.partial"));
    remove_folder(&partial)?;
    context.report.step(&format!(
        "install MiniStack {VERSION} in {}",
        folder.display()
    ));
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)?;
    }
    Cmd::new("python3")
        .args(["-m", "venv"])
        .arg(&partial)
        .timeout(Duration::from_secs(120))
        .run(&context.report, "python")?;
    Cmd::new(partial.join("bin/python"))
        .args(["-m", "pip", "install", "--no-input", "--quiet"])
        .arg("--disable-pip-version-check")
        .arg(format!("ministack[full]=={VERSION}"))
        .timeout(INSTALL_BOUND)
        .run(&context.report, "pip")?;
    remove_folder(&folder)?;
    // Scripts in its `bin` name the folder they were made in, its Python does not: only that is used.
    std::fs::rename(&partial, &folder)?;
    Ok(())
}

pub(super) fn installed() -> Option<PathBuf> {
    let python = folder().ok()?.join("bin/python");
    tools::is_executable(&python).then_some(python)
}

pub(super) fn folder() -> Result<PathBuf, Failure> {
    Ok(paths::state()?
        .join("cloud")
        .join(format!("venv-{VERSION}")))
}
