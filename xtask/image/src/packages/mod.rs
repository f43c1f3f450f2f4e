//! The npm packages of a checkout. They are installed in a folder that is named by the digest of all
//! that decides what is in it, so that a project never gets the packages of another state.
//!
//! - `lockfile`: what is to be installed.
//! - `environment`: what npm and Node see of the user.
//! - `registries`: which settings of the user npm keeps.
//! - `host`: the npm of this machine.
//! - `tree`: what is installed, and whether it still is.
//! - `tools`: packages that are installed for their files alone.
//! - `room`: where a tool makes something from the packages.

pub mod environment;
mod host;
mod lockfile;
mod registries;
pub mod room;
mod tools;
mod tree;

use crate::packages::environment::{Home, joined};
use crate::packages::host::HostNpm;
use crate::packages::lockfile::LockFile;
use crate::packages::registries::Settings;
pub use crate::packages::tools::Tools;
pub use crate::packages::tree::Packages;
use anyhow::Context as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::lock::Lock;
use xtask_core::paths;
use xtask_core::paths::remove_folder;

const INSTALL_BOUND: Duration = Duration::from_secs(900);
const MODULES: &str = "node_modules";
/// No package of our lock files needs its scripts, and those of other packages must not run. All kinds
/// of dependencies are installed, whatever a settings file of the project leaves out.
const INSTALL: &[&str] = &[
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--include=dev",
    "--include=optional",
    "--include=peer",
];

/// Installs the packages that the lock file of `project` names, unless they are installed, and makes
/// its `node_modules` a link to them. Returns the folder that the link names.
///
/// Somebody may have edited them, to look for a fault. What is built or synthesised uses [`verified`].
///
/// # Errors
/// The lock file is refused, or npm fails. A failed installation leaves nothing behind.
pub fn ensure(context: &Context, project: &Path) -> anyhow::Result<PathBuf> {
    let lock_file = LockFile::read(project)?;
    let folder = folder(&context.root, &lock_file)?;
    if !is_linked(project, &folder) {
        let _lock = hold(context, &folder)?;
        provide(context, project, &lock_file, &folder)?;
    }
    Ok(folder.join(MODULES))
}

/// As [`ensure`], with packages that are what npm installed. Where somebody edited those, others are
/// installed beside them, and the edited ones stay as they are.
///
/// # Errors
/// As [`ensure`], or the lock file pins no Node.
pub fn verified(context: &Context, project: &Path) -> anyhow::Result<Packages> {
    let lock_file = LockFile::read(project)?;
    lock_file.node()?;
    let folder = folder(&context.root, &lock_file)?;
    let cache_folder = context.cache_folder();
    let _lock = hold(context, &folder)?;
    provide(context, project, &lock_file, &folder)?;
    let edited = match Packages::find(&cache_folder, &folder)? {
        Ok(packages) => return Ok(packages),
        Err(edited) => edited,
    };
    context.report.step(&format!(
        "{} is not as npm installed it ({edited}), so packages of their own are used for this; \
         rm -r {} takes the edit back",
        project.join(MODULES).display(),
        folder.display()
    ));
    let own = unedited(&folder);
    if own.is_dir()
        && let Ok(packages) = Packages::find(&cache_folder, &own)?
    {
        return Ok(packages);
    }
    install(context, project, &lock_file, &own)?;
    Packages::find(&cache_folder, &own)?
        .map_err(|path| anyhow::anyhow!("{path} changed while it was installed"))
}

/// Installs these packages of the project's lock file, and no others, into a folder of their own. Returns
/// its `node_modules`. No script of a package runs.
///
/// # Errors
/// The lock file is refused, or npm fails.
pub fn install_only<'a>(
    context: &Context,
    project: &Path,
    names: impl Iterator<Item = &'a String>,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let tools = Tools::read(project)?;
    remove_folder(folder)?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    tools.write_project(names, folder)?;
    let home = Home::make(&folder.join("home"))?;
    let installed = npm_ci(context, project, &home, folder);
    // It holds what the user's settings say about registries.
    home.remove()?;
    if installed.is_err() {
        remove_folder(folder)?;
    }
    installed?;
    Ok(folder.join(MODULES))
}

/// The version of Node that the lock file of the project pins.
///
/// # Errors
/// The lock file is refused, or pins no Node, so that the Node of the machine would run.
pub fn pinned_node(project: &Path) -> anyhow::Result<String> {
    Ok(LockFile::read(project)?.node()?)
}

/// A tool for the folder of a project that makes nothing which is kept: a server of the page, a test.
/// It is run by the Node that the lock file pins, and sees the user's `PATH`.
///
/// # Errors
/// As [`ensure`], or its home folder cannot be written.
pub fn tool(context: &Context, project: &Path, program: &str) -> anyhow::Result<Cmd> {
    pinned_node(project)?;
    let modules = ensure(context, project)?;
    let home = Home::of(&context.cache_folder().join("home"))?;
    let node = modules.join(lockfile::NODE_PACKAGE).join("bin");
    let user = std::env::var_os("PATH").unwrap_or_default();
    let cmd = match program {
        "npm" => {
            let npm = HostNpm::find()?;
            Cmd::new(node.join("node")).arg(npm.script)
        }
        program => Cmd::new(modules.join(".bin").join(program)),
    };
    Ok(home.surround(cmd, &joined(&node, &user)).folder(project))
}

/// The npm of this machine, run by the Node that it belongs to. Of the user it sees the `PATH`.
///
/// # Errors
/// There is no npm on this machine.
pub fn host_npm(home: &Home) -> anyhow::Result<Cmd> {
    let npm = HostNpm::find()?;
    let node_folder = npm.node.parent().unwrap_or(Path::new("/"));
    let user = std::env::var_os("PATH").unwrap_or_default();
    let path = joined(node_folder, &user);
    Ok(home.surround(Cmd::new(&npm.node).arg(&npm.script), &path))
}

/// As [`host_npm`]; it also sees the user's cache, and how they reach registries.
///
/// # Errors
/// There is no npm on this machine, or its settings cannot be written.
pub fn host_npm_with_registries(home: &Home) -> anyhow::Result<Cmd> {
    let settings = Settings::of_user(&HostNpm::find()?.node);
    let file = home.user_settings();
    std::fs::write(&file, &settings.lines)
        .with_context(|| format!("failed to write {}", file.display()))?;
    // The settings name the cache.
    let npm = host_npm(home)?.env_remove("npm_config_cache");
    let variables = settings.variables.into_iter();
    Ok(variables.fold(npm, |npm, (name, value)| npm.env(name, value)))
}

/// The first project whose packages are not installed and linked.
///
/// # Errors
/// A project has no lock file.
pub fn first_missing(context: &Context) -> anyhow::Result<Option<&str>> {
    for (name, project) in projects(context) {
        let folder = folder(&context.root, &LockFile::read(&project)?)?;
        if !is_linked(&project, &folder) {
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
    let mut wanted = Vec::new();
    for (_, project) in projects(context) {
        let folder = folder(&context.root, &LockFile::read(&project)?)?;
        wanted.push(unedited(&folder));
        wanted.push(folder);
    }
    Ok(wanted)
}

/// The projects of npm: the pages of images, the CDK app, and the tests in a browser. Each with its
/// folder relative to the checkout, and the whole path.
fn projects(context: &Context) -> impl Iterator<Item = (&str, PathBuf)> {
    let images = context.platform.images.values();
    let pages = images.filter_map(|image| image.npm.as_ref().map(|npm| npm.folder.get_ref()));
    pages
        .map(String::as_str)
        .chain([app_gen_infra::CDK_FOLDER, app_gen_infra::BROWSER_FOLDER])
        .map(|name| (name, context.root.join(name)))
}

/// `target/xtask/npm/DIGEST`.
fn folder(root: &Path, lock_file: &LockFile) -> anyhow::Result<PathBuf> {
    Ok(paths::cache_folder(root)
        .join("npm")
        .join(lock_file.digest(INSTALL)?))
}

/// Where packages are installed while those in the folder are edited. Nothing links to them.
fn unedited(folder: &Path) -> PathBuf {
    let mut own = folder.as_os_str().to_owned();
    own.push("-unedited");
    own.into()
}

fn hold(context: &Context, folder: &Path) -> anyhow::Result<Lock> {
    Lock::wait(&folder.with_extension("lock"), |holder| {
        context
            .report
            .step(&format!("wait for another npm ci: {holder}"));
    })
}

/// Installs and links what is missing. The caller holds the lock.
fn provide(
    context: &Context,
    project: &Path,
    lock_file: &LockFile,
    folder: &Path,
) -> anyhow::Result<()> {
    if !folder.join(MODULES).is_dir() {
        install(context, project, lock_file, folder)?;
    }
    if !is_linked(project, folder) {
        link(context, project, folder)?;
    }
    Ok(())
}

fn install(
    context: &Context,
    project: &Path,
    lock_file: &LockFile,
    folder: &Path,
) -> anyhow::Result<()> {
    let partial = folder.with_extension("partial");
    let home = Home::make(&folder.with_extension("home"))?;
    remove_folder(&partial)?;
    let installed = install_in(context, project, lock_file, &home, &partial)
        .and_then(|()| Packages::record(&context.cache_folder(), &partial, folder));
    // It holds what the user's settings say about registries.
    home.remove()?;
    if installed.is_err() {
        remove_folder(&partial)?;
    }
    installed?;
    remove_folder(folder)?;
    std::fs::rename(&partial, folder)
        .with_context(|| format!("failed to move {} into place", folder.display()))
}

fn install_in(
    context: &Context,
    project: &Path,
    lock_file: &LockFile,
    home: &Home,
    partial: &Path,
) -> anyhow::Result<()> {
    lock_file.copy_to(partial)?;
    npm_ci(context, project, home, partial)?;
    // npm does not make the folder if it has nothing to install.
    std::fs::create_dir_all(partial.join(MODULES))?;
    match lock_file.first_missing(partial) {
        None => Ok(()),
        Some(place) => Err(Failure::new(
            Code::Build,
            format!("npm ci left out {place} for {}", project.display()),
        )
        .hint("run the command again; the registry did not answer for an optional package")
        .into()),
    }
}

/// Installs what the lock file in `folder` names. `project` is whose it is, for messages.
fn npm_ci(context: &Context, project: &Path, home: &Home, folder: &Path) -> anyhow::Result<()> {
    context
        .report
        .step(&format!("npm ci for {}", project.display()));
    host_npm_with_registries(home)?
        .args(INSTALL)
        // Without it, npm looks for a workspace above the folder.
        .arg("--prefix")
        .arg(folder)
        .folder(folder)
        .timeout(INSTALL_BOUND)
        .run(&context.report, "npm")
        .failure(|| {
            Failure::new(
                Code::Build,
                format!("npm ci failed for {}", project.display()),
            )
            .hint(format!("npm ci in {} shows more", project.display()))
        })
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
