//! Reads the names of one directory, or the content of one file, as they were at one moment.
//!
//! The kernel stamps every change. What has the same stamp before and after it was read did not
//! change meanwhile; anything else is read again.

use crate::content;
use crate::entry::{Entry, Modes, escape};
use crate::identity::{Identity, Timestamp};
use crate::stat_cache::StatCache;
use rustix::fs::{AtFlags, FileType, Mode as OpenMode, OFlags, RawDir, SeekFrom, Stat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;

/// How often something that changes while it is read is tried.
const ATTEMPTS: usize = 10;
/// How long a file must have been left alone before it is read. A second change within one tick of
/// the clock (at most 10 ms) would not show, and a `write` is stamped before its bytes arrive.
const QUIET: Duration = Duration::from_millis(10);
/// As many open files as a tree may need: one for each level that is being read.
const HANDLES: u64 = 65_536;

/// Why something could not be read. [`Trouble::at`] makes an error of it that names the path.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The name now leads to something else, or to nothing.
    Changing,
    /// A signal interrupted the command.
    Interrupted(Failure),
    /// The kernel refuses to do what the text says: "open", "list" or "read".
    Refused(&'static str, Errno),
    /// The content cannot be read.
    Unreadable(anyhow::Error),
    /// An image cannot hold a file of this kind.
    Kind(FileType),
}

/// The error of [`Trouble::Changing`]. It has a type of its own because the walk tries again.
#[derive(Debug, thiserror::Error)]
#[error("{} changes while it is being read", .0.display())]
pub(super) struct Changing(PathBuf);

impl Trouble {
    /// The trouble behind an error with something that was there when its directory was listed.
    fn of(what: &'static str) -> impl Fn(Errno) -> Self + Copy {
        move |errno| match errno {
            // It is of another kind now, or it was removed.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NXIO => {
                Self::Changing
            }
            errno => Self::Refused(what, errno),
        }
    }

    /// The error with the path.
    pub(super) fn at(self, path: &Path) -> anyhow::Error {
        let place = path.display();
        match self {
            Self::Changing => Changing(path.to_owned()).into(),
            Self::Interrupted(failure) => failure.into(),
            Self::Unreadable(error) => error.context(format!("failed to read {place}")),
            Self::Kind(kind) => {
                let kind = match kind {
                    FileType::Fifo => "a pipe",
                    FileType::Socket => "a socket",
                    FileType::CharacterDevice | FileType::BlockDevice => "a device",
                    _ => "of an unknown kind",
                };
                Failure::new(
                    Code::Build,
                    format!("{place} is {kind}, not a file, directory or link"),
                )
                .hint("remove it, or name it in .dockerignore or in `package.exclude`")
                .into()
            }
            Self::Refused(what, errno) => {
                let failure = Failure::new(Code::Build, format!("failed to {what} {place}"));
                let failure = match errno {
                    Errno::MFILE | Errno::NFILE => failure.hint(format!("ulimit -n {HANDLES}")),
                    Errno::ACCESS | Errno::PERM => failure.hint(
                        "make it readable, or name it in .dockerignore or in `package.exclude`",
                    ),
                    _ => failure,
                };
                failure.because(std::io::Error::from(errno)).into()
            }
        }
    }
}

/// Opens the root of a tree. It follows a link, as Docker does.
pub(super) fn open_root(path: &Path) -> Result<OwnedFd, Trouble> {
    open(rustix::fs::CWD, path, OFlags::empty()).map_err(|errno| Trouble::Refused("open", errno))
}

/// Opens a directory within another one.
pub(super) fn open_directory(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Trouble> {
    open(parent, name, OFlags::NOFOLLOW).map_err(Trouble::of("open"))
}

fn open<P: Arg + Copy>(parent: impl AsFd, name: P, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    with_handles(|| rustix::fs::openat(&parent, name, flags, OpenMode::empty()))
}

/// Opens something. Where no more files may be open, it raises the limit as far as this process is
/// allowed to, and tries again.
fn with_handles<T>(open: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    match open() {
        Err(Errno::MFILE) => {
            let mut limit = getrlimit(Resource::Nofile);
            limit.current = Some(limit.maximum.unwrap_or(HANDLES).min(HANDLES));
            setrlimit(Resource::Nofile, limit)?;
            open()
        }
        other => other,
    }
}

/// The mode of a directory, and the names in it with their kinds.
pub(super) fn list(
    directory: &OwnedFd,
    buffer: &mut [MaybeUninit<u8>],
) -> Result<(u32, Vec<(CString, FileType)>), Trouble> {
    let refused = Trouble::of("list");
    for _ in 0..ATTEMPTS {
        let before = state_of(directory).map_err(refused)?;
        if !is_fresh(&before) {
            let names = list_once(directory, buffer).map_err(refused)?;
            if state_of(directory).map_err(refused)? == before {
                return Ok((before.mode, names));
            }
        }
        wait()?;
    }
    Err(Trouble::Changing)
}

fn list_once(
    directory: &OwnedFd,
    buffer: &mut [MaybeUninit<u8>],
) -> Result<Vec<(CString, FileType)>, Errno> {
    rustix::fs::seek(directory, SeekFrom::Start(0))?;
    let mut names = Vec::new();
    let mut entries = RawDir::new(directory, buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems store the kind only with the file.
            FileType::Unknown => FileType::from_raw_mode(look_at(directory, name)?.st_mode),
            kind => kind,
        };
        names.push((name.to_owned(), kind));
    }
    Ok(names)
}

/// The entry of a name that was not a directory when it was listed.
pub(super) fn read(
    directory: &OwnedFd,
    name: &CStr,
    modes: Modes,
    cache: &StatCache,
    buffer: &mut [u8],
) -> Result<Entry, Trouble> {
    let refused = Trouble::of("read");
    for _ in 0..ATTEMPTS {
        let stat = look_at(directory, name).map_err(refused)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind.is_symlink() {
            let target = rustix::fs::readlinkat(directory, name, Vec::new()).map_err(refused)?;
            return Ok(Entry::Symlink {
                target: escape(target.to_bytes()),
            });
        }
        if kind.is_dir() {
            break;
        }
        if !kind.is_file() {
            return Err(Trouble::Kind(kind));
        }
        let before = Identity::from(stat);
        let mode = modes.of_file(before.mode);
        if let Some(digest) = cache.get(&before) {
            return Ok(Entry::File { mode, digest });
        }
        if is_fresh(&before) {
            wait()?;
            continue;
        }
        let file = with_handles(|| content::open(directory, name)).map_err(refused)?;
        let digest = content::hash(&file, buffer).map_err(Trouble::Unreadable)?;
        if state_of(&file).map_err(refused)? == before {
            cache.insert(&before, digest, &file);
            return Ok(Entry::File { mode, digest });
        }
    }
    Err(Trouble::Changing)
}

fn look_at(directory: &OwnedFd, name: &CStr) -> Result<Stat, Errno> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn state_of(handle: impl AsFd) -> Result<Identity, Errno> {
    rustix::fs::fstat(handle).map(Identity::from)
}

/// Whether it was changed so recently that another change may have the same stamp.
fn is_fresh(state: &Identity) -> bool {
    Timestamp::now().distance(state.changed) < QUIET
}

fn wait() -> Result<(), Trouble> {
    interrupt::sleep(QUIET).map_err(Trouble::Interrupted)
}
