//! Folders that were made before an image and are kept, each with a record of what is in it. A folder
//! that is no longer what its record says is not believed.

use crate::build::prebuild::note_use;
use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_core::context::Context;
use xtask_core::paths::remove_folder;
use xtask_docker::ignore::Rules;
use xtask_tree::entry::Entries;
use xtask_tree::stat_cache::StatCache;

/// The files are in a folder of the result, so that a link can lead to the result.
const FILES: &str = "files";

/// A folder, and what is in it.
#[derive(Debug)]
pub struct Kept {
    /// Where it is.
    pub folder: PathBuf,
    /// Its files, with their digests and with modes of git.
    pub entries: Entries,
}

impl Kept {
    /// Where the result with this digest of its inputs is kept.
    pub(crate) fn place(context: &Context, kind: &str, digest: &str) -> PathBuf {
        context
            .cache_folder()
            .join("prebuilt")
            .join(kind)
            .join(digest)
    }

    /// What is kept at the place, if there is anything and no file of it is missing, damaged or new.
    pub(crate) fn find(place: &Path) -> Option<Self> {
        let entries: Entries = read_checked(&record(place))?;
        let folder = place.join(FILES);
        (read(&folder).ok()? == entries).then_some(Self { folder, entries })
    }

    /// As [`Kept::find`], for a build that uses it.
    pub(crate) fn reuse(place: &Path) -> Option<Self> {
        let kept = Self::find(place)?;
        note_use(&record(place));
        Some(kept)
    }

    /// A new folder for the files of a result, which [`Kept::keep`] moves to the place.
    pub(crate) fn stage(place: &Path) -> anyhow::Result<PathBuf> {
        let stage = place.with_extension("partial");
        remove_folder(&stage)?;
        let files = stage.join(FILES);
        fs::create_dir_all(&files)
            .with_context(|| format!("failed to create {}", files.display()))?;
        Ok(files)
    }

    /// Moves what is staged to the place, and records what is in it.
    pub(crate) fn keep(place: &Path) -> anyhow::Result<Self> {
        let stage = place.with_extension("partial");
        let entries = read(&stage.join(FILES))?;
        remove_folder(place)?;
        fs::rename(&stage, place)
            .with_context(|| format!("failed to move {} into place", place.display()))?;
        write_checked(&record(place), &entries)?;
        let folder = place.join(FILES);
        Ok(Self { folder, entries })
    }
}

/// The file with what is in the folder. Its time is that of the last use.
fn record(place: &Path) -> PathBuf {
    place.with_extension("json")
}

fn read(folder: &Path) -> anyhow::Result<Entries> {
    xtask_docker::context::read(folder, &Rules::default(), &StatCache::none())
}
