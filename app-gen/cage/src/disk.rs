//! A bound on what a cage writes. There is no quota in a container, so somebody has to look.

use crate::cage::Cage;
use crate::roles::Role;
use rustix::fs::{StatVfs, statvfs};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

/// Looks at a disk.
pub(crate) struct Watch {
    cage: Cage,
    /// Of the file system.
    folder: PathBuf,
    /// From which number of free bytes on the folders are worth counting.
    counts_below: u64,
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
        if free >= self.counts_below {
            return false;
        }
        let written = written(&self.cage);
        let Some(left) = written.and_then(|written| limits.written_bytes.checked_sub(written))
        else {
            return true;
        };
        // Before that many bytes are written, it cannot have too many.
        self.counts_below = free.saturating_sub(left);
        false
    }
}

fn free(disk: &StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize)
}

/// Counts as the cage's user and in a cage, since nobody else opens what it wrote. One that is hindered
/// counts nothing.
fn written(cage: &Cage) -> Option<u64> {
    let mut command = cage.part(Role::Measure).ok()?;
    let command = command
        .arg(&cage.workspace)
        .arg(&cage.own)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
