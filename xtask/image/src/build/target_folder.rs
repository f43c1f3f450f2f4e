//! Cargo's target folders. Each belongs to one environment, because cargo does not know that a build
//! script has run another C compiler than the one that is there now, and keeps what that has made.

use crate::key::inputs::RustInputs;
use crate::rust::packages::VENDORED;
use anyhow::Context as _;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_core::paths::remove_folder;
use xtask_tree::content::digest_json;
use xtask_tree::entry::escape;

/// Changes with the environment that we give to a compile, so that an older folder is not used.
const LAYOUT: u32 = 1;
/// How many are kept: the one that is used, and those of toolchains that somebody may return to. One
/// holds more than a gigabyte.
const KEPT: usize = 3;
/// How many characters of the digest name a folder.
const NAME_CHARACTERS: usize = 16;

/// The pins of the packages that a folder has compiled, by label.
type Pins = BTreeMap<String, String>;

/// Opens the folder for the environment of these inputs, below `parent`, whose lock the caller must
/// have. Removes the folders that were not used for the longest time.
///
/// # Errors
/// A folder cannot be written or removed.
pub fn open(parent: &Path, root: &Path, inputs: &RustInputs) -> anyhow::Result<PathBuf> {
    let [_, _, profile, target] = &inputs.build;
    let digest = digest_json(&(
        LAYOUT,
        // The compiler is given paths of the checkout, which may have been moved.
        escape(root.as_os_str().as_bytes()),
        profile,
        target,
        &inputs.environment,
        inputs.workspace.get("profile"),
    ))?;
    let folder = parent.join(&digest.to_string()[..NAME_CHARACTERS]);
    let record = folder.join("packages.json");
    let mut pins = read_checked(&record).filter(|pins: &Pins| {
        // For cargo, a version of a package never changes. It tells only revisions apart by itself.
        let agrees = |(label, pin): (&String, &String)| {
            let is_revision = pin.starts_with("git+") && !pin.contains(VENDORED);
            is_revision || pins.get(label).is_none_or(|known| known == pin)
        };
        inputs.checksums.iter().all(agrees)
    });
    if pins.is_none() {
        // Without a record, nobody knows what is there.
        remove_folder(&folder)?;
    }
    let pins = pins.get_or_insert_default();
    pins.extend(inputs.checksums.clone());
    write_checked(&record, pins)?;
    remove_all_but(parent, &folder)?;
    Ok(folder)
}

/// The most recently used ones are kept, `current` among them. What an earlier version of this program
/// left beside them goes, too.
fn remove_all_but(parent: &Path, current: &Path) -> anyhow::Result<()> {
    let listing =
        fs::read_dir(parent).with_context(|| format!("failed to read {}", parent.display()))?;
    let mut others: Vec<PathBuf> = listing
        .flatten()
        .map(|item| item.path())
        .filter(|path| path != current)
        .collect();
    let used_at = |path: &PathBuf| -> Option<SystemTime> {
        fs::metadata(path.join("packages.json"))
            .ok()?
            .modified()
            .ok()
    };
    others.sort_by_cached_key(|path| Reverse(used_at(path)));
    let kept = others.iter().filter(|path| used_at(path).is_some()).count();
    for path in others.iter().skip(kept.min(KEPT - 1)) {
        if path.is_dir() {
            remove_folder(path)?;
        } else {
            fs::remove_file(path)
                .with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use xtask_tree::entry::Entries;

    fn inputs(cc: &str, pin: &str) -> RustInputs {
        let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        RustInputs {
            build: ["app", "app", "release", "target"].map(str::to_owned),
            to: "bin/app".to_owned(),
            members: BTreeMap::new(),
            sources: Entries::new(),
            features: BTreeMap::new(),
            checksums: map("serde 1.0.0", pin),
            workspace: BTreeMap::new(),
            environment: map("cc", cc),
        }
    }

    #[test]
    fn an_environment_has_a_folder_and_few_are_kept() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path();
        fs::create_dir(parent.join("release")).unwrap();
        fs::write(parent.join("members.json"), "of an earlier version").unwrap();
        let open = |cc: &str| open(parent, Path::new("/checkout"), &inputs(cc, "aa")).unwrap();
        let folders = ["1", "2", "3"].map(open);
        for (age, folder) in folders.iter().rev().enumerate() {
            fs::write(folder.join("object"), "").unwrap();
            let file = fs::File::options()
                .append(true)
                .open(folder.join("packages.json"));
            let age = Duration::from_secs(10 * (1 + age as u64));
            file.unwrap().set_modified(SystemTime::now() - age).unwrap();
        }
        assert_eq!(fs::read_dir(parent).unwrap().count(), KEPT);
        // The oldest is used again, and goes last.
        assert_eq!(open("1"), folders[0]);
        open("4");
        let kept = folders
            .each_ref()
            .map(|folder| folder.join("object").exists());
        assert_eq!(kept, [true, false, true]);
        assert_eq!(fs::read_dir(parent).unwrap().count(), KEPT);
    }

    #[test]
    fn a_version_with_other_content_finds_nothing_compiled() {
        let parent = tempfile::tempdir().unwrap();
        let open = |pin| open(parent.path(), Path::new("/checkout"), &inputs("1", pin)).unwrap();
        let object = open("aa").join("object");
        fs::write(&object, "").unwrap();
        assert_eq!(open("aa").join("object"), object);
        assert!(object.exists());
        open("bb");
        assert!(!object.exists());
        // Nor does one whose record was lost, because a compile was interrupted or somebody edited it.
        fs::write(&object, "").unwrap();
        fs::write(object.with_file_name("packages.json"), "").unwrap();
        open("bb");
        assert!(!object.exists());
    }
}
