//! Debian packages. They are installed by the apt of this machine, or downloaded and unpacked into
//! the state folder, which changes nothing else on the machine.

use crate::programs::on_path;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use xtask_core::atomic_file::write_atomically;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::paths;
use xtask_core::paths::remove_folder;
use xtask_image::debian::sources;
use xtask_image::debian::sources::Source;

const UPDATE_BOUND: Duration = Duration::from_secs(300);
const DOWNLOAD_BOUND: Duration = Duration::from_secs(1800);

/// Where a downloaded package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The suites that the machine itself uses.
    Machine,
    /// Debian's development suite, in the archive that the machine already uses.
    Sid,
}

/// Installs packages from the sources of the machine.
///
/// # Errors
/// The system has no apt, we may not change it, or apt fails.
pub fn install(context: &Context, packages: &[&str]) -> anyhow::Result<()> {
    require_apt(packages)?;
    context
        .report
        .step(&format!("install {} with apt-get", packages.join(", ")));
    update_once(context)?;
    apt_get_as_root(&[])
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages)
        .timeout(DOWNLOAD_BOUND)
        .run(&context.report, "apt")
        .failure(|| {
            Failure::new(
                Code::Prerequisite,
                format!("failed to install {}", packages.join(", ")),
            )
            .hint(format!("sudo apt-get install {}", packages.join(" ")))
        })
}

/// Downloads packages and unpacks them, so that `folder` is complete or does not exist.
///
/// # Errors
/// The system has no apt, a package cannot be downloaded, or the disk is full.
pub fn unpack(
    context: &Context,
    wanted: &[(Origin, &[&str])],
    folder: &Path,
) -> anyhow::Result<()> {
    let partial = folder.with_extension("partial");
    let downloads = folder.with_extension("downloads");
    for leftover in [&partial, &downloads] {
        remove_folder(leftover)?;
    }
    for (origin, packages) in wanted {
        require_apt(packages)?;
        download(context, *origin, packages, &downloads)?;
    }
    for file in files_of(&downloads)? {
        Cmd::new("dpkg-deb")
            .arg("-x")
            .arg(&file)
            .arg(&partial)
            .timeout(Duration::from_secs(300))
            .read()
            .with_context(|| format!("failed to unpack {}", file.display()))?;
    }
    remove_folder(folder)?;
    std::fs::rename(&partial, folder)
        .with_context(|| format!("failed to move {} into place", folder.display()))?;
    remove_folder(&downloads)
}

fn download(
    context: &Context,
    origin: Origin,
    packages: &[&str],
    folder: &Path,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let options = match origin {
        Origin::Machine => {
            update_once(context)?;
            Vec::new()
        }
        Origin::Sid => {
            let root = paths::state()?.join("packages/sid");
            let options = private_apt(&root)?;
            context.report.step("read the package list of Debian sid");
            apt_get(&options)
                .arg("update")
                .timeout(UPDATE_BOUND)
                .run(&context.report, "apt")?;
            options
        }
    };
    context
        .report
        .step(&format!("download {}", packages.join(", ")));
    apt_get(&options)
        .arg("download")
        .args(packages)
        .folder(folder)
        .timeout(DOWNLOAD_BOUND)
        .run(&context.report, "apt")
}

/// Prepares lists and caches below `root` for an apt whose only source is sid. Returns the options
/// that make apt use them.
fn private_apt(root: &Path) -> anyhow::Result<Vec<String>> {
    let sources = sources::read_machine()?;
    let line = sid_line(&sources)?;
    for folder in ["lists/partial", "cache/archives/partial"] {
        let folder = root.join(folder);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
    }
    let list = root.join("sources.list");
    write_atomically(&list, line.as_bytes())?;
    Ok(vec![
        format!("Dir::Etc::SourceList={}", list.display()),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        format!("Dir::State::Lists={}", root.join("lists").display()),
        format!("Dir::Cache={}", root.join("cache").display()),
    ])
}

fn sid_line(sources: &[Source]) -> anyhow::Result<String> {
    let codename = sources::machine_suite()?;
    let own = sources::of_suite(sources, &codename)
        .into_iter()
        .next()
        .ok_or_else(|| {
            Failure::new(
                Code::Prerequisite,
                format!("apt has no source of Debian {codename}, so its archive is unknown"),
            )
            .hint("install Docker Engine with buildx and compose in the way of this system")
        })?;
    // The one-line format can name a keyring by its path, but cannot hold a block of keys. Without
    // either, apt uses the keys that it trusts for everything.
    let keyring = own
        .signed_by
        .filter(|keyring| keyring.starts_with('/'))
        .map(|keyring| format!("[signed-by={keyring}] "))
        .unwrap_or_default();
    Ok(format!("deb {keyring}{} sid main\n", own.uri))
}

/// Whether we may change the system.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn files_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?
    {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

fn require_apt(packages: &[&str]) -> Result<(), Failure> {
    if on_path("apt-get").is_some() && on_path("dpkg-deb").is_some() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Prerequisite,
        format!(
            "{} cannot be installed, because this system has no apt",
            packages.join(", ")
        ),
    )
    .hint("install Docker Engine with buildx and compose in the way of this system"))
}

/// Reads the package lists of the machine, once in a command and only where we may. Otherwise the
/// lists that are there are used, which are often new enough.
fn update_once(context: &Context) -> anyhow::Result<()> {
    static UPDATED: AtomicBool = AtomicBool::new(false);
    if UPDATED.load(Ordering::SeqCst) || !(is_root() || has_sudo()) {
        return Ok(());
    }
    context.report.step("read the machine's package lists");
    apt_get_as_root(&[])
        .arg("update")
        .timeout(UPDATE_BOUND)
        .run(&context.report, "apt")?;
    UPDATED.store(true, Ordering::SeqCst);
    Ok(())
}

fn apt_get(options: &[String]) -> Cmd {
    with_options(Cmd::new("apt-get"), options)
}

/// Does not ask for a password, because our children have no terminal.
fn apt_get_as_root(options: &[String]) -> Cmd {
    if is_root() {
        return apt_get(options);
    }
    let sudo = Cmd::new("sudo").args([
        "--non-interactive",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
    ]);
    with_options(sudo, options)
}

fn with_options(cmd: Cmd, options: &[String]) -> Cmd {
    let ours = [
        // Another apt may hold the lock: a new machine often updates itself.
        "DPkg::Lock::Timeout=300",
        "Acquire::Retries=3",
        // The state folder may be where the user of apt cannot read.
        "APT::Sandbox::User=root",
    ];
    ours.into_iter()
        .chain(options.iter().map(String::as_str))
        .fold(cmd.arg("-q"), |cmd, option| cmd.arg("-o").arg(option))
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C")
}

fn has_sudo() -> bool {
    on_path("sudo").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sid_comes_from_the_archive_and_keyring_of_the_machine() {
        let Ok(suite) = sources::machine_suite() else {
            return;
        };
        let source = |signed_by: Option<&str>| Source {
            uri: "http://mirror.example/debian".to_owned(),
            suite: suite.clone(),
            components: vec!["main".to_owned()],
            signed_by: signed_by.map(str::to_owned),
        };
        assert_eq!(
            sid_line(&[source(Some("/k.gpg"))]).unwrap(),
            "deb [signed-by=/k.gpg] http://mirror.example/debian sid main\n"
        );
        assert_eq!(
            sid_line(&[source(Some("-----BEGIN PGP"))]).unwrap(),
            "deb http://mirror.example/debian sid main\n"
        );
        assert!(sid_line(&[]).is_err());
    }
}
