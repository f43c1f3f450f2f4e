//! Where the build system finds and keeps files: the checkout, the cache of the checkout, and the
//! state that all checkouts of a user share. What is in them is the business of whoever writes it.

use crate::error::{Code, Failure};
use anyhow::Context as _;
use app_gen_infra::Instance;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The root of the checkout that `start` is in: the folder that holds
/// `app-gen-infra/platform.toml`.
///
/// # Errors
/// Neither `start` nor a folder above it is one.
pub fn checkout_root(start: &Path) -> Result<PathBuf, Failure> {
    start
        .ancestors()
        .find(|folder| folder.join(app_gen_infra::MANIFEST_PATH).is_file())
        .map(Path::to_owned)
        .ok_or_else(|| {
            Failure::new(
                Code::Manifest,
                format!(
                    "no {} in {} or above it",
                    app_gen_infra::MANIFEST_PATH,
                    start.display()
                ),
            )
            .hint("run the command inside a checkout")
        })
}

/// The folder for keys, packages and builds of one checkout, which all its instances share:
/// `target/xtask`.
#[must_use]
pub fn cache_folder(root: &Path) -> PathBuf {
    root.join("target/xtask")
}

/// Where cargo puts an unoptimised binary of the checkout.
#[must_use]
pub fn debug_binary(root: &Path, name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    // `join` keeps an absolute folder as it is.
    root.join(target).join("debug").join(name)
}

/// The folder below `shared` that only this instance writes to.
#[must_use]
pub fn of_instance(shared: PathBuf, instance: Instance) -> PathBuf {
    match instance.folder() {
        Some(name) => shared.join(name),
        None => shared,
    }
}

/// The folder for what all checkouts and instances of this user share, Docker Engine and installed
/// programs: `$XDG_STATE_HOME/app-gen`, by default `~/.local/state/app-gen`.
///
/// # Errors
/// Neither `XDG_STATE_HOME` nor `HOME` holds an absolute path.
pub fn state() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|folder| folder.join("app-gen"))
        .ok_or_else(|| {
            Failure::new(
                Code::Prerequisite,
                "neither XDG_STATE_HOME nor HOME holds an absolute path",
            )
            .hint("export HOME")
        })
}

/// Removes a folder with everything in it. It is not an error that the folder does not exist.
///
/// # Errors
/// The folder exists and cannot be removed.
pub fn remove_folder(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The file that a shell executes for `program`, where `path` is its `PATH`.
#[must_use]
pub fn program(program: &OsStr, path: &OsStr) -> Option<PathBuf> {
    let is_a_path = Path::new(program).components().count() > 1;
    let named = is_a_path.then(|| PathBuf::from(program));
    let searched = std::env::split_paths(path)
        .filter(|_| !is_a_path)
        .map(|folder| folder.join(program));
    named
        .into_iter()
        .chain(searched)
        .find(|candidate| is_executable(candidate))
}

/// Whether `path` is a file that somebody may execute.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
