//! The files of a workspace, through a pipe: a process in the cage writes them, and the generator reads
//! nothing but that stream.
//!
//! Whoever opens files in a folder of somebody else can be led to files of its own by links that are put
//! there at the right moment, and a `git` that runs there does what the folder's settings say. In the
//! cage there is nothing to be led to.
//!
//! The stream is a tar archive of plain files. The writer runs as the user whom it reads, so its reader
//! believes nothing.

use crate::cage::{Cage, Ended};
use crate::roles::Role;
use rustix::fs::{Mode, OFlags, open};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::process::{ExitCode, Stdio};

/// How much may be in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Files and folders.
    pub entries: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of a path. A tar archive of this kind has room for 255 at most.
    pub path_bytes: usize,
}

/// A file of a workspace.
pub struct Packed<'stream> {
    /// Its path below the workspace: names, with no `.` and `..` among them.
    pub path: PathBuf,
    /// Whether it may be executed.
    pub is_executable: bool,
    /// How long it is.
    pub bytes: u64,
    /// What is in it.
    pub content: &'stream mut dyn Read,
}

/// Why a workspace is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It has something that is neither a file nor a folder.
    #[error("{0} is not a plain file")]
    Kind(String),
    /// A path leads elsewhere, or is none for every system.
    #[error("{0} is no path of an application")]
    Path(String),
    /// It has more than it may.
    #[error("the workspace has more than {0}")]
    Size(String),
    /// The packer did not do its work.
    #[error("the files of the workspace cannot be read in the cage ({0:?}): {1}")]
    Packer(Ended, String),
    /// The stream is none, or the caller could not use it.
    #[error("the files of the workspace cannot be taken over")]
    Stream(#[from] io::Error),
}

/// The most that a packer's standard error is quoted with.
const MAX_ERROR_BYTES: u64 = 1_000;

/// Reads the workspace of a cage: every file is handed to `take`, in the order of names. Files and folders
/// with one of the `excluded` names are left out, wherever they are.
///
/// # Errors
///
/// If it has something else than plain files, or more than `bounds`, or `take` fails. Files that were
/// taken before are then to be thrown away.
pub fn read_workspace(
    cage: &Cage,
    excluded: &[&str],
    bounds: &Bounds,
    take: impl FnMut(Packed<'_>) -> io::Result<()>,
) -> Result<(), Refused> {
    let mut packer = cage
        .part(Role::Pack)?
        .args(excluded)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let missing = || io::Error::other("it has no output");
    let output = packer.stdout.take().ok_or_else(missing)?;
    let read = read(output, bounds, take);
    // With its reader gone, one that still writes ends.
    let mut message = String::new();
    if let Some(errors) = packer.stderr.take() {
        let _ = errors.take(MAX_ERROR_BYTES).read_to_string(&mut message);
    }
    match Ended::of(packer.wait()?) {
        Ended::Code(0) => read,
        // What was refused is why it ended.
        _ if matches!(
            read,
            Err(Refused::Kind(_) | Refused::Path(_) | Refused::Size(_))
        ) =>
        {
            read
        }
        ended => Err(Refused::Packer(ended, message.trim().to_owned())),
    }
}

fn read(
    stream: impl Read,
    bounds: &Bounds,
    mut take: impl FnMut(Packed<'_>) -> io::Result<()>,
) -> Result<(), Refused> {
    let mut archive = tar::Archive::new(stream);
    let (mut entries, mut bytes) = (0, 0_u64);
    // Raw: an extension of the format is an entry like others, and refused as one.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let path = path(&entry.path_bytes(), bounds)?;
        entries += 1;
        if entries > bounds.entries {
            return Err(Refused::Size(format!("{} files", bounds.entries)));
        }
        match entry.header().entry_type() {
            tar::EntryType::Directory => continue,
            tar::EntryType::Regular => {}
            _ => return Err(Refused::Kind(path.display().to_string())),
        }
        let size = entry.size();
        if size > bounds.file_bytes {
            let bound = bounds.file_bytes;
            let path = path.display();
            return Err(Refused::Size(format!("{bound} bytes in {path}")));
        }
        bytes = bytes.saturating_add(size);
        if bytes > bounds.bytes {
            return Err(Refused::Size(format!("{} bytes", bounds.bytes)));
        }
        let mode = entry.header().mode()?;
        take(Packed {
            path,
            is_executable: mode & 0o100 != 0,
            bytes: size,
            content: &mut entry,
        })?;
    }
    Ok(())
}

/// A path of names that every system takes, none of which is git's own folder.
fn path(bytes: &[u8], bounds: &Bounds) -> Result<PathBuf, Refused> {
    let shown = || Refused::Path(String::from_utf8_lossy(bytes).escape_debug().to_string());
    let text = std::str::from_utf8(bytes).map_err(|_| shown())?;
    let path = Path::new(text);
    let is_plain = path.components().all(|component| match component {
        Component::Normal(name) => !name.eq_ignore_ascii_case(".git"),
        _ => false,
    });
    let is_printable =
        !text.contains(|character: char| character.is_control() || character == '\\');
    match is_plain && is_printable && !text.is_empty() && bytes.len() <= bounds.path_bytes {
        true => Ok(path.to_owned()),
        false => Err(shown()),
    }
}

/// The work of [`Role::Pack`], in the workspace. Its arguments are names that are left out.
pub(crate) fn pack(arguments: &[OsString]) -> ExitCode {
    let excluded: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
    let packed = write(Path::new("."), &excluded, io::stdout().lock());
    report(packed)
}

fn report(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit code says it too.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path, excluded: &[&OsStr], output: impl io::Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(output);
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let entries = fs::read_dir(folder.join(&below))?;
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if excluded.contains(&&*entry.file_name()) {
                continue;
            }
            let name = below.join(entry.file_name());
            append(&mut archive, folder, &name).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", name.display()))
            })?;
            if entry.file_type()?.is_dir() {
                folders.push(name);
            }
        }
    }
    archive.finish()?;
    archive.into_inner()?.flush()
}

fn append(
    archive: &mut tar::Builder<impl io::Write>,
    folder: &Path,
    name: &Path,
) -> io::Result<()> {
    let path = folder.join(name);
    let metadata = fs::symlink_metadata(&path)?;
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_mtime(0);
    header.set_mode(metadata.permissions().mode() & 0o777);
    if metadata.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_cksum();
        return archive.append(&header, io::empty());
    }
    // Something else than a file is named in the archive, and its reader refuses it by that name.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match metadata.is_file() {
        true => Some(File::from(open(&path, flags, Mode::empty())?)),
        false => None,
    };
    let Some(file) = file.filter(|file| file.metadata().is_ok_and(|found| found.is_file())) else {
        header.set_entry_type(tar::EntryType::Fifo);
        header.set_size(0);
        header.set_cksum();
        return archive.append(&header, io::empty());
    };
    let bytes = file.metadata()?.len();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(bytes);
    header.set_cksum();
    // One that becomes shorter meanwhile is filled up: the header is written.
    let content = file.take(bytes).chain(io::repeat(0)).take(bytes);
    archive.append(&header, content)
}

/// The work of [`Role::Measure`]: the bytes that the folders of its arguments take on their disk.
pub(crate) fn measure(arguments: &[OsString]) -> ExitCode {
    let mut bytes = 0_u64;
    let mut folders: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        // What is removed meanwhile takes no room.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if let Ok(metadata) = entry.metadata() {
                bytes = bytes.saturating_add(metadata.blocks().saturating_mul(512));
                if metadata.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
    }
    report(writeln!(io::stdout(), "{bytes}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const BOUNDS: Bounds = Bounds {
        entries: 10,
        bytes: 1_000,
        file_bytes: 600,
        path_bytes: 200,
    };

    fn packed(folder: &Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(folder, &[OsStr::new("node_modules")], &mut bytes).unwrap();
        bytes
    }

    fn taken(stream: &[u8]) -> Result<Vec<(String, bool, String)>, Refused> {
        let mut files = Vec::new();
        read(stream, &BOUNDS, |file| {
            let mut content = String::new();
            file.content.read_to_string(&mut content)?;
            files.push((file.path.display().to_string(), file.is_executable, content));
            Ok(())
        })?;
        Ok(files)
    }

    #[test]
    fn files_arrive_as_they_are_and_what_is_excluded_does_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("src/node_modules/x")).unwrap();
        fs::write(folder.path().join("src/node_modules/x/y"), "no").unwrap();
        fs::write(folder.path().join("src/a b.ts"), "text").unwrap();
        fs::write(folder.path().join("run"), "#!").unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path().join("run"), executable).unwrap();
        let file = |path: &str, is_executable, content: &str| {
            (path.to_owned(), is_executable, content.to_owned())
        };
        assert_eq!(
            taken(&packed(folder.path())).unwrap(),
            [file("run", true, "#!"), file("src/a b.ts", false, "text")]
        );
    }

    #[test]
    fn what_is_no_plain_file_is_refused_by_name() {
        for kind in ["link", "pipe"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(kind);
            match kind {
                "link" => symlink("/etc/passwd", path).unwrap(),
                _ => rustix::fs::mknodat(
                    rustix::fs::CWD,
                    path,
                    rustix::fs::FileType::Fifo,
                    Mode::RWXU,
                    0,
                )
                .unwrap(),
            }
            let refused = taken(&packed(folder.path())).unwrap_err();
            assert!(matches!(refused, Refused::Kind(name) if name == kind));
        }
    }

    #[test]
    fn a_stream_is_believed_nothing() {
        let entry = |path: &str, kind: tar::EntryType, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            // `set_path` would refuse most of these.
            let name = &mut header.as_old_mut().name;
            name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            header.set_cksum();
            let mut archive = tar::Builder::new(Vec::new());
            archive.append(&header, content).unwrap();
            archive.into_inner().unwrap()
        };
        let file = tar::EntryType::Regular;
        assert!(taken(&entry("a/b", file, b"x")).is_ok());
        for path in [
            "../a",
            "/a",
            "a/../../b",
            ".git/config",
            "a/.GIT/hooks/x",
            "a\u{1b}[2J",
            "a\\b",
            "",
        ] {
            let refused = taken(&entry(path, file, b"x")).unwrap_err();
            assert!(matches!(refused, Refused::Path(_)), "{path}: {refused}");
        }
        for kind in [
            tar::EntryType::Symlink,
            tar::EntryType::Link,
            tar::EntryType::Char,
            tar::EntryType::GNULongName,
            tar::EntryType::XHeader,
            tar::EntryType::GNUSparse,
        ] {
            let refused = taken(&entry("a", kind, b"")).unwrap_err();
            assert!(matches!(refused, Refused::Kind(_)), "{kind:?}: {refused}");
        }
        let refused = taken(&entry("a", file, &[0; 601])).unwrap_err();
        assert!(matches!(refused, Refused::Size(_)), "{refused}");
        let two = [entry("a", file, &[0; 600]), entry("b", file, &[0; 600])];
        // The end of an archive is two empty blocks.
        let joined = [&two[0][..two[0].len() - 1_024], &two[1]].concat();
        let refused = taken(&joined).unwrap_err();
        assert!(matches!(refused, Refused::Size(_)), "{refused}");
        let cut = &entry("a", file, &[0; 600])[..700];
        assert!(matches!(taken(cut), Err(Refused::Stream(_)) | Ok(_)));
    }
}
