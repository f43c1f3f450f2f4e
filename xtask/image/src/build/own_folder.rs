//! A folder that lasts as long as a value, under a name that no other folder ever has.

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The folder. It is removed with this value, or by the next process that makes one if this process
/// is killed.
#[derive(Debug)]
pub struct OwnFolder {
    path: PathBuf,
    /// Locked as long as the folder is used.
    _lock: File,
}

impl OwnFolder {
    /// Makes a folder in `parent`, and removes what killed processes have left there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(parent: &Path) -> anyhow::Result<Self> {
        let make = || -> io::Result<Self> {
            fs::create_dir_all(parent)?;
            sweep(parent)?;
            loop {
                let path = parent.join(unique_name());
                fs::create_dir(&path)?;
                // Another process may take it for an old one until it is locked.
                let locked = File::open(&path).and_then(|lock| {
                    Ok(flock(&lock, FlockOperation::LockExclusive).map(|()| lock)?)
                });
                match locked {
                    Ok(lock) if path.exists() => return Ok(Self { path, _lock: lock }),
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        };
        make().with_context(|| format!("failed to make a folder in {}", parent.display()))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn unique_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{}-{number}", time.as_nanos(), std::process::id())
}

/// Removes the folders that no process has locked.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let is_unused = File::open(&path)
            .is_ok_and(|folder| flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok());
        if is_unused {
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_uses_any_more_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let left_behind = parent.path().join("left-behind");
        fs::create_dir_all(left_behind.join("deep")).unwrap();
        let first = OwnFolder::new(parent.path()).unwrap();
        assert!(!left_behind.exists());
        fs::write(first.path().join("file"), "").unwrap();
        let second = OwnFolder::new(parent.path()).unwrap();
        assert!(first.path().join("file").exists());
        assert_ne!(first.path(), second.path());
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists() && second.path().exists());
    }
}
