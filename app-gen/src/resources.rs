//! What an attempt takes of its task: processor, memory and disk. The size of the next task follows from it.
//!
//! The files of control groups differ between platforms, and their count of memory holds the cache of
//! files, which grows to whatever there is. So this adds up what the processes of the container hold.

use app_gen_contract::Body;
use rustix::fs::statvfs;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A compiler that takes much for less than this is not seen.
const INTERVAL: Duration = Duration::from_secs(1);
/// The unit of times in `/proc`: `USER_HZ`, the same on every machine that Linux runs on today.
const MILLISECONDS_PER_TICK: u64 = 10;

/// The most that the container took so far. Dropping it ends the measurement.
#[derive(Debug)]
pub(crate) struct Resources {
    peaks: Arc<Peaks>,
}

#[derive(Debug)]
struct Peaks {
    /// What is on this disk beyond what was there at the start counts.
    disk: PathBuf,
    disk_at_start: u64,
    memory_bytes: AtomicU64,
    disk_bytes: AtomicU64,
}

impl Resources {
    /// Begins to measure. `folder` is on the disk that fills up.
    pub(crate) fn measure(folder: &Path) -> Self {
        let peaks = Arc::new(Peaks {
            disk: folder.to_owned(),
            disk_at_start: used_bytes(folder).unwrap_or_default(),
            memory_bytes: AtomicU64::default(),
            disk_bytes: AtomicU64::default(),
        });
        let measured = Arc::downgrade(&peaks);
        // Not a task of the runtime: what keeps its threads busy is what is to be seen.
        thread::spawn(move || {
            while let Some(peaks) = measured.upgrade() {
                peaks.look();
                drop(peaks);
                thread::sleep(INTERVAL);
            }
        });
        Self { peaks }
    }

    /// What was taken so far, as an event.
    pub(crate) fn to_body(&self) -> Body {
        self.peaks.look();
        Body::Resources {
            peak_memory_bytes: self.peaks.memory_bytes.load(Ordering::Relaxed),
            peak_disk_bytes: self.peaks.disk_bytes.load(Ordering::Relaxed),
            processor_milliseconds: processor_milliseconds().unwrap_or_default(),
        }
    }
}

impl Peaks {
    fn look(&self) {
        let disk = used_bytes(&self.disk).unwrap_or_default();
        let disk = disk.saturating_sub(self.disk_at_start);
        self.disk_bytes.fetch_max(disk, Ordering::Relaxed);
        self.memory_bytes
            .fetch_max(memory_bytes(), Ordering::Relaxed);
    }
}

/// What is stored on the disk of a folder.
fn used_bytes(folder: &Path) -> Option<u64> {
    let disk = statvfs(folder).ok()?;
    Some((disk.f_blocks - disk.f_bfree) * disk.f_frsize)
}

/// What all processes hold that no file can give back. Pages that several of them share count once
/// for each that changed its copy.
fn memory_bytes() -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let kibibytes = processes
        .filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit())
        // A process that has just ended holds nothing.
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .map(|status| held_kibibytes(&status));
    kibibytes.sum::<u64>() * 1024
}

fn held_kibibytes(status: &str) -> u64 {
    let of = |line: &str| {
        let value = line
            .strip_prefix("RssAnon:")
            .or_else(|| line.strip_prefix("RssShmem:"))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    status.lines().filter_map(of).sum()
}

/// The time of this process and of all descendants that have ended: each is waited for by its parent, and
/// this process adopts those that have lost theirs.
fn processor_milliseconds() -> Option<u64> {
    ticks(&fs::read_to_string("/proc/self/stat").ok()?).map(|ticks| ticks * MILLISECONDS_PER_TICK)
}

/// Fields 14 to 17 of `stat`. The name, which may hold anything, ends with the last bracket.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(4);
    times.map(|time| time.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_found_whatever_a_program_is_called() {
        let stat = "12 (a ) 9 (b) S 1 12 12 0 -1 4194560 9 9 9 9 70 30 5 6 20 0 1 0 9 9 9";
        assert_eq!(ticks(stat), Some(111));
        assert_eq!(ticks("12 (a"), None);
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t  100 kB\nRssFile:\t 780 kB\nRssShmem:\t  20 kB\n";
        assert_eq!(held_kibibytes(status), 120);
    }

    #[test]
    fn peaks_stay_after_what_took_them_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let resources = Resources::measure(folder.path());
        let mib = 1024 * 1024;
        let held = vec![1_u8; 64 * mib];
        std::hint::black_box(&held);
        fs::write(folder.path().join("large"), &held).unwrap();
        let large = resources.to_body();
        drop(held);
        fs::remove_file(folder.path().join("large")).unwrap();
        let Body::Resources {
            peak_memory_bytes,
            peak_disk_bytes,
            ..
        } = large
        else {
            panic!("{large:?}");
        };
        assert!(peak_memory_bytes >= 64 * mib as u64, "{large:?}");
        // Others write to this disk, too.
        let Body::Resources {
            peak_memory_bytes: memory_bytes,
            peak_disk_bytes: disk_bytes,
            processor_milliseconds,
        } = resources.to_body()
        else {
            panic!();
        };
        assert!(memory_bytes >= peak_memory_bytes && disk_bytes >= peak_disk_bytes);
        assert!(processor_milliseconds > 0);
    }
}
