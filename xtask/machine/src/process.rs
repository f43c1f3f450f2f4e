//! Which process is which, from `/proc`: a pid alone may have been given to somebody else since.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use xtask_core::wait;

/// One process, told apart from any later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine started.
    pub started_ticks: u64,
    /// Which start of the machine that was.
    pub boot_id: String,
}

/// What a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The process alone, which sees to its children itself.
    Process,
    /// Its whole group, which it must lead.
    Group,
}

impl Identity {
    /// The process that has this pid now; nothing where there is none or it has ended.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started_ticks) = parse_stat(&stat)?;
        // A zombie has ended; only its parent has not asked yet.
        if matches!(state, 'Z' | 'X') {
            return None;
        }
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self {
            pid,
            started_ticks,
            boot_id: boot_id.trim().to_owned(),
        })
    }

    /// Whether this very process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Its short name.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(self.pid)
    }

    /// Asks it to end, waits for `grace`, then kills it. Whether it ran at all.
    pub fn stop(&self, reach: Reach, grace: Duration) -> bool {
        if !self.is_alive() {
            return false;
        }
        self.signal(Signal::TERM, reach);
        if !self.ends_within(grace) {
            self.signal(Signal::KILL, reach);
            self.ends_within(Duration::from_secs(5));
        } else if reach == Reach::Group {
            // Children keep the group's number in use; without any this reaches nobody.
            self.signal(Signal::KILL, reach);
        }
        true
    }

    fn signal(&self, signal: Signal, reach: Reach) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // ESRCH: it ended by itself in between.
            let _ = match reach {
                Reach::Process => kill_process(pid, signal),
                Reach::Group => kill_process_group(pid, signal),
            };
        }
    }

    fn ends_within(&self, bound: Duration) -> bool {
        wait::within(bound, Duration::from_millis(10), || !self.is_alive())
    }
}

/// The short name of a process, `?` where it cannot be read.
#[must_use]
pub fn name_of(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}

/// The words of a process's command line; empty where they cannot be read.
#[must_use]
pub fn command_line_of(pid: u32) -> Vec<String> {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .map(|bytes| {
            bytes
                .split(|&byte| byte == 0)
                .filter(|word| !word.is_empty())
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect()
        })
        .unwrap_or_default()
}

pub(super) fn all_pids() -> Vec<u32> {
    std::fs::read_dir(PathBuf::from("/proc"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// State letter and start time of a line of `/proc/<pid>/stat`.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    // The name in parentheses may itself hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // `state` is field 3, the start time field 22.
    let started_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, started_ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_an_odd_name_is_read() {
        let line = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 98765 0 0";
        assert_eq!(parse_stat(line), Some(('S', 98765)));
        assert_eq!(parse_stat("42 (x"), None);
    }

    #[test]
    fn we_are_alive_and_another_start_time_is_not_us() {
        let us = Identity::of(std::process::id()).unwrap();
        assert!(us.is_alive());
        let before = Identity {
            started_ticks: us.started_ticks - 1,
            ..us.clone()
        };
        assert!(!before.is_alive());
        // Not our process: it must not be signalled, and nothing may be waited for.
        assert!(!before.stop(Reach::Process, Duration::from_secs(30)));
    }
}
