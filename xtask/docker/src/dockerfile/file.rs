//! Finds a Dockerfile and reads it.

use crate::rooted;
use crate::rooted::Unread;
use std::path::{Path, PathBuf};
use xtask_core::error::{Code, Failure};

/// The name that Docker looks for when no Dockerfile is named. Where nothing has this name, it takes
/// the one in small letters.
pub const NAME: &str = "Dockerfile";
const SMALL_NAME: &str = "dockerfile";
/// A Dockerfile of this size is none that somebody wrote.
const LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// A Dockerfile as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// Where it is: the name that Docker opens, which also names its own ignore file. Where Docker
    /// follows a link, this is the link.
    pub path: PathBuf,
    /// The bytes that it holds.
    pub bytes: Vec<u8>,
}

impl Dockerfile {
    /// Reads the Dockerfile that Docker reads where it is given this path.
    ///
    /// # Errors
    /// Nothing is there, or a link that leads out of its folder, or something that is not a file, or
    /// is too large.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let refusal = |error: Unread| {
            let hint = match (&error, std::fs::read_link(path)) {
                (Unread::Missing, Ok(target)) => format!(
                    "Docker follows the link to {} within the folder of the Dockerfile only: replace it by a file",
                    target.display()
                ),
                _ => "name it with --file".to_owned(),
            };
            Failure::new(
                Code::Usage,
                format!("failed to read Dockerfile {}", path.display()),
            )
            .hint(hint)
            .because(error)
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = Path::new(path.file_name().ok_or_else(|| refusal(Unread::Missing))?);
        let is_there = |name: &str| folder.join(name).symlink_metadata().is_ok();
        let chosen = if name == Path::new(NAME) && !is_there(NAME) && is_there(SMALL_NAME) {
            Path::new(SMALL_NAME)
        } else {
            name
        };
        let bytes = match rooted::read(folder, chosen, LIMIT_BYTES) {
            // The builder tries again, but its client has chosen the name of the ignore file.
            Err(error @ (Unread::Missing | Unread::Directory)) if chosen == Path::new(NAME) => {
                rooted::read(folder, Path::new(SMALL_NAME), LIMIT_BYTES).map_err(|_| error)
            }
            other => other,
        };
        Ok(Self {
            path: path.with_file_name(chosen),
            bytes: bytes.map_err(refusal)?,
        })
    }
}
