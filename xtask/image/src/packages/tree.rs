//! An installed tree of packages, as npm made it.

use crate::packages::lockfile::NODE_PACKAGE;
use anyhow::Context as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_tree::entry;
use xtask_tree::entry::{Entries, Entry};
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk;
use xtask_tree::walk::{Filter, Item, Verdict};

const MODULES: &str = "node_modules";

/// Packages that are what npm installed, byte by byte.
#[derive(Debug)]
pub struct Packages {
    folder: PathBuf,
    entries: Entries,
}

/// What npm installs. Tools keep caches beside it, in folders whose names begin with a dot.
struct Installed;

impl Filter for Installed {
    type State = ();

    fn decide(&self, item: &Item<'_>, (): &()) -> anyhow::Result<Verdict<()>> {
        let of_npm: [&[u8]; 2] = [b".bin", b".package-lock.json"];
        let is_of_a_tool = item.path.starts_with(b".")
            && !item.path.contains(&b'/')
            && !of_npm.contains(&item.path);
        Ok(if is_of_a_tool {
            Verdict::Skip
        } else {
            Verdict::Keep(())
        })
    }
}

impl Packages {
    /// Records what npm has just installed in the folder `from`, which is then moved to `folder`.
    pub(super) fn record(cache_folder: &Path, from: &Path, folder: &Path) -> anyhow::Result<()> {
        let entries = read(cache_folder, from)?;
        write_checked(&folder.with_extension("json"), &entries)
    }

    /// The packages in the folder if nobody changed them; otherwise the path of the first change.
    pub(super) fn find(cache_folder: &Path, folder: &Path) -> anyhow::Result<Result<Self, String>> {
        let Some(entries) = read_checked::<Entries>(&folder.with_extension("json")) else {
            return Ok(Err("the record of them".to_owned()));
        };
        let found = read(cache_folder, folder)?;
        if let Some(path) = first_difference(&entries, &found) {
            return Ok(Err(path.to_owned()));
        }
        Ok(Ok(Self {
            folder: folder.to_owned(),
            entries,
        }))
    }

    /// The same packages in another folder, to which they are copied.
    pub(super) fn moved_to(&self, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            entries: self.entries.clone(),
        }
    }

    /// All of them, by path in `node_modules`.
    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The folder `node_modules`.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        self.folder.join(MODULES)
    }

    /// The folder of the Node that the lock file pins.
    #[must_use]
    pub fn node_folder(&self) -> PathBuf {
        self.modules().join(NODE_PACKAGE).join("bin")
    }

    /// The packages, and not what tools keep beside them.
    pub fn readable(&self) -> impl Iterator<Item = PathBuf> {
        let modules = self.modules();
        let names = self.entries.keys().filter(|path| !path.contains('/'));
        names.map(move |name| modules.join(entry::unescape(name)))
    }

    /// Makes a folder `node_modules` of links to the packages. Tools can keep their caches in it, and
    /// do not see those of others.
    ///
    /// # Errors
    /// A link cannot be made.
    pub fn show_in(&self, folder: &Path) -> anyhow::Result<()> {
        let (modules, view) = (self.modules(), folder.join(MODULES));
        let show = || -> std::io::Result<()> {
            std::fs::create_dir(&view)?;
            for (path, entry) in &self.entries {
                let (parent, name) = path.split_once('/').unwrap_or(("", path));
                let is_shown =
                    parent.is_empty() || (parent.starts_with('@') && !name.contains('/'));
                if !is_shown {
                    continue;
                }
                let name = entry::unescape(path);
                match entry {
                    Entry::Directory { .. } if path.starts_with('@') && parent.is_empty() => {
                        std::fs::create_dir(view.join(name))?;
                    }
                    // A folder of the project, relative to it.
                    Entry::Symlink { target } => {
                        symlink(entry::unescape(target), view.join(name))?;
                    }
                    Entry::Directory { .. } | Entry::File { .. } => {
                        symlink(modules.join(&name), view.join(&name))?;
                    }
                }
            }
            Ok(())
        };
        show().with_context(|| format!("failed to link packages in {}", view.display()))
    }
}

fn read(cache_folder: &Path, folder: &Path) -> anyhow::Result<Entries> {
    let cache = StatCache::open(cache_folder, &folder.with_extension("").to_string_lossy());
    let entries = walk::read(&folder.join(MODULES), &Installed, &cache)?;
    // Without a cache, the next verification takes longer.
    let _ = cache.save();
    Ok(entries)
}

fn first_difference<'a>(expected: &'a Entries, found: &'a Entries) -> Option<&'a str> {
    let changed = expected
        .iter()
        .find(|(path, entry)| found.get(*path) != Some(*entry));
    let added = found.keys().find(|path| !expected.contains_key(*path));
    let changed = changed.map(|(path, _)| path);
    changed.into_iter().chain(added).min().map(String::as_str)
}
