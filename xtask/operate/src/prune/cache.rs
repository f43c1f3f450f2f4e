//! What of the checkout's cache no build needs any more: results of prebuilds that were not
//! used for long, what a build left half done, and packages of lists that are gone.
//!
//! Keys and digests of files are bounded where they are written.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use walkdir::WalkDir;
use xtask_core::context::Context;
use xtask_core::lock::Lock;
use xtask_core::paths::remove_folder;
use xtask_image::packages;
use xtask_machine::cdk;

/// A folder of the cache that can go.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Old {
    /// Where it lies.
    pub path: PathBuf,
    /// What its files take.
    pub bytes: u64,
}

/// All but the `keep` results of each kind that were used last, and but the packages that the
/// checkout asks for now.
///
/// # Errors
/// A list of packages cannot be read.
pub fn list(context: &Context, keep: usize) -> anyhow::Result<Vec<Old>> {
    let cache_folder = context.cache_folder();
    let paths = ["rust", "npm"]
        .into_iter()
        .flat_map(|kind| old_results(&cache_folder.join("prebuilt").join(kind), keep))
        .chain(all_but(
            &cache_folder.join("npm"),
            &packages::wanted(context)?,
        ))
        .chain(all_but(
            &cache_folder.join("venv"),
            &[cdk::linters_folder(context)?],
        ));
    Ok(paths
        .map(|path| Old {
            bytes: size_bytes(&path),
            path,
        })
        .collect())
}

/// Removes them, but for packages that somebody is installing. Returns what was removed.
///
/// # Errors
/// One cannot be removed.
pub fn remove(old: Vec<Old>) -> anyhow::Result<Vec<Old>> {
    let mut removed = Vec::new();
    for one in old {
        // Packages have it; nobody writes results while we do this.
        let lock = one.path.with_extension("lock");
        let _alone = match lock.is_file().then(|| Lock::try_take(&lock, "npm or pip")) {
            Some(Err(_)) => continue,
            taken => taken.transpose()?,
        };
        if let Some(record) = record(&one.path).filter(|record| record.is_file()) {
            // First: what is left of a removal that breaks off is no result.
            fs::remove_file(&record)
                .with_context(|| format!("failed to remove {}", record.display()))?;
        }
        remove_folder(&one.path)?;
        removed.push(one);
    }
    Ok(removed)
}

/// Beside a result: it is written last, and its time is that of the last use.
fn record(result: &Path) -> Option<PathBuf> {
    let is_whole = result.extension().is_none();
    is_whole.then(|| result.with_extension("json"))
}

fn old_results(folder: &Path, keep: usize) -> Vec<PathBuf> {
    let used_at =
        |path: &Path| -> Option<SystemTime> { fs::metadata(record(path)?).ok()?.modified().ok() };
    let (mut results, mut old): (Vec<_>, Vec<_>) = folders(folder)
        .into_iter()
        .partition(|path| used_at(path).is_some());
    results.sort_by_key(|path| Reverse(used_at(path)));
    old.extend(results.into_iter().skip(keep));
    old
}

fn all_but(folder: &Path, wanted: &[PathBuf]) -> Vec<PathBuf> {
    let mut unwanted = folders(folder);
    unwanted.retain(|path| !wanted.contains(path));
    unwanted
}

/// Those in a folder, by name; none where it is not there.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = listing
        .map(|item| item.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn size_bytes(folder: &Path) -> u64 {
    WalkDir::new(folder)
        .into_iter()
        // What goes meanwhile takes nothing.
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(|metadata| metadata.is_file())
        .map(|metadata| metadata.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A cache in a folder of its own.
    struct Cache(tempfile::TempDir);

    impl Cache {
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn folder(&self, name: &str) -> PathBuf {
            let path = self.path(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), name).unwrap();
            path
        }

        /// A result that was used so many seconds ago.
        fn result(&self, name: &str, ago: u64) -> PathBuf {
            let path = self.folder(name);
            let record = fs::File::create(self.path(&format!("{name}.json"))).unwrap();
            let used_at = SystemTime::now() - Duration::from_secs(ago);
            record.set_modified(used_at).unwrap();
            path
        }

        fn names(&self) -> Vec<String> {
            let listing = fs::read_dir(self.0.path()).unwrap();
            let mut names: Vec<String> = listing
                .map(|item| item.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    fn old(paths: Vec<PathBuf>) -> Vec<Old> {
        let size = |path: PathBuf| Old {
            bytes: size_bytes(&path),
            path,
        };
        paths.into_iter().map(size).collect()
    }

    #[test]
    fn results_that_were_used_last_stay() {
        let cache = Cache(tempfile::tempdir().unwrap());
        let oldest = cache.result("aa", 300);
        cache.result("bb", 100);
        let older = cache.result("cc", 200);
        let unfinished = cache.folder("bb.partial");
        let unrecorded = cache.folder("dd");
        assert_eq!(
            old_results(cache.0.path(), 1),
            [&unfinished, &unrecorded, &older, &oldest].map(Clone::clone)
        );
        let goes = old_results(cache.0.path(), 2);
        assert_eq!(goes, [unfinished, unrecorded, oldest]);
        let goes = old(goes);
        let bytes: Vec<u64> = goes.iter().map(|old| old.bytes).collect();
        assert_eq!(bytes, [10, 2, 2]);
        assert_eq!(remove(goes).unwrap().len(), 3);
        assert_eq!(cache.names(), ["bb", "bb.json", "cc", "cc.json"]);
        assert!(old_results(&cache.path("none"), 1).is_empty());
    }

    #[test]
    fn packages_that_are_asked_for_or_being_installed_stay() {
        let cache = Cache(tempfile::tempdir().unwrap());
        let wanted = cache.folder("aa");
        for name in ["bb", "bb.partial", "cc.partial"] {
            cache.folder(name);
        }
        fs::write(cache.path("bb.lock"), "").unwrap();
        let installing = Lock::try_take(&cache.path("cc.lock"), "npm").unwrap();
        let goes = old(all_but(cache.0.path(), &[wanted]));
        assert_eq!(goes.len(), 3);
        let removed = remove(goes).unwrap();
        let removed: Vec<PathBuf> = removed.into_iter().map(|old| old.path).collect();
        assert_eq!(removed, [cache.path("bb"), cache.path("bb.partial")]);
        drop(installing);
        assert_eq!(cache.names(), ["aa", "bb.lock", "cc.lock", "cc.partial"]);
    }
}
