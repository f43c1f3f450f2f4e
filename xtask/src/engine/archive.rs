//! The Docker context as a tar: exactly the hashed entries, sorted, owner 0, time 0.
//!
//! BuildKit's own directory sync trusts size and time and has been seen to build
//! stale bytes; a tar on standard input it has to read.

use super::entry::{self, Entries, Entry, Mode};
use super::ignore::Rules;
use super::prebuild::read_hashed;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the Dockerfile lies in the tar: beside nothing of the context's own.
pub const DOCKERFILE_PATH: &str = ".xtask/Dockerfile";

enum Content {
    Directory,
    Bytes(Mode, Vec<u8>),
    Hashed(Mode, String, PathBuf),
    Link(OsString),
}

/// A context under construction.
#[derive(Default)]
pub struct Archive {
    // Ordered by name: a folder comes before what is in it.
    members: BTreeMap<Vec<u8>, Content>,
}

impl Archive {
    /// Adds bytes that are already in memory.
    pub fn add_bytes(&mut self, path: &str, mode: Mode, bytes: Vec<u8>) {
        self.members
            .insert(path.as_bytes().to_vec(), Content::Bytes(mode, bytes));
    }

    /// Adds hashed entries of a folder, below `prefix`.
    pub fn add_entries(&mut self, folder: &Path, prefix: &str, entries: &Entries) {
        use std::os::unix::ffi::OsStrExt as _;
        for (escaped, entry) in entries {
            let name = entry::unescape(escaped);
            let path = Path::new(prefix).join(&name);
            let content = match entry {
                Entry::Directory => Content::Directory,
                Entry::Symlink { target } => Content::Link(entry::unescape(target)),
                Entry::File { mode, digest } => {
                    Content::Hashed(*mode, digest.clone(), folder.join(&name))
                }
            };
            self.members
                .insert(path.as_os_str().as_bytes().to_vec(), content);
        }
    }

    /// Adds all of a folder that we built ourselves.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn add_folder(&mut self, folder: &Path, prefix: &str) -> anyhow::Result<()> {
        let entries = entry::read_tree(folder, &Rules::default())?;
        self.add_entries(folder, prefix, &entries);
        Ok(())
    }

    /// Writes the tar. Each hashed file is hashed again from the bytes that go in.
    ///
    /// # Errors
    /// A file is not what was hashed any more.
    pub fn finish(self) -> anyhow::Result<Vec<u8>> {
        use std::os::unix::ffi::OsStringExt as _;
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in self.members {
            let path = PathBuf::from(OsString::from_vec(path));
            let mut header = tar::Header::new_gnu();
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            let outcome = match content {
                Content::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    header.set_size(0);
                    builder.append_data(&mut header, path.join(""), std::io::empty())
                }
                Content::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    builder.append_link(&mut header, &path, target)
                }
                Content::Bytes(mode, bytes) => {
                    header.set_mode(mode.bits());
                    header.set_size(bytes.len() as u64);
                    builder.append_data(&mut header, &path, bytes.as_slice())
                }
                Content::Hashed(mode, digest, source) => {
                    let bytes = read_hashed(&source, &digest)?;
                    header.set_mode(mode.bits());
                    header.set_size(bytes.len() as u64);
                    builder.append_data(&mut header, &path, bytes.as_slice())
                }
            };
            outcome.with_context(|| format!("failed to pack {}", path.display()))?;
        }
        Ok(builder.into_inner()?)
    }
}

/// Reads a file that we built ourselves.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_aborts_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "one").unwrap();
        let entries = entry::read_tree(folder.path(), &Rules::default()).unwrap();
        let pack = || {
            let mut archive = Archive::default();
            archive.add_entries(folder.path(), "", &entries);
            archive.finish()
        };
        assert_eq!(pack().unwrap(), pack().unwrap());
        fs::write(folder.path().join("file"), "two").unwrap();
        let error = pack().unwrap_err();
        assert!(error.to_string().contains("file changed"), "{error:#}");
    }
}
