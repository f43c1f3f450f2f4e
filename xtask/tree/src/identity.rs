//! How one state of a file differs from another without reading it, and the clock by which file
//! systems stamp files. Whether a stamp can be relied upon is decided in [`crate::stat_cache`].

use rustix::fs::Stat;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// A point in time as file systems store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub secs: i64,
    /// Nanoseconds after that second.
    pub nanos: u32,
}

impl Timestamp {
    /// The time of the kernel's coarse clock. The kernel stamps every later change of a file with
    /// this time or a later one. An earlier change may have a later stamp, too, because kernels
    /// since 6.13 use a finer clock for a file whose times somebody has asked for.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        Self::new(now.tv_sec, now.tv_nsec)
    }

    /// The time between the two, whichever is earlier.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        let (late, early) = (self.max(other), self.min(other));
        let secs = Duration::from_secs(late.secs.abs_diff(early.secs));
        secs.saturating_add(Duration::from_nanos(late.nanos.into()))
            .saturating_sub(Duration::from_nanos(early.nanos.into()))
    }

    fn new(secs: i64, nanos: i64) -> Self {
        Self {
            secs,
            nanos: u32::try_from(nanos).unwrap_or(u32::MAX),
        }
    }
}

/// One state of one file. Each change of the content makes another state, because no program can
/// set `changed`; only two changes within one tick of the clock may have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The device of the file system.
    pub device: u64,
    /// The number of the file within the file system.
    pub inode: u64,
    /// The length of the content.
    pub size_bytes: u64,
    /// Kind and permissions, as `stat` returns them.
    pub mode: u32,
    /// The last change of the content (`mtime`); a program can set it to any time.
    pub modified: Timestamp,
    /// The last change of content or attributes (`ctime`), which only the kernel sets.
    pub changed: Timestamp,
}

impl Identity {
    /// The state of the file at the path. Links are followed.
    ///
    /// # Errors
    /// There is no such file, or a folder on the way to it must not be searched.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        Ok(rustix::fs::stat(path)?.into())
    }
}

impl From<Stat> for Identity {
    fn from(stat: Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode,
            modified: Timestamp::new(
                stat.st_mtime,
                i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
            changed: Timestamp::new(
                stat.st_ctime,
                i64::try_from(stat.st_ctime_nsec).unwrap_or(0),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_borrow_across_seconds() {
        let (early, late) = (Timestamp::new(-1, 999_999_999), Timestamp::new(1, 1));
        assert_eq!(early.distance(late), Duration::new(1, 2));
        assert_eq!(late.distance(early), Duration::new(1, 2));
        assert_eq!(late.distance(late), Duration::ZERO);
    }

    #[test]
    fn an_edit_that_restores_size_and_time_is_another_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let before = Identity::of(&path).unwrap();
        // Waits for one tick of the coarse clock, which takes at most 10 ms on any kernel.
        while Timestamp::now() <= before.changed {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::fs::write(&path, "two").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let time = std::time::UNIX_EPOCH
            + Duration::new(before.modified.secs.unsigned_abs(), before.modified.nanos);
        file.set_modified(time).unwrap();
        let after = Identity::of(&path).unwrap();
        assert_eq!(
            (after.size_bytes, after.modified),
            (before.size_bytes, before.modified)
        );
        assert!(after.changed > before.changed);
    }
}
