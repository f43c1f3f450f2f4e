//! Packages of Python. Each set has a virtual environment of its own.

use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::paths::{is_executable, remove_folder};

const CREATE_BOUND: Duration = Duration::from_secs(120);
const INSTALL_BOUND: Duration = Duration::from_secs(900);

/// Makes the virtual environment `folder`, so that it is complete or does not exist. Every package of
/// `requirements` has a version and a digest, and pip installs no other.
///
/// It is made in another folder and then moved. Scripts in its `bin` name that other folder, so only
/// its Python and compiled programs may be started.
///
/// # Errors
/// Python or pip fails, or the disk is full.
pub(super) fn make(context: &Context, folder: &Path, requirements: &Path) -> anyhow::Result<()> {
    // A version in the name has points, so this cannot replace an extension.
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
        .args(["--require-hashes", "--requirement"])
        .arg(requirements)
        .timeout(INSTALL_BOUND)
        .run(&context.report, "pip")?;
    remove_folder(folder)?;
    std::fs::rename(&partial, folder)
        .with_context(|| format!("failed to move {} into place", folder.display()))
}

const PYTHON: &str = "bin/python";

/// The Python of a virtual environment, if that exists.
pub(super) fn python(folder: &Path) -> Option<PathBuf> {
    let python = folder.join(PYTHON);
    is_executable(&python).then_some(python)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cdk, ministack};

    #[test]
    fn every_package_of_python_has_a_version_and_a_digest() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        for file in [cdk::REQUIREMENTS, ministack::REQUIREMENTS] {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            let text = text.replace("\\\n", " ");
            let packages: Vec<&str> = text
                .lines()
                .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
                .collect();
            assert!(packages.len() > 5, "{file}");
            for package in packages {
                assert!(package.contains("=="), "{file}: {package}");
                assert!(package.contains("--hash=sha256:"), "{file}: {package}");
            }
        }
        let text = std::fs::read_to_string(root.join(ministack::REQUIREMENTS)).unwrap();
        let ours = format!("\nministack=={} ", ministack::VERSION);
        assert!(
            text.contains(&ours),
            "the version that everything relies on"
        );
    }
}
