//! File locks between the processes of one machine. A lock ends with the process that holds it,
//! however that ends; the file stays, and names the last process that held it. Files of locks whose
//! names are never used again are [removed](Lock::removed_at_its_end).
//!
//! A lock of an environment, which processes on many machines share, is `xtask-operate`'s.

use crate::error::{Code, Failure};
use crate::{interrupt, wait};
use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs::{File, TryLockError};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);
/// The kernel may keep a lock for a moment after its holder let go of it: while a thread of the
/// holder starts a child, which has the file until it executes its program, and while somebody
/// reads the holder's `/proc/…/fd`.
const MOMENT: Duration = Duration::from_millis(200);
/// A process that has taken a lock signs it at once, but may be held up in between.
const SIGNING: Duration = Duration::from_secs(1);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// The file of a lock whose name is not used for long.
    removed: Option<PathBuf>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = &self.removed {
            // While it is held, so that it is nobody else's. Whoever waits for it takes a new file.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Lock {
    /// Takes the lock, or says without waiting for it who holds it.
    ///
    /// # Errors
    /// [`Code::Busy`] with the holder; or the file cannot be written or locked.
    pub fn try_take(path: &Path, what: &str) -> anyhow::Result<Self> {
        Self::take_within(path, what, MOMENT)
    }

    /// As [`try_take`](Self::try_take), after it gave the holder this long to end.
    ///
    /// # Errors
    /// As [`try_take`](Self::try_take), or a signal interrupted the wait.
    pub fn take_within(path: &Path, what: &str, bound: Duration) -> anyhow::Result<Self> {
        let busy = |_| {
            let holder = signature(path);
            Failure::new(Code::Busy, format!("{what} is already running: {holder}"))
                .hint("wait for it to end, or stop that process")
        };
        let file = wait::until(bound, POLL, || lock(path), busy)?;
        Self::signed(file, path)
    }

    /// Waits for the lock without a bound; `on_wait` is called once, with the holder, where
    /// another process holds it.
    ///
    /// # Errors
    /// A signal interrupted the wait, or the file cannot be written or locked.
    pub fn wait(path: &Path, on_wait: impl FnOnce(&str)) -> anyhow::Result<Self> {
        let mut taken = lock(path)?;
        if taken.is_none() {
            on_wait(&signature(path));
        }
        loop {
            match taken {
                Some(file) => return Self::signed(file, path),
                None => interrupt::sleep(POLL)?,
            }
            taken = lock(path)?;
        }
    }

    /// Removes the file when the lock ends. A process that is killed leaves it to the next holder.
    #[must_use]
    pub fn removed_at_its_end(mut self, path: PathBuf) -> Self {
        self.removed = Some(path);
        self
    }

    fn signed(mut file: File, path: &Path) -> anyhow::Result<Self> {
        let mut sign = || {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "process {}", std::process::id())
        };
        sign().with_context(|| format!("failed to sign lock {}", path.display()))?;
        Ok(Self {
            _file: file,
            removed: None,
        })
    }
}

/// The process that holds a lock, if there is one.
///
/// # Errors
/// The file cannot be opened or locked, or a process holds it and did not sign it.
pub fn holder(path: &Path) -> anyhow::Result<Option<Pid>> {
    if !path.is_file() {
        return Ok(None);
    }
    let file = open(path)?;
    let signed = || {
        if !is_held(&file, path)? {
            return Ok(Some(None));
        }
        // The last holder's signature is there until the next holder has written its own.
        let alive = |pid: &Pid| test_kill_process(*pid).is_ok();
        Ok(signer(path).filter(alive).map(Some))
    };
    wait::until(SIGNING, POLL, signed, |late| {
        Failure::new(
            Code::Failed,
            format!("the holder of {} did not sign it {late}", path.display()),
        )
    })
}

/// Ends the process that holds a lock: asks it, and waits for the lock. Returns whether there was
/// one.
///
/// # Errors
/// It still holds the lock after `grace`, or a signal interrupted the wait.
pub fn end_holder(path: &Path, grace: Duration) -> anyhow::Result<bool> {
    let Some(pid) = holder(path)? else {
        return Ok(false);
    };
    let file = open(path)?;
    // It holds the lock, so it lives: the number is not yet that of another process.
    kill_process(pid, Signal::TERM)?;
    wait::until(
        grace,
        POLL,
        || Ok(!is_held(&file, path)?),
        |late| Failure::new(Code::Failed, format!("process {pid} did not end {late}")),
    )?;
    Ok(true)
}

fn open(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
    }
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("failed to open lock {}", path.display()))
}

/// Takes the lock, unless a process holds it.
fn lock(path: &Path) -> anyhow::Result<Option<File>> {
    loop {
        let file = open(path)?;
        if !lock_file(&file, path)? {
            return Ok(None);
        }
        // The holder before us may have removed the file that we opened. Others do not find it, so
        // its lock keeps nobody out.
        if is_at(&file, path)? {
            return Ok(Some(file));
        }
    }
}

fn is_at(file: &File, path: &Path) -> anyhow::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

fn lock_file(file: &File, path: &Path) -> anyhow::Result<bool> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            // Either a process holds it, or one looks whether a process does.
            Err(TryLockError::WouldBlock) if is_held(file, path)? => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            Err(TryLockError::Error(error)) => return Err(unlockable(error, path)),
        }
    }
}

/// Whether a process holds the lock. To find out, this takes the lock for a moment too, but a
/// shared one: so do all who look, and they can tell each other from a holder.
fn is_held(file: &File, path: &Path) -> anyhow::Result<bool> {
    let looked = match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    };
    looked.map_err(|error| unlockable(error, path))
}

fn unlockable(error: std::io::Error, path: &Path) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("failed to lock {}", path.display()))
}

/// How the last holder signed: `process 123`.
fn signature(path: &Path) -> String {
    match std::fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

fn signer(path: &Path) -> Option<Pid> {
    let signature = signature(path);
    Pid::from_raw(signature.strip_prefix("process ")?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rendered;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_held_lock_is_refused_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/build.lock");
        assert_eq!(holder(&path).unwrap(), None, "there is no such file");

        let held = Lock::try_take(&path, "a build").unwrap();
        let own = Pid::from_raw(std::process::id().cast_signed());
        assert_eq!(holder(&path).unwrap(), own);
        let refused = Lock::try_take(&path, "a build").unwrap_err();
        let rendered = Rendered::new(&refused);
        let message = format!("a build is already running: process {}", std::process::id());
        assert_eq!(rendered.message, message);
        assert_eq!(rendered.exit_code, Code::Busy as u8);

        drop(held);
        assert_eq!(holder(&path).unwrap(), None);
        Lock::try_take(&path, "a build").unwrap();
    }

    #[test]
    fn a_waiting_process_gets_the_lock_when_its_holder_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build.lock");
        let held = Lock::try_take(&path, "a build").unwrap();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(held);
        });
        let mut seen = String::new();
        let taken = Lock::wait(&path, |holder| seen = holder.to_owned()).unwrap();
        assert_eq!(seen, format!("process {}", std::process::id()));
        ends.join().unwrap();

        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(taken);
        });
        Lock::take_within(&path, "a build", Duration::from_secs(60)).unwrap();
        ends.join().unwrap();
    }

    #[test]
    fn a_file_that_is_removed_leaves_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key-1");
        for round in 0..100 {
            let held = Lock::try_take(&path, "a build")
                .unwrap()
                .removed_at_its_end(path.clone());
            // As a process that opened the file before its holder removed it.
            let opened = open(&path).unwrap();
            drop(held);
            assert!(!path.exists(), "round {round}");
            assert!(lock_file(&opened, &path).unwrap());
            assert!(!is_at(&opened, &path).unwrap());
            let next = Lock::try_take(&path, "a build").unwrap();
            Lock::take_within(&path, "a build", Duration::ZERO).unwrap_err();
            drop(next.removed_at_its_end(path.clone()));
        }
    }

    #[test]
    fn whoever_opened_a_file_that_was_removed_keeps_others_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key-1");
        let inside = AtomicBool::new(false);
        let hold = || {
            for _ in 0..2000 {
                let Some(file) = lock(&path).unwrap() else {
                    continue;
                };
                assert!(!inside.swap(true, Ordering::SeqCst), "two hold it");
                let lock = Lock::signed(file, &path).unwrap();
                let lock = lock.removed_at_its_end(path.clone());
                std::thread::yield_now();
                inside.store(false, Ordering::SeqCst);
                drop(lock);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(hold);
            }
        });
        assert!(!path.exists());
    }

    #[test]
    fn a_look_for_the_holder_is_never_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build.lock");
        drop(Lock::try_take(&path, "a build").unwrap());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let file = open(&path).unwrap();
                    while !done.load(Ordering::Relaxed) {
                        is_held(&file, &path).unwrap();
                    }
                });
            }
            for round in 0..300 {
                let taken = Lock::try_take(&path, "a build");
                if taken.is_err() {
                    done.store(true, Ordering::Relaxed);
                }
                taken.unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn the_signature_of_a_dead_process_names_no_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build.lock");
        let held = Lock::try_take(&path, "a build").unwrap();
        // What a killed process left, before the next holder signs.
        std::fs::write(&path, format!("process {}", i32::MAX)).unwrap();
        let error = holder(&path).unwrap_err();
        assert!(error.to_string().contains("did not sign it"), "{error}");
        drop(held);
    }

    #[test]
    fn a_file_that_cannot_be_locked_is_an_error_and_not_a_holder() {
        // Opened for its path alone: whatever is done with such a file is refused.
        let flags = rustix::fs::OFlags::PATH;
        let mode = rustix::fs::Mode::empty();
        let file: File = rustix::fs::open("/dev/null", flags, mode).unwrap().into();
        let path = Path::new("/dev/null");
        for refused in [lock_file(&file, path), is_held(&file, path)] {
            let error = refused.unwrap_err();
            assert_eq!(error.to_string(), "failed to lock /dev/null");
        }
    }
}
