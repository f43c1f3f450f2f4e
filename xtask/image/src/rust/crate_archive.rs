//! What a `.crate` archive contains.

use anyhow::Context as _;
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};
use xtask_core::interrupt;
use xtask_tree::content;
use xtask_tree::entry::{Entries, Entry, Mode, escape};

/// Cargo writes this file beside what it has unpacked.
const MARKER: &str = ".cargo-ok";

/// The files of the archive by path relative to the folder of the package.
///
/// # Errors
/// It cannot be read, or is malformed.
pub(super) fn entries(archive: &Path) -> anyhow::Result<Entries> {
    let read = || {
        let file = BufReader::new(File::open(archive)?);
        let mut archive = tar::Archive::new(GzDecoder::new(file));
        let mut entries = Entries::new();
        let mut buffer = content::buffer();
        for item in archive.entries()? {
            interrupt::check()?;
            let item = item?;
            let kind = item.header().entry_type();
            let mode = Mode::of(item.header().mode()?);
            let path = item.path()?.into_owned();
            let mut parts = path.components();
            // All paths begin with the name of the package.
            parts.next();
            let name = parts.as_path();
            let is_below = |part| matches!(part, Component::Normal(_));
            if !name.components().all(is_below) {
                anyhow::bail!("it contains the path {}", path.display());
            }
            if name.as_os_str().is_empty() {
                // The folder of the package itself.
                continue;
            }
            let entry = match kind {
                tar::EntryType::Regular => Entry::File {
                    mode,
                    digest: content::hash(item, &mut buffer)?,
                },
                tar::EntryType::Symlink => {
                    let target = item.link_name()?.unwrap_or_default();
                    Entry::Symlink {
                        target: escape(target.as_os_str().as_bytes()),
                    }
                }
                tar::EntryType::Directory => Entry::Directory {
                    mode: Mode::Executable,
                },
                _ => continue,
            };
            entries.insert(escape(name.as_os_str().as_bytes()), entry);
        }
        anyhow::Ok(entries)
    };
    let mut entries = read().with_context(|| format!("failed to read {}", archive.display()))?;
    comparable(&mut entries);
    Ok(entries)
}

/// Leaves what must be the same in an archive and in the folder that it was unpacked into.
pub(super) fn comparable(entries: &mut Entries) {
    entries.remove(MARKER);
    entries.keep_leaves();
}
