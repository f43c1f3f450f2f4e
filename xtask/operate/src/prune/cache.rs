//! Folders in the cache of the checkout that no build needs any more: results of prebuilds that
//! were not used for a long time, unfinished results, and packages that no list names any more. Packages
//! of Debian, which all checkouts share, go when no build has used them for long.
//!
//! Whoever writes keys and digests of files bounds them.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use walkdir::WalkDir;
use xtask_core::context::Context;
use xtask_core::lock::Lock;
use xtask_core::paths::remove_folder;
use xtask_image::debian::store::Store;
use xtask_image::packages;
use xtask_machine::{api_tester, cdk};

/// After this time without a use, a package of Debian is removed: another checkout may need it.
const UNUSED_PACKAGES: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A folder of the cache that can be removed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldFolder {
    /// Path of the folder.
    pub path: PathBuf,
    /// Size of its files.
    pub bytes: u64,
}

/// All results but the `keep` most recently used ones of each kind, and all packages that the
/// checkout does not ask for now.
///
/// # Errors
/// A list of packages cannot be read.
pub fn list(context: &Context, keep: usize) -> anyhow::Result<Vec<OldFolder>> {
    let cache_folder = context.cache_folder();
    let paths = ["rust", "npm", "apt", "npm-tools"]
        .into_iter()
        .flat_map(|kind| old_results(&cache_folder.join("prebuilt").join(kind), keep))
        .chain(all_but(
            &cache_folder.join("npm"),
            &packages::wanted(context)?,
        ))
        .chain(all_but(
            &cache_folder.join("venv"),
            &[cdk::linters_folder(context)?, api_tester::folder(context)?],
        ))
        .chain(Store::of_user()?.unused_for(UNUSED_PACKAGES));
    Ok(paths
        .map(|path| OldFolder {
            bytes: size_bytes(&path),
            path,
        })
        .collect())
}

/// Removes folders, except for packages that somebody is installing, and returns those that were
/// removed.
///
/// # Errors
/// A folder cannot be removed.
pub fn remove(old: Vec<OldFolder>) -> anyhow::Result<Vec<OldFolder>> {
    let mut removed = Vec::new();
    for one in old {
        // Only packages have a lock. The caller keeps others from writing results meanwhile.
        let lock = one.path.with_extension("lock");
        let _alone = match lock.is_file().then(|| Lock::try_take(&lock, "npm or pip")) {
            Some(Err(_)) => continue,
            taken => taken.transpose()?,
        };
        if let Some(record) = record(&one.path).filter(|record| record.is_file()) {
            // Removed first, so that an interrupted removal does not leave a result.
            fs::remove_file(&record)
                .with_context(|| format!("failed to remove {}", record.display()))?;
        }
        remove_folder(&one.path)?;
        removed.push(one);
    }
    Ok(removed)
}

/// The file beside a result. It is written last, and its time is that of the last use.
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

/// The folders in a folder, sorted by name; none if it does not exist.
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
        // A file that is removed meanwhile has no size.
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(|metadata| metadata.is_file())
        .map(|metadata| metadata.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

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

        /// A result that was used `ago` seconds ago.
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

    fn old(paths: Vec<PathBuf>) -> Vec<OldFolder> {
        let size = |path: PathBuf| OldFolder {
            bytes: size_bytes(&path),
            path,
        };
        paths.into_iter().map(size).collect()
    }

    #[test]
    fn the_most_recently_used_results_stay() {
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
