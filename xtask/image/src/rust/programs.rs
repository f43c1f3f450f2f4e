//! The programs that a compile finds by their names. It finds no others, and all of them are in the
//! key: what a build script can start is what somebody has listed.

use crate::rust::environment::Surroundings;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use xtask_core::error::{Code, Failure};
use xtask_core::paths::remove_folder;

/// Those that every compile finds, as far as this machine has them.
const ALWAYS: [&str; 5] = ["ar", "as", "c++", "cc", "ld"];
/// Programs that take the name of a compiler and keep its answers. They look for the compiler among
/// programs that a compile does not find, so they are passed over.
const COMPILER_CACHES: [&str; 3] = ["ccache", "distcc", "sccache"];
/// The names that `tools` may not take from the toolchain.
const OF_TOOLCHAIN: [&str; 4] = ["cargo", "rustc", "rustdoc", "rustfmt"];

/// Programs by name. Links are resolved.
pub type Programs = BTreeMap<String, PathBuf>;

/// The programs that every compile finds.
#[must_use]
pub fn always(surroundings: &Surroundings) -> Programs {
    ALWAYS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), find(surroundings, Path::new(name))?)))
        .collect()
}

/// The programs of the toolchain in this folder, as far as it has them.
#[must_use]
pub fn of_toolchain(sysroot: &Path) -> Programs {
    OF_TOOLCHAIN
        .iter()
        .map(|name| ((*name).to_owned(), sysroot.join("bin").join(name)))
        .filter(|(_, path)| path.is_file())
        .collect()
}

/// The programs that the manifest lists for an image.
///
/// # Errors
/// One of them is missing, or is not the name of a program.
pub fn tools(surroundings: &Surroundings, names: &[String]) -> Result<Programs, Failure> {
    let one = |name: &String| {
        let refused = |what: &str| {
            Failure::new(
                Code::Prerequisite,
                format!("{name}, which `tools` of an image lists, {what}"),
            )
        };
        if name.is_empty() || name.contains('/') || OF_TOOLCHAIN.contains(&name.as_str()) {
            return Err(refused("is not the name of a program of this machine")
                .hint("list names that are searched in PATH"));
        }
        match find(surroundings, Path::new(name)) {
            Some(path) => Ok((name.clone(), path)),
            None => Err(refused("is not in PATH").hint("install it, or remove it from `tools`")),
        }
    };
    names.iter().map(one).collect()
}

/// The file of a program with links resolved. On the search path, it is the first that may be run
/// and that is no cache of a compiler.
#[must_use]
pub fn find(surroundings: &Surroundings, program: &Path) -> Option<PathBuf> {
    let resolve = |path: PathBuf| {
        let may_run =
            path.is_file() && rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok();
        may_run.then(|| fs::canonicalize(path).ok()).flatten()
    };
    if program.components().count() > 1 {
        return resolve(surroundings.root.join(program));
    }
    let is_cache = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| COMPILER_CACHES.contains(&name))
    };
    std::env::split_paths(surroundings.variable("PATH")?)
        .filter_map(|folder| resolve(surroundings.root.join(folder).join(program)))
        .find(|path| !is_cache(path) || is_cache(program))
}

/// Makes the folder hold a link to each program and nothing else.
///
/// # Errors
/// It cannot be written.
pub fn link_into(folder: &Path, programs: &Programs) -> anyhow::Result<()> {
    remove_folder(folder)?;
    let link = || {
        fs::create_dir_all(folder)?;
        programs
            .iter()
            .try_for_each(|(name, path)| std::os::unix::fs::symlink(path, folder.join(name)))
    };
    link().with_context(|| format!("failed to write {}", folder.display()))
}
