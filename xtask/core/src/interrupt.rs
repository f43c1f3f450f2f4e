//! Ctrl-C, SIGTERM and SIGHUP: they reach every running child and end every wait.
//!
//! The first signal asks all children to end and makes every [`check`] fail, so that the command
//! unwinds and its guards clean up. A second signal kills the children that still run, also those
//! that clean up.

use crate::error::Failure;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// How long a signal may stay unnoticed.
const POLL: Duration = Duration::from_millis(20);

static SIGNALS_SEEN: AtomicUsize = AtomicUsize::new(0);
/// Process groups of our children, and whether the first signal spares them.
static GROUPS: Mutex<BTreeMap<i32, bool>> = Mutex::new(BTreeMap::new());

/// Starts to listen for signals. `main` calls this once, before any process is started.
///
/// # Errors
/// The handlers cannot be installed.
pub fn install() -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                SIGNALS_SEEN.fetch_add(1, Ordering::SeqCst);
                for (&group, &spared) in lock_groups().iter() {
                    pass_on(group, spared);
                }
            }
        })?;
    Ok(())
}

/// Whether a signal asked the command to stop.
#[must_use]
pub fn requested() -> bool {
    SIGNALS_SEEN.load(Ordering::SeqCst) > 0
}

/// Whether a second signal came: clean-up must end at once, too.
#[must_use]
pub fn insisted() -> bool {
    SIGNALS_SEEN.load(Ordering::SeqCst) > 1
}

/// Fails from the first signal on.
///
/// # Errors
/// [`Failure::interrupted`].
pub fn check() -> Result<(), Failure> {
    if requested() {
        Err(Failure::interrupted())
    } else {
        Ok(())
    }
}

/// Sleeps, unless a signal comes.
///
/// # Errors
/// [`Failure::interrupted`].
pub fn sleep(duration: Duration) -> Result<(), Failure> {
    let end = std::time::Instant::now() + duration;
    loop {
        check()?;
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(POLL));
    }
}

/// Runs `work`, which cannot be stopped but ends by itself, on a thread of its own. Where a
/// signal comes first, it is abandoned: the thread continues, and its result is dropped.
///
/// # Errors
/// [`Failure::interrupted`]; or the thread cannot be started, or panicked.
pub fn abandon<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        // After a signal nobody receives the result.
        let _ = sender.send(work());
    })?;
    loop {
        check()?;
        match receiver.recv_timeout(POLL) {
            Ok(result) => return Ok(result),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => anyhow::bail!("a thread panicked"),
        }
    }
}

/// The process group of a child while it runs. Signals to this process are passed on to it.
#[derive(Debug)]
pub struct Group(i32);

impl Group {
    /// Registers the group that the process leads. The first signal does not reach a group that is
    /// `spared`: it cleans up, and must be able to run after that signal.
    #[must_use]
    pub fn register(process_id: u32, spared: bool) -> Self {
        let group = i32::try_from(process_id).unwrap_or(i32::MAX);
        lock_groups().insert(group, spared);
        // A signal may have come between the spawn and the line above.
        pass_on(group, spared);
        Self(group)
    }

    /// Asks every process of the group to end (SIGTERM).
    pub fn terminate(&self) {
        signal_group(self.0, Signal::TERM);
    }

    /// Ends every process of the group (SIGKILL).
    pub fn kill(&self) {
        signal_group(self.0, Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        lock_groups().remove(&self.0);
    }
}

/// Sends a group the signal that fits how often this process was signalled.
fn pass_on(group: i32, spared: bool) {
    if insisted() {
        signal_group(group, Signal::KILL);
    } else if requested() && !spared {
        signal_group(group, Signal::TERM);
    }
}

fn signal_group(group: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(group) {
        // An error means that the group has ended by itself.
        let _ = kill_process_group(pid, signal);
    }
}

fn lock_groups() -> std::sync::MutexGuard<'static, BTreeMap<i32, bool>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
