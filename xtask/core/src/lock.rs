//! File locks between processes of one machine; they end with their holder.

use crate::error::{Code, Failure};
use crate::interrupt;
use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// A lock that is held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says at once who holds it.
    ///
    /// # Errors
    /// [`Code::Busy`] with the holder, or the file cannot be written.
    pub fn try_take(path: &Path, what: &str) -> anyhow::Result<Self> {
        let mut file = open(path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Failure::new(
                Code::Busy,
                format!("{what} is already running: {}", holder.trim()),
            )
            .hint("wait for it to end, or stop that process")
            .into());
        }
        sign(&mut file).with_context(|| format!("failed to sign lock {}", path.display()))?;
        Ok(Self { _file: file })
    }

    /// As [`try_take`](Self::try_take), and gives the holder so long to end.
    ///
    /// # Errors
    /// As there, or we were interrupted.
    pub fn take_within(path: &Path, what: &str, bound: Duration) -> anyhow::Result<Self> {
        let deadline = Instant::now() + bound;
        loop {
            match Self::try_take(path, what) {
                Err(_) if Instant::now() < deadline => {
                    interrupt::sleep(Duration::from_millis(50))?;
                }
                taken => return taken,
            }
        }
    }

    /// Waits for the lock; `on_wait` is called once where it is taken by another.
    ///
    /// # Errors
    /// We were interrupted, or the file cannot be written.
    pub fn wait(path: &Path, on_wait: impl FnOnce(&str)) -> anyhow::Result<Self> {
        let mut file = open(path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            on_wait(holder.trim());
            while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                interrupt::sleep(Duration::from_millis(100))?;
            }
        }
        sign(&mut file).with_context(|| format!("failed to sign lock {}", path.display()))?;
        Ok(Self { _file: file })
    }
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

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {}", std::process::id())
}

/// The process that holds a lock, if there is one.
///
/// # Errors
/// The file cannot be read, or is held and names no process.
pub fn holder(path: &Path) -> anyhow::Result<Option<Pid>> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut file = open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        return Ok(None);
    }
    let mut holder = String::new();
    file.read_to_string(&mut holder)?;
    holder
        .trim()
        .strip_prefix("process ")
        .and_then(|pid| pid.parse().ok())
        .and_then(Pid::from_raw)
        .map(Some)
        .with_context(|| format!("{} is held and names no process", path.display()))
}

/// Ends the process that holds a lock: asks it, and waits for the lock. Returns
/// whether there was one.
///
/// # Errors
/// It still holds the lock after `grace`.
pub fn end_holder(path: &Path, grace: Duration) -> anyhow::Result<bool> {
    let Some(pid) = holder(path)? else {
        return Ok(false);
    };
    let file = open(path)?;
    // The lock is held, so the process that signed it lives: the number is not another's.
    kill_process(pid, Signal::TERM)?;
    let deadline = Instant::now() + grace;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        anyhow::ensure!(
            Instant::now() < deadline,
            "process {pid} did not end within {} s",
            grace.as_secs()
        );
        interrupt::sleep(Duration::from_millis(50))?;
    }
    Ok(true)
}
