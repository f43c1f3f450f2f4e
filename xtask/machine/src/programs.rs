//! Where the programs of this machine are.

use std::path::PathBuf;
use xtask_core::paths::is_executable;

/// The program of this name, from the `PATH` or from the folders where Debian has programs for
/// root.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
}
