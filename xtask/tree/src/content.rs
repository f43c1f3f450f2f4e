//! Reads files in a fixed amount of memory: hashes them while they are read, and checks them while
//! they are copied.

use crate::entry;
use crate::entry::{Digest, Entry, escape};
use anyhow::Context as _;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::path::Arg;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;

/// How much is read at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// A buffer of the size of one read.
#[must_use]
pub fn buffer() -> Vec<u8> {
    vec![0; BUFFER_BYTES]
}

/// Opens for reading what must be a file: it does not follow a link, nor wait for a writer where a
/// pipe has taken the place of the file.
///
/// # Errors
/// The operating system refuses.
pub fn open<P: Arg>(directory: impl AsFd, name: P) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty()).map(File::from)
}

/// The digest of all that is still to be read. The buffer holds one read at a time.
///
/// # Errors
/// It cannot be read, or a signal interrupted the command.
pub fn hash(mut from: impl Read, buffer: &mut [u8]) -> anyhow::Result<Digest> {
    let mut hasher = Sha256::new();
    loop {
        interrupt::check()?;
        match from.read(buffer) {
            Ok(0) => return Ok(Digest::new(hasher.finalize().into())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The digest of the content of a file. Links are followed.
///
/// # Errors
/// It cannot be read.
pub fn digest_file(path: &Path) -> anyhow::Result<Digest> {
    File::open(path)
        .map_err(anyhow::Error::from)
        .and_then(|file| hash(file, &mut buffer()))
        .with_context(|| format!("failed to read {}", path.display()))
}

/// Whether the path still has the kind, mode (that of git) and content of the entry.
#[must_use]
pub fn is_still(path: &Path, entry: &Entry) -> bool {
    let Ok(stat) = rustix::fs::lstat(path) else {
        return false;
    };
    let kind = FileType::from_raw_mode(stat.st_mode);
    match entry {
        Entry::Directory { .. } => kind.is_dir(),
        Entry::Symlink { target } => {
            std::fs::read_link(path).is_ok_and(|now| escape(now.as_os_str().as_bytes()) == *target)
        }
        Entry::File { mode, digest } => {
            kind.is_file()
                && entry::Mode::of(stat.st_mode) == *mode
                && digest_file(path).is_ok_and(|now| now == *digest)
        }
    }
}

/// The digest of the parts, one behind the other.
#[must_use]
pub fn digest_parts(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Digest::new(hasher.finalize().into())
}

/// The digest of the JSON of a value, which is never in memory as a whole.
///
/// # Errors
/// The value cannot be serialised.
pub fn digest_json(value: &impl Serialize) -> anyhow::Result<Digest> {
    struct Hashing(Sha256);
    impl Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, Hashing(Sha256::new()));
    serde_json::to_writer(&mut writer, value)?;
    let Hashing(hasher) = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    Ok(Digest::new(hasher.finalize().into()))
}

/// A file that was hashed before and is now read for use. Who has read it to its end calls
/// [`Hashed::verify`] to find out whether it is still the same.
#[derive(Debug)]
pub struct Hashed<'a> {
    path: &'a Path,
    expected: Digest,
    file: io::Take<File>,
    size_bytes: u64,
    hasher: Sha256,
}

impl<'a> Hashed<'a> {
    /// Opens the file that was hashed.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &'a Path, expected: Digest) -> anyhow::Result<Self> {
        let open = || -> io::Result<(File, u64)> {
            let file = open(CWD, path)?;
            // Some files are wanted without their content: `walk::Verdict::Emptied`.
            let size_bytes = match expected == Digest::of(b"") {
                true => 0,
                false => file.metadata()?.len(),
            };
            Ok((file, size_bytes))
        };
        let (file, size_bytes) =
            open().with_context(|| format!("failed to read {}", path.display()))?;
        Ok(Self {
            path,
            expected,
            // What is appended to the file from now on was not hashed.
            file: file.take(size_bytes),
            size_bytes,
            hasher: Sha256::new(),
        })
    }

    /// How many bytes can be read, unless the file shrinks meanwhile.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Compares what was read with what was hashed.
    ///
    /// # Errors
    /// They differ: the file changed in between.
    pub fn verify(self) -> Result<(), Failure> {
        if Digest::new(self.hasher.finalize().into()) == self.expected {
            return Ok(());
        }
        Err(Failure::new(
            Code::Build,
            format!("{} changed while it was being built", self.path.display()),
        )
        .hint("run the command again"))
    }

    /// Copies the content into a new file with the mode.
    ///
    /// # Errors
    /// The file changed since it was hashed, or the copy cannot be written.
    pub fn copy_to(mut self, target: &Path, mode: u32) -> anyhow::Result<()> {
        let mut copy = || -> io::Result<()> {
            let mut file = File::create(target)?;
            io::copy(&mut self, &mut file)?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            Ok(())
        };
        let copied = copy();
        interrupt::check()?;
        copied.with_context(|| {
            format!(
                "failed to copy {} to {}",
                self.path.display(),
                target.display()
            )
        })?;
        Ok(self.verify()?)
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // An error of the kind `Interrupted` would make every reader try again.
        interrupt::check().map_err(io::Error::other)?;
        let count = self.file.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
