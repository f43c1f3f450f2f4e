//! The walk under test. No other file of this test knows its interface.

use crate::case;
use crate::case::{Found, Tree};
use std::path::Path;
use xtask_docker::context;
use xtask_docker::dockerfile::Dockerfile;
use xtask_docker::ignore::{IgnoreFile, Rules};
use xtask_tree::entry::Entry;
use xtask_tree::stat_cache::StatCache;

/// What arrives of a context, as our walk says.
pub(crate) fn tree(folder: &Path, dockerfile: &Path) -> anyhow::Result<Tree> {
    let dockerfile = Dockerfile::read(dockerfile)?;
    anyhow::ensure!(dockerfile.bytes == case::DOCKERFILE, "another Dockerfile");
    let rules = match IgnoreFile::of_context(folder, &dockerfile.path)? {
        Some(file) => file.rules()?,
        None => Rules::default(),
    };
    let entries = context::arriving(folder, &rules, &StatCache::none())?;
    Ok(entries
        .into_iter()
        .map(|(path, entry)| {
            let found = match entry {
                Entry::Directory { mode } => Found::Directory { mode: mode.bits() },
                Entry::Symlink { target } => Found::Link(case::unescape(&target)),
                Entry::File { mode, digest } => Found::File {
                    mode: mode.bits(),
                    sha256: digest.to_string(),
                },
            };
            (case::unescape(&path), found)
        })
        .collect())
}
