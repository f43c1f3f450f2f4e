//! A bound on what a cage writes. There is no quota in a container, so somebody has to look.

use crate::cage::Cage;
use crate::roles::Role;
use rustix::fs::{StatVfs, statvfs};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What others remove from the disk hides what the cage writes, but not for longer.
const COUNT_AFTER: Duration = Duration::from_secs(10);
/// A number is shorter.
const MAX_ANSWER_BYTES: u64 = 100;

/// Looks at a disk.
pub(crate) struct Watch {
    cage: Cage,
    /// Of the file system.
    folder: PathBuf,
    /// From which number of free bytes on the folders are worth counting.
    counts_below: u64,
    /// When they were last counted.
    counted: Instant,
}

impl Watch {
    /// # Errors
    ///
    /// If the disk cannot be asked.
    pub(crate) fn new(cage: &Cage) -> io::Result<Self> {
        let folder = cage.folder.clone();
        let free = free(&statvfs(&folder)?);
        Ok(Self {
            cage: cage.clone(),
            folder,
            counts_below: free.saturating_sub(cage.limits.written_bytes),
            counted: Instant::now(),
        })
    }

    /// Whether the cage has written more than it may. Whoever else writes to the same disk makes the
    /// folders be counted, and is not counted.
    pub(crate) fn is_full(&mut self) -> bool {
        let limits = &self.cage.limits;
        let Ok(disk) = statvfs(&self.folder) else {
            return true;
        };
        let free = free(&disk);
        if free < limits.free_bytes {
            return true;
        }
        if free >= self.counts_below && self.counted.elapsed() < COUNT_AFTER {
            return false;
        }
        let written = written(&self.cage);
        let Some(left) = written.and_then(|written| limits.written_bytes.checked_sub(written))
        else {
            return true;
        };
        // Before that many bytes are written, it cannot have too many.
        self.counts_below = free.saturating_sub(left);
        self.counted = Instant::now();
        false
    }
}

fn free(disk: &StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize)
}

/// Counts as the cage's user and in a cage, since nobody else opens what it wrote. One that is hindered
/// counts nothing.
fn written(cage: &Cage) -> Option<u64> {
    let mut child = cage
        .part(Role::Measure)
        .ok()?
        .arg(&cage.workspace)
        .arg(&cage.own)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut answer = String::new();
    let output = child.stdout.take()?;
    output
        .take(MAX_ANSWER_BYTES)
        .read_to_string(&mut answer)
        .ok()?;
    // The keeper waits for every child, so it may have waited for this one already.
    let _ = child.wait();
    answer.trim().parse().ok()
}
