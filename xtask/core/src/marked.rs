//! Finds the processes that this build system started, also those that left its process group:
//! each carries a mark in its environment, which its own children inherit.

use crate::digest::digest_bytes;
use crate::{interrupt, wait};
use procfs::process::{Process, all_processes};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variable that marks a process. Its value names the folder of what the process works for.
pub const VARIABLE: &str = "APP_GEN_STARTED_BY_CHECKOUT";
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// The mark of a folder: that of a checkout's instance, or one that a build works in.
#[must_use]
pub fn value(folder: &Path) -> String {
    digest_bytes(folder.as_os_str().as_bytes())[..16].to_owned()
}

/// The processes that carry the mark of the folder, without this one.
#[must_use]
pub fn find(folder: &Path) -> Vec<i32> {
    find_with(&value(folder))
}

fn find_with(value: &str) -> Vec<i32> {
    let own = std::process::id().cast_signed();
    let carries_mark = |process: &Process| {
        // The environment of another user's process cannot be read, and ours have no others.
        let environment = process.environ().unwrap_or_default();
        environment
            .get(OsStr::new(VARIABLE))
            .is_some_and(|mark| mark == value)
    };
    all_processes()
        .into_iter()
        .flatten()
        .flatten()
        .filter(|process| process.pid() != own && carries_mark(process))
        .map(|process| process.pid())
        .collect()
}

/// Ends the processes of the folder: it asks them first, and kills what is left after five
/// seconds. Returns how many there were.
pub fn end(folder: &Path) -> usize {
    end_with(&value(folder))
}

/// As [`end`], for the processes whose mark has this value.
pub fn end_with(value: &str) -> usize {
    let found = find_with(value);
    signal(&found, Signal::TERM);
    let all_ended = wait::within(GRACE, POLL, || {
        interrupt::insisted() || find_with(value).is_empty()
    });
    if !all_ended || interrupt::insisted() {
        signal(&find_with(value), Signal::KILL);
    }
    found.len()
}

/// Ends the processes of the folder when it is dropped. A process group does not reach all of
/// them: a generator leaves the group of its orchestrator, so that it survives a restart.
pub struct EndOnDrop(pub PathBuf);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        end(&self.0);
    }
}

fn signal(processes: &[i32], signal: Signal) {
    for pid in processes.iter().filter_map(|&pid| Pid::from_raw(pid)) {
        // An error means that it has ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::Cmd;
    use crate::report::{Report, Verbosity};
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn a_process_with_the_mark_is_found_and_ended() {
        let mark = format!("test-{}", std::process::id());
        let report = Report::new(false, Verbosity::Quiet);
        let start = |mark: &str| {
            Cmd::new("sleep")
                .arg("60")
                .env(VARIABLE, mark)
                .spawn(&report, "sleep")
                .unwrap()
        };
        let mut marked = start(&mark);
        let mut other = start(&format!("{mark}0"));
        assert_eq!(find_with(&mark).len(), 1);

        assert_eq!(end_with(&mark), 1);
        assert_eq!(find_with(&mark), Vec::<i32>::new());
        let ended = marked.try_wait().unwrap().unwrap();
        assert_eq!(ended.signal(), Some(Signal::TERM.as_raw()));
        assert!(other.try_wait().unwrap().is_none());
        assert_eq!(end_with(&mark), 0);
    }
}
