//! The process outside of a cage that starts the command in it, answers for it, and ends it.
//!
//! It runs as root with nothing in its memory but the cage. It is a subreaper: a descendant whose parent
//! ends becomes its child. When it has no child left, nothing is left in the cage. Nobody in the cage can
//! signal, trace or read it.

use crate::cage::{Cage, DISK_FULL, NOT_STARTED, TOO_LATE};
use crate::disk::Watch;
use crate::processes::signal_descendants;
use crate::roles::{OURSELVES, Role};
use crate::{filter, kernel, sockets};
use rustix::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, geteuid, getpid, getppid,
    set_child_subreaper, set_dumpable_behavior, wait,
};
use rustix::stdio::dup2_stdin;
use rustix::thread::set_no_new_privs;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long processes may resist SIGKILL: one that waits for a disk does.
const KILL_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at what is left.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two looks at the disk and at the generator.
const WATCH: Duration = Duration::from_millis(100);
/// An error is shorter.
const MAX_ERROR_BYTES: u64 = 4_096;

/// The work of [`Role::Keep`]. Its arguments are the number of who started it, the cage, the program and
/// the program's arguments.
pub(crate) fn keep(arguments: &[OsString]) -> ExitCode {
    let code = match attend(arguments) {
        Ok(code) => code,
        Err(error) => {
            sweep();
            // One that nobody reads is no reason to say nothing by the exit code.
            let _ = writeln!(
                io::stderr(),
                "the command does not start in its cage: {error}"
            );
            NOT_STARTED
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn attend(arguments: &[OsString]) -> io::Result<i32> {
    let [generator, cage, command @ ..] = arguments else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let generator = generator.to_str().and_then(|number| number.parse().ok());
    let generator = generator.and_then(Pid::from_raw);
    let text = cage.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    let cage: Cage = serde_json::from_str(text)?;
    if !geteuid().is_root() {
        return Err(io::Error::other("only root can keep a cage"));
    }
    if getppid() != generator {
        return Err(io::Error::other("who started it is gone"));
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_child_subreaper(Some(getpid()))?;
    set_no_new_privs(true)?;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1])?;
    let is_asked = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let is_asked = Arc::clone(&is_asked);
        move || {
            for signal in signals.forever() {
                if signal != SIGUSR1 {
                    kill_all();
                }
                is_asked.store(true, Ordering::SeqCst);
                signal_descendants(Signal::TERM);
            }
        }
    });
    // Threads that are there before this one has to ask do not have to.
    let (listener, listeners) = mpsc::channel::<OwnedFd>();
    let ports = cage.ports.chosen.clone();
    thread::spawn(move || {
        for listener in listeners {
            sockets::answer(listener.as_fd(), &ports);
        }
    });
    let disk = Watch::new(&cage)?;
    let end = Instant::now() + Duration::from_secs(cage.limits.seconds);
    let ended_by = Arc::new(AtomicI32::new(0));
    let (runs, begins) = mpsc::channel::<()>();
    thread::spawn({
        let ended_by = Arc::clone(&ended_by);
        move || {
            if begins.recv().is_ok() {
                let code = watch(generator, disk, end);
                ended_by.store(code, Ordering::SeqCst);
                kill_all();
            }
        }
    });
    let asks = kernel::notify(&filter::questions())
        .map_err(|error| io::Error::other(format!("no notifications of seccomp: {error}")))?;
    listener.send(asks).map_err(io::Error::other)?;

    let program = start(text, command)?;
    // An end of the command's input reaches who writes it, although this process had it too.
    dup2_stdin(File::open("/dev/null")?)?;
    runs.send(()).map_err(io::Error::other)?;
    let status = reap(program)?;
    // A shell between npm and a server ends first, and the server may still do what it has to.
    if is_asked.load(Ordering::SeqCst) {
        reap_all()?;
    }
    if !sweep() {
        return Err(io::Error::other("processes are left that cannot be killed"));
    }
    let ended_by = ended_by.load(Ordering::SeqCst);
    let words = match ended_by {
        DISK_FULL => "it wrote more than it may",
        TOO_LATE => "it took longer than it may",
        _ => return Ok(code(status)),
    };
    // The exit code says it too.
    let _ = writeln!(io::stderr(), "{words}");
    Ok(ended_by)
}

/// Starts the command and returns when it runs.
#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper of xtask is not for the generator; this process is what bounds its child"
)]
fn start(cage: &str, command: &[OsString]) -> io::Result<Pid> {
    // It is closed when the process becomes the command, and tells before that if it cannot.
    let (told, tells) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfd(&tells, FdFlags::empty())?;
    let child = Command::new(OURSELVES)
        .args([Role::MARK, Role::Enter.name(), cage])
        .arg(tells.as_raw_fd().to_string())
        .arg(getpid().to_string())
        .args(command)
        .spawn()?;
    drop(tells);
    let mut error = String::new();
    File::from(told)
        .take(MAX_ERROR_BYTES)
        .read_to_string(&mut error)?;
    match error.is_empty() {
        // Only `reap` waits for it, so its number stays its own until then.
        true => Ok(Pid::from_child(&child)),
        false => Err(io::Error::other(error)),
    }
}

/// Waits until everything has to end, and says why: by an exit code, or 0 if the generator is gone.
fn watch(generator: Option<Pid>, mut disk: Watch, end: Instant) -> i32 {
    loop {
        thread::sleep(WATCH);
        if getppid() != generator {
            return 0;
        }
        if disk.is_full() {
            return DISK_FULL;
        }
        if Instant::now() > end {
            return TOO_LATE;
        }
    }
}

/// Kills whatever is there and whatever comes, until the process ends.
fn kill_all() -> ! {
    loop {
        signal_descendants(Signal::KILL);
        thread::sleep(PAUSE);
    }
}

/// Waits for the program, and for whatever becomes a child of this process meanwhile.
fn reap(program: Pid) -> io::Result<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => return Ok(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until everything has ended, by itself or because [`kill_all`] began.
fn reap_all() -> io::Result<()> {
    loop {
        match wait(WaitOptions::empty()) {
            Err(Errno::CHILD) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn code(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        // They are ours.
        (Some(NOT_STARTED | DISK_FULL | TOO_LATE), _) => 1,
        (Some(code), _) => code,
        (None, signal) => 128 + signal.unwrap_or_default(),
    }
}

/// Kills and reaps until this process has no child: then nothing is left. Says whether that is so.
fn sweep() -> bool {
    let began = Instant::now();
    loop {
        signal_descendants(Signal::KILL);
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return true,
            }
        }
        if began.elapsed() > KILL_PATIENCE {
            return false;
        }
        thread::sleep(PAUSE);
    }
}
