//! Packages of Python. Each set has a virtual environment of its own.

use crate::finding::Finding;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::lock::Lock;
use xtask_core::paths::{is_executable, remove_folder};

const CREATE_BOUND: Duration = Duration::from_secs(120);
const INSTALL_BOUND: Duration = Duration::from_secs(900);

/// The virtual environment of a list of requirements in the checkout, which is made if it is missing.
///
/// # Errors
/// Python or pip fails. What a failed installation leaves behind is not used.
pub(super) fn ensure(context: &Context, requirements: &str) -> anyhow::Result<PathBuf> {
    let folder = folder(context, requirements)?;
    if python(&folder).is_some() {
        return Ok(folder);
    }
    let _lock = Lock::wait(&folder.with_extension("lock"), |holder| {
        context
            .report
            .step(&format!("wait for another pip install: {holder}"));
    })?;
    if python(&folder).is_none() {
        context
            .report
            .step(&format!("pip install for {requirements}"));
        make(context, &folder, &context.root.join(requirements))?;
    }
    Ok(folder)
}

/// Where that is: `target/xtask/venv/DIGEST`, so that packages of another list never get there.
///
/// # Errors
/// The list of requirements cannot be read.
pub(super) fn folder(context: &Context, requirements: &str) -> anyhow::Result<PathBuf> {
    let path = context.root.join(requirements);
    let bytes =
        std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(context
        .cache_folder()
        .join("venv")
        .join(&digest_bytes(&bytes)[..16]))
}

/// Whether the packages of all `lists` are installed.
pub(super) fn probe(context: &Context, lists: &[&str]) -> Finding {
    for list in lists {
        match folder(context, list) {
            Ok(folder) if python(&folder).is_some() => {}
            Ok(_) => return Finding::missing("not installed"),
            Err(error) => return Finding::missing(format!("{error:#}")),
        }
    }
    Finding::ok("installed")
}

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

pub(super) const PYTHON: &str = "bin/python";

/// The Python of a virtual environment, if that exists.
pub(super) fn python(folder: &Path) -> Option<PathBuf> {
    let python = folder.join(PYTHON);
    is_executable(&python).then_some(python)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api_tester, cdk, ministack};

    #[test]
    fn every_package_of_python_has_a_version_and_a_digest() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        for file in [
            cdk::REQUIREMENTS,
            api_tester::REQUIREMENTS,
            ministack::REQUIREMENTS,
        ] {
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
