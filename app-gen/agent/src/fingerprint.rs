//! Whether anything in a workspace changed.
//!
//! What an agent says that it wrote is no evidence, and commands write without saying. So the files are
//! read, before and after, by the process that may: the one that runs as the agent's user.

use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Folders that hold nothing that an agent wrote: packages, and the history that the generator keeps.
const NOT_WRITTEN: [&str; 2] = ["node_modules", ".git"];
/// Files beyond this are told apart by their size only.
const MAX_FILES: usize = 100_000;
/// So is what of a file comes after this.
const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;

/// The files of a workspace with their content, as one short text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Reads the files below `folder`. Links are not followed.
    ///
    /// # Errors
    ///
    /// If `folder` cannot be read. What below it cannot be read counts as that.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut folders = vec![folder.to_owned()];
        let mut files = 0;
        let mut is_first = true;
        while let Some(next) = folders.pop() {
            let entries = fs::read_dir(&next).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            let mut entries = match entries {
                Err(error) if is_first => return Err(error),
                entries => entries.unwrap_or_default(),
            };
            is_first = false;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let path = entry.path();
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                let name = path.strip_prefix(folder).unwrap_or(&path);
                hasher.update(name.as_os_str().as_bytes());
                hasher.update([0]);
                hasher.update(metadata.permissions().mode().to_le_bytes());
                if metadata.is_dir() {
                    if !NOT_WRITTEN.iter().any(|not| entry.file_name() == *not) {
                        folders.push(path);
                    }
                } else if metadata.is_symlink() {
                    let target = fs::read_link(&path).unwrap_or_default();
                    hasher.update(target.as_os_str().as_bytes());
                } else if metadata.is_file() {
                    hasher.update(metadata.len().to_le_bytes());
                    files += 1;
                    if files <= MAX_FILES {
                        hasher.update(content(&path));
                    }
                }
            }
        }
        let digest = hasher.finalize();
        Ok(Self(
            digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest of a file, or nothing if it cannot be read.
fn content(path: &Path) -> Vec<u8> {
    // Something else may be there by now: a link, or a pipe that nobody writes to.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = open(path, flags, Mode::empty()) else {
        return Vec::new();
    };
    let mut file = File::from(file).take(MAX_FILE_BYTES);
    let mut hasher = Sha256::new();
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = file.read(&mut buffer) {
        hasher.update(&buffer[..length]);
    }
    hasher.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_written_changes_it_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let now = || Fingerprint::of(folder.path()).unwrap();
        fs::create_dir(path("src")).unwrap();
        fs::write(path("src/a"), "one").unwrap();
        let before = now();

        fs::write(path("src/a"), "one").unwrap();
        fs::create_dir_all(path("src/node_modules")).unwrap();
        let with_packages = now();
        fs::write(path("src/node_modules/b"), "b").unwrap();
        assert_eq!(now(), with_packages);
        fs::remove_dir_all(path("src/node_modules")).unwrap();
        assert_eq!(now(), before);

        fs::write(path("src/a"), "two").unwrap();
        assert_ne!(now(), before);
        fs::write(path("src/a"), "one").unwrap();
        fs::rename(path("src/a"), path("a")).unwrap();
        assert_ne!(now(), before);
        fs::rename(path("a"), path("src/a")).unwrap();
        symlink("/etc/passwd", path("link")).unwrap();
        assert_ne!(now(), before);
        fs::remove_file(path("link")).unwrap();
        assert_eq!(now(), before);
        assert!(Fingerprint::of(&path("none")).is_err());
    }
}
