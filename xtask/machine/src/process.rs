//! Tells processes apart: the kernel gives the number of a process that has ended to another one.

use procfs::process::{Process, all_processes};
use procfs::sys::kernel::random::boot_id;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use xtask_core::wait;

const POLL: Duration = Duration::from_millis(10);
/// How long the kernel takes, at most, to end a process that was killed.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

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

/// Which processes a signal is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The process alone, which sees to its children itself.
    Process,
    /// Its process group, which it must lead.
    Group,
}

impl Identity {
    /// The process that has this number now, or nothing where there is none or it has ended.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = process(pid)?.stat().ok()?;
        // A zombie has ended, and only waits for its parent to ask how. Where other threads of it
        // still end, they keep its ports and files open.
        if matches!(stat.state, 'Z' | 'X') && stat.num_threads <= 1 {
            return None;
        }
        Some(Self {
            pid,
            started_ticks: stat.starttime,
            boot_id: boot_id().ok()?,
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

    /// Asks it to end, waits for `grace`, then kills it. Returns whether it ran at all.
    pub fn stop(&self, reach: Reach, grace: Duration) -> bool {
        if !self.is_alive() {
            return false;
        }
        self.signal(Signal::TERM, reach);
        if !self.ends_within(grace) {
            self.signal(Signal::KILL, reach);
            self.ends_within(KILLED_WITHIN);
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
        wait::within(bound, POLL, || !self.is_alive())
    }
}

/// A process whose command line satisfies `matches`; those of other users cannot all be read.
#[must_use]
pub fn find(matches: impl Fn(&[String]) -> bool) -> Option<Identity> {
    let has = |process: &Process| process.cmdline().is_ok_and(|words| matches(&words));
    let found = all_processes().ok()?.flatten().find(has)?;
    Identity::of(u32::try_from(found.pid()).ok()?)
}

/// The short name of a process, or `?` where it cannot be read.
#[must_use]
pub fn name_of(pid: u32) -> String {
    process(pid)
        .and_then(|process| process.stat().ok())
        .map_or_else(|| "?".to_owned(), |stat| stat.comm)
}

/// The words of a process's command line; empty where they cannot be read.
#[must_use]
pub fn command_line_of(pid: u32) -> Vec<String> {
    process(pid)
        .and_then(|process| process.cmdline().ok())
        .unwrap_or_default()
}

fn process(pid: u32) -> Option<Process> {
    Process::new(i32::try_from(pid).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test waits for it itself")]
    fn a_process_is_alive_until_its_last_thread_has_ended() {
        // `exit` ends the thread that calls it, here the first one.
        let script = "import ctypes, platform, threading, time\n\
             exit = {'aarch64': 93, 'x86_64': 60}[platform.machine()]\n\
             threading.Thread(target=time.sleep, args=(60,)).start()\n\
             ctypes.CDLL(None).syscall(exit, 0)\n";
        let mut child = std::process::Command::new("python3")
            .args(["-c", script])
            .spawn()
            .unwrap();
        let state = || process(child.id()).unwrap().stat().unwrap().state;
        assert!(wait::within(KILLED_WITHIN, POLL, || state() == 'Z'));
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        assert!(identity.stop(Reach::Process, KILLED_WITHIN));
        assert!(!identity.is_alive());
        child.wait().unwrap();
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
        // It is another process, which must not be sent a signal, and nothing is waited for.
        assert!(!before.stop(Reach::Process, Duration::from_secs(30)));
    }
}
