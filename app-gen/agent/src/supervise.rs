//! The process between the generator and an agent: it starts the agent, and outlives all that the agent
//! starts.
//!
//! The commands of agents live in sessions of their own, so no process group holds them together. This
//! process is a subreaper: a descendant whose parent ends becomes its child. When it has no child left,
//! nothing is left. It is a process and not a part of the generator since several agents may work side by
//! side, and since it notices when the generator is killed: its standard input, a socket, is closed then.
//!
//! All that touches the files of an agent happens here, so that a generator that keeps secrets has no
//! reason to open what an agent wrote.

use crate::fingerprint::Fingerprint;
use crate::processes::kill_descendants;
use crate::verdict::Exit;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal,
    set_child_subreaper, wait,
};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long `--version` may take on a machine with much to do.
const VERSION_PATIENCE: Duration = Duration::from_secs(60);
/// How long processes may resist SIGKILL: one that waits for a disk does.
const KILL_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at what is left.
const PAUSE: Duration = Duration::from_millis(5);

/// How a program is started.
#[derive(Clone, Serialize, Deserialize)]
pub struct Launch {
    /// Its file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of its environment.
    pub environment: BTreeMap<String, String>,
    /// Its current folder.
    pub workspace: PathBuf,
    /// Its standard input.
    pub prompt: String,
    /// Folders that are created if they are missing.
    pub folders: Vec<PathBuf>,
    /// The folder that configures it. Before each start it is emptied …
    pub state: PathBuf,
    /// … but for these names in it …
    pub keeps: Vec<String>,
    /// … and gets these files.
    pub files: Vec<(String, String)>,
    /// Whether it is asked for its version first.
    pub asks_version: bool,
}

/// What the generator says to this process, a line of JSON each.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// The first.
    Launch(Box<Launch>),
    /// A signal for the agent's program.
    Signal(i32),
    /// The end of everything. So is the end of the lines.
    Kill,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The program runs.
    Started {
        version: Option<String>,
        workspace: Fingerprint,
    },
    /// The program has ended, and so has everything that it started.
    Ended {
        exit: Exit,
        /// Processes that had to be killed after it.
        killed: usize,
        /// Whether one is left that cannot be killed.
        has_survivors: bool,
        workspace: Option<Fingerprint>,
    },
    /// It could not be started.
    Failed(String),
}

/// The program that agents are started through. The first and only thing that its process does.
#[must_use]
pub fn supervise() -> ExitCode {
    let control = io::stdin().as_fd().try_clone_to_owned();
    let Ok(mut control) = control.map(UnixStream::from) else {
        return ExitCode::FAILURE;
    };
    let report = match attend(&control) {
        Ok(report) => report,
        Err(error) => {
            sweep();
            Report::Failed(error.to_string())
        }
    };
    match send(&mut control, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn send(control: &mut UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    control.write_all(&line)
}

/// What the threads know of each other.
#[derive(Default)]
struct Shared {
    /// The program, as long as it runs.
    program: Mutex<Option<OwnedFd>>,
    /// Everything is to end.
    is_killed: AtomicBool,
}

fn attend(control: &UnixStream) -> io::Result<Report> {
    set_child_subreaper(Some(getpid()))?;
    let mut orders = BufReader::new(control.try_clone()?);
    let mut line = String::new();
    orders.read_line(&mut line)?;
    let Order::Launch(launch) = serde_json::from_str(&line)? else {
        return Err(io::Error::other("the first order is to launch"));
    };
    let shared = Arc::new(Shared::default());
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::spawn({
        let shared = Arc::clone(&shared);
        move || obey(orders, &shared)
    });
    thread::spawn({
        let shared = Arc::clone(&shared);
        move || end_at(signals, &shared)
    });

    prepare(&launch)?;
    let before = Fingerprint::of(&launch.workspace)?;
    let version = match launch.asks_version {
        true => version(&launch),
        false => None,
    };
    let program = start(&launch, &shared)?;
    let started = Report::Started {
        version,
        workspace: before,
    };
    // A generator that is gone is noticed where orders are read.
    let _ = send(&mut control.try_clone()?, &started);
    let exit = reap(program)?;
    *lock(&shared.program) = None;
    let (killed, has_survivors) = sweep();
    Ok(Report::Ended {
        exit,
        killed,
        has_survivors,
        workspace: Fingerprint::of(&launch.workspace).ok(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that panics happens while it is locked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what the generator says, until it says no more.
fn obey(orders: BufReader<UnixStream>, shared: &Shared) {
    for line in orders.lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Order::Signal(number)) => {
                let program = lock(&shared.program);
                if let (Some(program), Some(signal)) = (&*program, Signal::from_named_raw(number)) {
                    // One that has just ended needs no signal.
                    let _ = pidfd_send_signal(program, signal);
                }
            }
            _ => break,
        }
    }
    kill_all(shared);
}

/// What ends this process must not leave the agent behind.
fn end_at(mut signals: Signals, shared: &Shared) {
    if signals.forever().next().is_some() {
        kill_all(shared);
    }
}

/// Kills whatever is there and whatever comes, until the process ends.
fn kill_all(shared: &Shared) {
    shared.is_killed.store(true, Ordering::SeqCst);
    loop {
        kill_descendants();
        thread::sleep(PAUSE);
    }
}

fn folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn prepare(launch: &Launch) -> io::Result<()> {
    let named = |path: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    for path in launch.folders.iter().chain([&launch.state]) {
        folder(path).map_err(|error| named(path, error))?;
    }
    for entry in fs::read_dir(&launch.state)? {
        let entry = entry?;
        let path = entry.path();
        if launch.keeps.iter().any(|name| entry.file_name() == **name) {
            continue;
        }
        let removed = match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.map_err(|error| named(&path, error))?;
    }
    for (name, text) in &launch.files {
        let path = launch.state.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| named(&path, error))?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper of xtask is not for the generator; this process is what bounds its child"
)]
fn command(launch: &Launch) -> Command {
    let mut command = Command::new(&launch.program);
    command
        .env_clear()
        .envs(&launch.environment)
        .current_dir(&launch.workspace);
    command
}

/// What the program answers when it is asked for its version.
fn version(launch: &Launch) -> Option<String> {
    let mut child = command(launch)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = child.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut answer = String::new();
        // What is no text is no version.
        let _ = output.take(1_000).read_to_string(&mut answer);
        answer
    });
    let began = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if began.elapsed() > VERSION_PATIENCE {
            child.kill().ok()?;
        }
        thread::sleep(PAUSE);
    }
    let answer = reader.join().ok()?;
    Some(answer.lines().next()?.trim().to_owned())
}

fn start(launch: &Launch, shared: &Shared) -> io::Result<Pid> {
    // A file without a name: it ends, as a pipe that somebody else may hold does not.
    let mut prompt = File::from(memfd_create("prompt", MemfdFlags::CLOEXEC)?);
    prompt.write_all(launch.prompt.as_bytes())?;
    prompt.rewind()?;
    let mut program = lock(&shared.program);
    if shared.is_killed.load(Ordering::SeqCst) {
        return Err(io::Error::other("it was ended before it began"));
    }
    let child = command(launch)
        .args(&launch.arguments)
        .stdin(Stdio::from(prompt))
        .spawn()
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{}: {error}", launch.program.display()),
            )
        })?;
    // Only `reap` waits for it, so its number stays its own until then.
    let pid = Pid::from_child(&child);
    *program = Some(pidfd_open(pid, PidfdFlags::empty())?);
    Ok(pid)
}

/// Waits for the program, and for whatever becomes a child of this process meanwhile.
fn reap(program: Pid) -> io::Result<Exit> {
    loop {
        let Some((pid, status)) = wait(WaitOptions::empty())? else {
            continue;
        };
        if pid != program {
            continue;
        }
        if let Some(code) = status.exit_status() {
            return Ok(Exit::Code(code));
        }
        if let Some(signal) = status.terminating_signal() {
            return Ok(Exit::Signal(signal));
        }
    }
}

/// Kills and reaps until this process has no child: then nothing is left. Says how many it killed, and
/// whether some resisted.
fn sweep() -> (usize, bool) {
    let began = Instant::now();
    let mut killed = 0;
    loop {
        killed += kill_descendants();
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return (killed, false),
            }
        }
        if began.elapsed() > KILL_PATIENCE {
            return (killed, true);
        }
        thread::sleep(PAUSE);
    }
}
