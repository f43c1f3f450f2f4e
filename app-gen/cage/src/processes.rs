//! Which processes there are, and their end.

use procfs::process::{Stat, all_processes};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;

/// Sends a signal to everything below this process, and says to how many.
///
/// What is started while it looks is missed; so SIGKILL is sent until nothing is left.
pub(crate) fn signal_descendants(signal: Signal) -> usize {
    let mut children: HashMap<i32, Vec<Stat>> = HashMap::new();
    for process in living() {
        children.entry(process.ppid).or_default().push(process);
    }
    let mut reached = 0;
    let mut parents = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = parents.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            parents.push(process.pid);
            reached += usize::from(send(&process, signal));
        }
    }
    reached
}

/// Sends SIGKILL to every process of a user. Returns which these are.
pub(crate) fn kill_user(user: u32) -> Vec<Pid> {
    let is_of_user = |process: &Stat| {
        let process = procfs::process::Process::new(process.pid);
        let status = process.and_then(|process| process.status());
        status.is_ok_and(|status| [status.ruid, status.euid, status.suid].contains(&user))
    };
    let found = living().into_iter().filter(is_of_user);
    let killed = found.filter(|process| send(process, Signal::KILL));
    killed
        .filter_map(|process| Pid::from_raw(process.pid))
        .collect()
}

/// All but those that have ended and only wait to be reaped.
fn living() -> Vec<Stat> {
    let Ok(processes) = all_processes() else {
        return Vec::new();
    };
    let processes = processes.filter_map(|process| process.ok()?.stat().ok());
    processes.filter(|process| process.state != 'Z').collect()
}

/// Sends a signal to a process if it is still the one that was meant: its number may belong to another by
/// now.
fn send(meant: &Stat, signal: Signal) -> bool {
    let Some(process) = Pid::from_raw(meant.pid) else {
        return false;
    };
    let Ok(handle) = pidfd_open(process, PidfdFlags::empty()) else {
        return false;
    };
    let now = procfs::process::Process::new(meant.pid).and_then(|process| process.stat());
    now.is_ok_and(|now| now.starttime == meant.starttime)
        && pidfd_send_signal(&handle, signal).is_ok()
}
