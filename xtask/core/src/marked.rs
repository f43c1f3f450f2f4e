//! Finds the processes that we started, also where they left our process group:
//! they carry a mark in their environment.

use crate::digest::digest_bytes;
use crate::interrupt;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The variable; its value names the folder of whatever the process works for.
pub const VARIABLE: &str = "APP_GEN_STARTED_BY_CHECKOUT";
const GRACE: Duration = Duration::from_secs(5);

/// The mark of a folder: that of a checkout's instance, or one that a build works in.
#[must_use]
pub fn value(folder: &Path) -> String {
    digest_bytes(folder.as_os_str().as_bytes())[..16].to_owned()
}

/// Processes that carry the folder's mark, without this one.
#[must_use]
pub fn find(folder: &Path) -> Vec<i32> {
    find_with(&value(folder))
}

fn find_with(value: &str) -> Vec<i32> {
    let mark = format!("{VARIABLE}={value}").into_bytes();
    let Ok(listing) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id().cast_signed();
    listing
        .flatten()
        .filter_map(|item| item.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != own)
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|bytes| bytes.split(|&byte| byte == 0).any(|entry| entry == mark))
        })
        .collect()
}

/// Ends the folder's: asked first, killed after five seconds. Returns how many there were.
pub fn end(folder: &Path) -> usize {
    end_with(&value(folder))
}

/// Ends those that carry a mark of this value; as [`end`].
pub fn end_with(value: &str) -> usize {
    let found = find_with(value);
    signal(&found, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    loop {
        let left = find_with(value);
        if left.is_empty() {
            break;
        }
        if Instant::now() >= deadline || interrupt::insisted() {
            signal(&left, Signal::KILL);
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    found.len()
}

/// Ends the folder's processes when dropped: generators leave the process
/// group of their orchestrator, so that they survive its restarts.
pub struct EndOnDrop(pub PathBuf);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        end(&self.0);
    }
}

fn signal(processes: &[i32], signal: Signal) {
    for pid in processes.iter().filter_map(|&pid| Pid::from_raw(pid)) {
        // Gone meanwhile: what we wanted.
        let _ = kill_process(pid, signal);
    }
}
