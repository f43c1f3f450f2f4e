//! Processes of this machine, as `/proc` shows them.

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;
use std::fs;

/// A process and its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    process: Pid,
    parent: i32,
}

/// Sends SIGKILL to everything below this process, and says to how many.
///
/// What is started while it looks is missed; so it is called until nothing is left.
pub(crate) fn kill_descendants() -> usize {
    let entries = all();
    let mut children: HashMap<i32, Vec<Entry>> = HashMap::new();
    for entry in entries {
        children.entry(entry.parent).or_default().push(entry);
    }
    let mut killed = 0;
    let mut parents = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = parents.pop() {
        for entry in children.remove(&parent).unwrap_or_default() {
            parents.push(entry.process.as_raw_nonzero().get());
            killed += usize::from(kill(entry, |now| now == Some(entry)));
        }
    }
    killed
}

/// Sends SIGKILL to every process whose environment holds `mark`, and says to how many.
pub(crate) fn kill_marked(mark: &str) -> usize {
    let is_marked = |process: Pid| {
        let path = format!("/proc/{}/environ", process.as_raw_nonzero());
        let environment = fs::read(path).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    };
    let marked = all().into_iter();
    let marked = marked.filter(|entry| is_marked(entry.process));
    marked
        .filter(|entry| kill(*entry, |_| is_marked(entry.process)))
        .count()
}

/// Kills a process if it is still the one that was meant: its number may belong to another by now.
fn kill(entry: Entry, is_meant: impl Fn(Option<Entry>) -> bool) -> bool {
    let Ok(handle) = pidfd_open(entry.process, PidfdFlags::empty()) else {
        return false;
    };
    is_meant(read(entry.process)) && pidfd_send_signal(&handle, Signal::KILL).is_ok()
}

fn all() -> Vec<Entry> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes = names.filter_map(|name| Pid::from_raw(name.parse().ok()?));
    processes.filter_map(read).collect()
}

/// Nothing for a process that is gone, and for one that has ended and only waits to be reaped.
fn read(process: Pid) -> Option<Entry> {
    let path = format!("/proc/{}/stat", process.as_raw_nonzero());
    let stat = fs::read_to_string(path).ok()?;
    // The name in front may hold anything, brackets too.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(Entry { process, parent })
}
