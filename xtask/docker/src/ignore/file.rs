//! Finds and reads the file that holds the rules of a context.

use crate::ignore::error::PatternError;
use crate::ignore::rules::Rules;
use crate::rooted;
use crate::rooted::Unread;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use xtask_core::error::{Code, Failure};

const NAME: &str = ".dockerignore";
/// Docker fails at about 1 MiB of patterns, which is as much as fits into a header
/// between its client and its engine. Here they are not sent, but they do need memory.
const LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// An ignore file as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreFile {
    /// Where it is. Where Docker follows a link, this is the link.
    pub path: PathBuf,
    /// The bytes that it holds.
    pub bytes: Vec<u8>,
}

impl IgnoreFile {
    /// `<Dockerfile>.dockerignore` beside the Dockerfile, even if it is empty, else
    /// `.dockerignore` of the context, else nothing. `dockerfile` is the path that was opened
    /// ([`crate::dockerfile::Dockerfile::path`]).
    ///
    /// A directory or a link into nowhere of that name counts as missing, as it does for Docker.
    ///
    /// # Errors
    /// It cannot be read, is not a file, or is too large.
    pub fn of_context(context: &Path, dockerfile: &Path) -> anyhow::Result<Option<Self>> {
        let beside = match dockerfile.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if let Some(name) = dockerfile.file_name() {
            let mut own = name.to_owned();
            own.push(NAME);
            if let Some(file) = read(beside, Path::new(&own))? {
                return Ok(Some(file));
            }
        }
        Self::of_folder(context)
    }

    /// `.dockerignore` of a folder, if it has one.
    ///
    /// # Errors
    /// It cannot be read, is not a file, or is too large.
    pub fn of_folder(folder: &Path) -> anyhow::Result<Option<Self>> {
        read(folder, Path::new(NAME))
    }

    /// Parses its patterns.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn rules(&self) -> Result<Rules, Failure> {
        Rules::parse(&self.bytes).map_err(|error| self.refusal(&error))
    }

    /// The failure that names the file and the line of a pattern that Docker refuses too.
    #[must_use]
    pub fn refusal(&self, error: &PatternError) -> Failure {
        let path = self.path.display();
        Failure::new(Code::Build, format!("{path}:{}: {error}", error.line))
            .hint(format!("edit {path}"))
    }
}

fn read(folder: &Path, name: &Path) -> anyhow::Result<Option<IgnoreFile>> {
    let path = folder.join(name);
    match rooted::read(folder, name, LIMIT_BYTES) {
        Ok(bytes) => Ok(Some(IgnoreFile { path, bytes })),
        Err(Unread::Missing | Unread::Directory) => Ok(None),
        Err(error @ Unread::NotAFile) => {
            Err(refused(&path, &error, "replace it by a file, or remove it"))
        }
        Err(error @ Unread::TooLarge(_)) => Err(refused(
            &path,
            &error,
            "name directories in it instead of files",
        )),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

fn refused(path: &Path, error: &Unread, hint: &str) -> anyhow::Error {
    let message = format!("failed to read {}: {error}", path.display());
    Failure::new(Code::Build, message).hint(hint).into()
}
