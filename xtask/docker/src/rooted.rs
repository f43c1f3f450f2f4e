//! Reads a file of a folder as Docker does: links are followed as if the folder were the root of all
//! files. The host's files are not reached that way, and neither are those beside the folder.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// Docker follows no longer chain of links.
const LINKS: usize = 255;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// Nothing has this name, or a link of this name leads nowhere within the folder.
    #[error("it does not exist")]
    Missing,
    /// A directory has this name.
    #[error("it is a directory")]
    Directory,
    /// A pipe or a device has this name. To open it could take for ever.
    #[error("it is not a file")]
    NotAFile,
    /// It does not fit into memory, or might not.
    #[error("it is larger than {} MiB", .0 / 1024 / 1024)]
    TooLarge(u64),
    /// The operating system refuses.
    #[error(transparent)]
    Refused(#[from] io::Error),
}

impl From<Errno> for Unread {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Self::Missing,
            errno => Self::Refused(errno.into()),
        }
    }
}

/// The bytes of the file `name` of the folder.
pub(crate) fn read(folder: &Path, name: &Path, limit_bytes: u64) -> Result<Vec<u8>, Unread> {
    let root = File::open(folder)?;
    let path = without_links(&root, name)?;
    let opened = rustix::fs::openat2(
        &root,
        &path,
        // A pipe would wait for its other end.
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
        // A link that was put there meanwhile is refused.
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )?;
    let file = File::from(opened);
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Unread::Directory),
        _ => return Err(Unread::NotAFile),
    }
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(Unread::TooLarge(limit_bytes));
    }
    Ok(bytes)
}

/// Where the links of a path end. The kernel could do that (`RESOLVE_IN_ROOT`), but Docker removes
/// `x/..` from the target of a link before it looks whether `x` is there or is a link itself.
fn without_links(root: &File, path: &Path) -> Result<PathBuf, Unread> {
    let mut rest = cleaned(path.components());
    let mut done = PathBuf::from(".");
    for _ in 0..=LINKS {
        let link = loop {
            let Some(part) = rest.pop_front() else {
                return Ok(done);
            };
            let next = done.join(&part);
            let stat = rustix::fs::statat(root, &next, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode).is_symlink() {
                break next;
            }
            done = next;
        };
        let target = rustix::fs::readlinkat(root, &link, Vec::new())?;
        // An absolute target takes the place of what is before it.
        let target = done.join(OsStr::from_bytes(target.to_bytes()));
        let mut parts = cleaned(target.components());
        parts.append(&mut rest);
        rest = parts;
        done = PathBuf::from(".");
    }
    Err(Unread::Missing)
}

/// The names of a path below the root. At the root, `..` is the root itself.
fn cleaned<'path>(components: impl Iterator<Item = Component<'path>>) -> VecDeque<OsString> {
    let mut parts = VecDeque::new();
    for component in components {
        match component {
            Component::Normal(name) => parts.push_back(name.to_owned()),
            Component::ParentDir => drop(parts.pop_back()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts
}
