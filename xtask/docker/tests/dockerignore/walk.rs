//! The walk under test. No other file of this test knows its interface.

use crate::case;
use crate::case::{Found, Tree};
use std::path::Path;
use xtask_docker::context;
use xtask_docker::ignore::{IgnoreFile, Rules};
use xtask_tree::entry::{Entry, Mode};
use xtask_tree::stat_cache::StatCache;

/// What arrives of a context, as our walk says.
pub(crate) fn tree(folder: &Path, dockerfile: &Path) -> anyhow::Result<Tree> {
    let rules = match IgnoreFile::of_context(folder, dockerfile)? {
        Some(file) => file.rules()?,
        None => Rules::default(),
    };
    let entries = context::read(folder, &rules, &StatCache::none())?;
    Ok(entries
        .into_iter()
        .map(|(path, entry)| {
            let found = match entry {
                Entry::Directory => Found::Directory,
                Entry::Symlink { target } => Found::Link(case::unescape(&target)),
                Entry::File { mode, digest } => Found::File {
                    is_executable: mode == Mode::Executable,
                    sha256: digest.to_string(),
                },
            };
            (case::unescape(&path), found)
        })
        .collect())
}
