//! The Docker context as a tar: exactly the entries that were hashed, sorted, with owner 0 and time 0.
//!
//! When BuildKit reads a folder itself, it takes a file for unchanged by size and time, and has been
//! seen to build old bytes. A tar on its standard input is always read.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use xtask_core::interrupt;
use xtask_tree::content::Hashed;
use xtask_tree::entry;
use xtask_tree::entry::{Digest, Entries, Entry, Mode};

/// The path of the Dockerfile in the tar, where the context has nothing.
pub const DOCKERFILE_PATH: &str = ".xtask/Dockerfile";

enum Content {
    Directory,
    Bytes(Mode, Vec<u8>),
    Hashed(Mode, Digest, PathBuf),
    Link(OsString),
}

/// A context that is being put together.
#[derive(Default)]
pub struct Archive {
    // In the order of names, a folder comes before what is in it.
    members: BTreeMap<Vec<u8>, Content>,
}

impl Archive {
    /// Adds a file with these bytes.
    pub fn add_bytes(&mut self, path: &str, mode: Mode, bytes: Vec<u8>) {
        self.members
            .insert(path.as_bytes().to_vec(), Content::Bytes(mode, bytes));
    }

    /// Adds the entries of a folder that were hashed, below `prefix`.
    pub fn add_entries(&mut self, folder: &Path, prefix: &str, entries: &Entries) {
        use std::os::unix::ffi::OsStrExt as _;
        for (escaped, entry) in entries {
            let name = entry::unescape(escaped);
            let path = Path::new(prefix).join(&name);
            let content = match entry {
                Entry::Directory { .. } => Content::Directory,
                Entry::Symlink { target } => Content::Link(entry::unescape(target)),
                Entry::File { mode, digest } => Content::Hashed(*mode, *digest, folder.join(&name)),
            };
            self.members
                .insert(path.as_os_str().as_bytes().to_vec(), content);
        }
    }

    /// Adds a file of another place that was hashed.
    pub fn add_file(&mut self, path: &str, mode: Mode, digest: Digest, source: PathBuf) {
        self.members.insert(
            path.as_bytes().to_vec(),
            Content::Hashed(mode, digest, source),
        );
    }

    /// Writes the tar into a file without a name, in this folder. Each file is hashed again, from the
    /// bytes that are written.
    ///
    /// # Errors
    /// A file has changed since it was hashed, or the disk is full.
    pub fn finish(self, folder: &Path) -> anyhow::Result<File> {
        use std::os::unix::ffi::OsStringExt as _;
        let tar = unnamed(folder)
            .with_context(|| format!("failed to create a file in {}", folder.display()))?;
        let mut builder = tar::Builder::new(BufWriter::with_capacity(1024 * 1024, tar));
        for (path, content) in self.members {
            interrupt::check()?;
            let path = PathBuf::from(OsString::from_vec(path));
            let outcome = append(&mut builder, &path, content);
            // A signal is not a failure of the file that was being packed.
            interrupt::check()?;
            outcome?;
        }
        let finish = || -> io::Result<File> {
            let mut tar = builder.into_inner()?.into_inner()?;
            tar.rewind()?;
            Ok(tar)
        };
        finish().with_context(|| format!("failed to write the tar in {}", folder.display()))
    }
}

fn append(
    builder: &mut tar::Builder<BufWriter<File>>,
    path: &Path,
    content: Content,
) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let outcome = match content {
        Content::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            builder.append_data(&mut header, path.join(""), io::empty())
        }
        Content::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            builder.append_link(&mut header, path, target)
        }
        Content::Bytes(mode, bytes) => {
            header.set_mode(mode.bits());
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, bytes.as_slice())
        }
        Content::Hashed(mode, digest, source) => {
            let mut file = Hashed::open(&source, digest)?;
            header.set_mode(mode.bits());
            header.set_size(file.size_bytes());
            let outcome = builder.append_data(&mut header, path, &mut file);
            if outcome.is_ok() {
                file.verify()?;
            }
            outcome
        }
    };
    outcome.with_context(|| format!("failed to pack {}", path.display()))
}

/// A file that is removed as soon as no process has it open, whichever way we end.
fn unnamed(folder: &Path) -> io::Result<File> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    fs::create_dir_all(folder)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("unnamed-{}-{number}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Reads a file, for an error that names it.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use xtask_docker::ignore::Rules;
    use xtask_tree::stat_cache::StatCache;

    fn pack(folder: &Path, entries: &Entries) -> anyhow::Result<Vec<u8>> {
        let records = tempfile::tempdir()?;
        let mut archive = Archive::default();
        archive.add_entries(folder, "", entries);
        let mut tar = archive.finish(records.path())?;
        assert_eq!(fs::read_dir(records.path())?.count(), 0);
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn a_tar_holds_what_was_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("deep".repeat(60)).join("x".repeat(255));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), vec![7; 300_000]).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        let read = |folder: &Path| {
            xtask_docker::context::read(folder, &Rules::default(), &StatCache::none())
        };
        let entries = read(folder.path()).unwrap();
        let bytes = pack(folder.path(), &entries).unwrap();
        assert_eq!(bytes, pack(folder.path(), &entries).unwrap());
        let unpacked = tempfile::tempdir().unwrap();
        tar::Archive::new(bytes.as_slice())
            .unpack(unpacked.path())
            .unwrap();
        assert_eq!(read(unpacked.path()).unwrap(), entries);
    }

    #[test]
    fn a_file_that_changed_aborts_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "one").unwrap();
        let entries =
            xtask_docker::context::read(folder.path(), &Rules::default(), &StatCache::none())
                .unwrap();
        for later in ["two", "longer", "", "o"] {
            fs::write(&path, later).unwrap();
            let error = pack(folder.path(), &entries).unwrap_err();
            assert!(error.to_string().contains("file changed"), "{error:#}");
        }
        fs::remove_file(&path).unwrap();
        // No process writes to the pipe, so opening it must not wait for one.
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert!(pack(folder.path(), &entries).is_err());
    }
}
