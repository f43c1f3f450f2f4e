//! Small files that nobody may see half written, and caches that nobody may believe once they are
//! damaged. What the caches hold, and when they are out of date, is decided by their owners.

use crate::digest::digest_bytes;
use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Writes the bytes to a new file and renames it to `path`, so that a reader sees the old content
/// or the new content and nothing in between.
///
/// # Errors
/// The folder or the file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    // Images are built at the same time, and two threads may write the same file.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut temporary = path.as_os_str().to_owned();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        temporary.push(format!(".{}-{number}", std::process::id()));
        std::fs::write(&temporary, bytes)
            .and_then(|()| std::fs::rename(&temporary, path))
            .inspect_err(|_| {
                let _ = std::fs::remove_file(&temporary);
            })
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}

/// Writes a value together with its digest, for [`read_checked`].
///
/// # Errors
/// As [`write_atomically`].
pub fn write_checked<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let json = serde_json::to_string(value)?;
    let digest = digest_bytes(json.as_bytes());
    write_atomically(path, format!("{digest}\n{json}").as_bytes())
}

/// The value that [`write_checked`] wrote. `None` where the file does not exist, where any of its
/// bytes has changed, and where the value was of another type.
#[must_use]
pub fn read_checked<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let text = std::fs::read_to_string(path).ok()?;
    let (digest, json) = text.split_once('\n')?;
    (digest == digest_bytes(json.as_bytes())).then_some(())?;
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_has_no_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let value = vec!["one".to_owned(), "two".to_owned()];
        write_checked(&path, &value).unwrap();
        let read = || read_checked::<Vec<String>>(&path);
        assert_eq!(read().as_ref(), Some(&value));
        assert_eq!(read_checked::<u32>(&path), None, "of another type");

        let whole = std::fs::read(&path).unwrap();
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[position] ^= 1 << bit;
                std::fs::write(&path, &flipped).unwrap();
                assert_eq!(read(), None, "bit {bit} of byte {position}");
            }
            std::fs::write(&path, &whole[..position]).unwrap();
            assert_eq!(read(), None, "cut at {position}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(), None);
    }

    #[test]
    fn side_by_side_writers_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        std::thread::scope(|scope| {
            for number in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        write_checked(path, &vec![number; 10_000]).unwrap();
                        assert!(read_checked::<Vec<i32>>(path).is_some());
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
