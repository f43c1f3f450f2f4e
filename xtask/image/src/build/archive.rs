//! The Docker context as it is built: exactly the entries that were hashed, with owner 0 and time 0,
//! and with the modes of git: 755 for directories and what the owner may execute, else 644.
//!
//! It is a tar. When BuildKit reads a folder itself, it takes a file for unchanged by size and time,
//! and has been seen to build old bytes. A tar on its standard input is always read. But such a tar
//! also holds the Dockerfile, and an instruction that takes the whole context (`COPY . /app/`) would
//! bring that into the image. Then the context is a folder, whose name BuildKit cannot know.

use crate::build::own_folder::OwnFolder;
use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::interrupt;
use xtask_docker::buildx::Source;
use xtask_docker::dockerfile::{leaves_no_times, may_take};
use xtask_tree::content::Hashed;
use xtask_tree::entry;
use xtask_tree::entry::{Digest, Entries, Entry, Mode};

/// The folder of the Dockerfile in the tar.
const DOCKERFILE_FOLDER: &str = ".xtask";
const DOCKERFILE_NAME: &str = "Dockerfile";

/// A context that is ready to be built.
#[derive(Debug)]
pub struct Packed {
    /// What Docker is given.
    pub source: Source,
    /// Where the source is, if it is a folder. It is removed with this value.
    pub folder: Option<OwnFolder>,
    /// Whether a build of it leaves its own time in a layer.
    pub leaves_times: bool,
}

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

    /// Packs it with a Dockerfile, in this folder. Each file is hashed again, from the bytes that are
    /// written.
    ///
    /// # Errors
    /// A file has changed since it was hashed, or the disk is full.
    pub fn pack(mut self, dockerfile: &[u8], folder: &Path) -> anyhow::Result<Packed> {
        let below = format!("{DOCKERFILE_FOLDER}/");
        let is_occupied = self
            .members
            .keys()
            .any(|path| path == DOCKERFILE_FOLDER.as_bytes() || path.starts_with(below.as_bytes()));
        self.complete();
        let leaves_times = !leaves_no_times(dockerfile, &self.folders());
        if is_occupied || may_take(dockerfile, DOCKERFILE_FOLDER) {
            return self.into_folder(dockerfile, leaves_times, &folder.join("contexts"));
        }
        let path = below + DOCKERFILE_NAME;
        self.add_bytes(&path, Mode::Plain, dockerfile.to_vec());
        Ok(Packed {
            source: Source::Tar {
                tar: self.finish(folder)?,
                dockerfile: path,
            },
            folder: None,
            leaves_times,
        })
    }

    /// Adds the folders that something is in and that nobody added. Those that BuildKit would make
    /// have the time at which it does.
    fn complete(&mut self) {
        let above = |path: &Vec<u8>| {
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            let folders = ends.map(|(end, _)| path[..end].to_vec());
            folders.collect::<Vec<_>>()
        };
        let needed: BTreeSet<Vec<u8>> = self.members.keys().flat_map(above).collect();
        for folder in needed {
            self.members.entry(folder).or_insert(Content::Directory);
        }
    }

    /// The folders whose names are UTF-8, as a Dockerfile is.
    fn folders(&self) -> BTreeSet<&str> {
        self.members
            .iter()
            .filter(|(_, content)| matches!(content, Content::Directory))
            .filter_map(|(path, _)| std::str::from_utf8(path).ok())
            .collect()
    }

    /// Writes the context into a folder of its own, with the Dockerfile beside it.
    fn into_folder(
        self,
        dockerfile: &[u8],
        leaves_times: bool,
        parent: &Path,
    ) -> anyhow::Result<Packed> {
        let folder = OwnFolder::new(parent)?;
        // BuildKit knows a context by the last part of its path.
        let name = folder.path().file_name().unwrap_or_default();
        let context = folder.path().join(name);
        self.write_into(&context)?;
        let beside = folder.path().join(DOCKERFILE_NAME);
        let write = |name: &Path, bytes: &[u8]| {
            fs::write(name, bytes).with_context(|| format!("failed to write {}", name.display()))
        };
        write(&beside, dockerfile)?;
        // The ignore file of the context, if it is in it, has been applied. This one comes first.
        write(&beside.with_added_extension("dockerignore"), b"")?;
        Ok(Packed {
            source: Source::Folder {
                context,
                dockerfile: beside,
            },
            folder: Some(folder),
            leaves_times,
        })
    }

    fn write_into(self, context: &Path) -> anyhow::Result<()> {
        let mut directories = BTreeSet::from([context.to_owned()]);
        for (path, content) in self.members {
            interrupt::check()?;
            let path = context.join(text_of(&path)?);
            if let Content::Directory = content {
                directories.insert(path);
                continue;
            }
            let above = path.ancestors().skip(1);
            directories.extend(
                above
                    .take_while(|above| above.starts_with(context))
                    .map(Path::to_owned),
            );
            let written = || format!("failed to write {}", path.display());
            fs::create_dir_all(path.parent().unwrap_or(context)).with_context(written)?;
            match content {
                Content::Directory => {}
                Content::Link(target) => {
                    let target = text_of(target.as_encoded_bytes())?;
                    std::os::unix::fs::symlink(target, &path).with_context(written)?;
                }
                Content::Bytes(mode, bytes) => {
                    fs::write(&path, bytes).with_context(written)?;
                    set_mode(&path, mode).with_context(written)?;
                }
                Content::Hashed(mode, digest, source) => {
                    Hashed::open(&source, digest)?.copy_to(&path, mode.bits())?;
                }
            }
            set_time(&path).with_context(written)?;
        }
        // What is written into a directory changes its time.
        for directory in directories.iter().rev() {
            fs::create_dir_all(directory)
                .and_then(|()| set_mode(directory, Mode::Executable))
                .and_then(|()| set_time(directory))
                .with_context(|| format!("failed to write {}", directory.display()))?;
        }
        Ok(())
    }

    /// Writes the tar into a file without a name, in this folder. Each file is hashed again, from the
    /// bytes that are written.
    ///
    /// # Errors
    /// A file has changed since it was hashed, or the disk is full.
    fn finish(self, folder: &Path) -> anyhow::Result<File> {
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

/// A name as Docker's client sends those of a folder.
fn text_of(name: &[u8]) -> anyhow::Result<&str> {
    std::str::from_utf8(name).failure(|| {
        Failure::new(
            Code::Build,
            format!("the name `{}` is not UTF-8", name.escape_ascii()),
        )
        .hint(
            "rename it, or name it in .dockerignore, or take only other folders in the Dockerfile",
        )
    })
}

fn set_mode(path: &Path, mode: Mode) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode.bits()))
}

/// Sets the time to 0. Of a link it sets its own.
fn set_time(path: &Path) -> io::Result<()> {
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: zero,
        last_modification: zero,
    };
    Ok(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
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
    fn folders_that_nobody_added_are_packed_and_leave_no_times() {
        let folder = tempfile::tempdir().unwrap();
        let packed = |dockerfile: &str| {
            let mut archive = Archive::default();
            archive.add_bytes("program/usr/run", Mode::Executable, vec![7]);
            archive.pack(dockerfile.as_bytes(), folder.path()).unwrap()
        };
        let packed_twice = packed("FROM x\nCOPY program /\nCOPY program/usr /usr/\n");
        assert!(!packed_twice.leaves_times);
        assert!(packed("FROM x\nCOPY program/usr /usr/\n").leaves_times);
        let Source::Tar { mut tar, .. } = packed_twice.source else {
            panic!("it is no tar");
        };
        let mut read = tar::Archive::new(&mut tar);
        let names: Vec<String> = read
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(
            names,
            [
                ".xtask/Dockerfile",
                "program/",
                "program/usr/",
                "program/usr/run"
            ]
        );
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
    fn what_takes_the_whole_context_gets_nothing_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/empty")).unwrap();
        fs::write(folder.path().join(".dockerignore"), "a").unwrap();
        fs::write(folder.path().join("a/file"), "x").unwrap();
        std::os::unix::fs::symlink("file", folder.path().join("a/link")).unwrap();
        let read = |folder: &Path| {
            xtask_docker::context::arriving(folder, &Rules::default(), &StatCache::none())
        };
        let entries = read(folder.path()).unwrap();
        let records = tempfile::tempdir().unwrap();
        let pack = |dockerfile: &str| {
            let mut archive = Archive::default();
            archive.add_entries(folder.path(), "", &entries);
            archive.add_bytes("bin/program", Mode::Executable, b"program".to_vec());
            archive.pack(dockerfile.as_bytes(), records.path()).unwrap()
        };
        let packed = pack("FROM scratch\nCOPY . /app/\n");
        let Source::Folder {
            context,
            dockerfile,
        } = &packed.source
        else {
            panic!("a tar has the Dockerfile in it");
        };
        let mut expected = entries.clone();
        for (path, entry) in read(context).unwrap() {
            let metadata = context.join(&path).symlink_metadata().unwrap();
            assert_eq!(
                metadata.modified().unwrap(),
                std::time::UNIX_EPOCH,
                "{path}"
            );
            if path.starts_with("bin") {
                expected.insert(path, entry);
            }
        }
        assert_eq!(read(context).unwrap(), expected);
        assert_eq!(expected.len(), entries.len() + 2);
        assert!(!dockerfile.starts_with(context));
        // The ignore file in the context does not count a second time.
        let own = xtask_docker::ignore::IgnoreFile::of_context(context, dockerfile).unwrap();
        assert_eq!(own.unwrap().bytes, b"");
        let again = pack("FROM scratch\nCOPY . /app/\n");
        let Source::Folder { context: other, .. } = &again.source else {
            panic!();
        };
        assert_ne!(other.file_name(), context.file_name());
        let context = context.clone();
        drop(packed);
        assert!(!context.exists());

        let packed = pack("FROM scratch\nCOPY a /app/\n");
        assert!(matches!(packed.source, Source::Tar { .. }));
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
