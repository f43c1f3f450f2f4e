//! A copy of the real checkout, driven by the built `xtask` against this machine's engine and
//! the tests' own registry and local cloud: through `--json` and exit codes, without a terminal.

pub(crate) mod copy;
pub(crate) mod generators;
pub(crate) mod jobs;

use crate::common::sh;
use crate::common::{events, instance};
use app_gen_infra::Platform;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use xtask_machine::aws::BINARY_VARIABLE;
use xtask_machine::process::command_line_of;

/// How long a process that was killed may still be listed.
const VANISH: Duration = Duration::from_secs(1);
/// No run takes longer, not even one that has everything to compile.
pub(crate) const RUN: Duration = Duration::from_secs(20 * 60);

/// The tests of one file share the lock, the ports and the compose project.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The checkout of this test.
pub(crate) fn root() -> PathBuf {
    copy::root()
}

/// Its manifest.
pub(crate) fn platform() -> Platform {
    instance::context(&root()).platform
}

/// Where the instance keeps what it runs in this checkout.
pub(crate) fn work_folder() -> PathBuf {
    instance::context(&root()).work_folder()
}

/// What a finished run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// The one JSON object on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    pub(crate) fn expect_success(self) -> Value {
        assert_eq!(self.code, 0, "{self:#?}");
        self.json()
    }

    /// The JSON objects on standard output, one a line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The lines of a log that was followed until an interrupt, which comes last.
    pub(crate) fn followed(&self) -> Vec<Value> {
        assert_eq!(self.code, 130, "{self:#?}");
        let mut objects = self.objects();
        let end = objects.pop().unwrap();
        assert_eq!(end["error"]["exit_code"], 130, "{end}");
        objects
    }

    /// The error of a run that ended with this code; all but an interrupt have a hint.
    pub(crate) fn expect_error(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{self:#?}");
        let error = self.json()["error"].clone();
        assert_eq!(error["exit_code"], code, "{self:#?}");
        assert!(
            code == 130 || error["hint"].is_string(),
            "no hint: {self:#?}"
        );
        error
    }
}

/// `xtask` at work, leading a session of its own, by which its children are known
/// also where it has left them behind.
pub(crate) struct Started {
    child: Child,
    started: Instant,
    output: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    abandoned: bool,
}

impl Started {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self::at(&root(), arguments, &[])
    }

    /// In another checkout, with these variables more.
    pub(crate) fn at(root: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        Self::given(root, arguments, env, Stdio::null())
    }

    /// With something on standard input, too.
    pub(crate) fn given(
        root: &Path,
        arguments: &[&str],
        env: &[(&str, &str)],
        stdin: impl Into<Stdio>,
    ) -> Self {
        let mut child = command(root, arguments)
            .envs(env.iter().copied())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let [output, errors] = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
        let readers = vec![
            collect(child.stdout.take().unwrap(), &output),
            collect(child.stderr.take().unwrap(), &errors),
        ];
        Self {
            child,
            started: Instant::now(),
            output,
            errors,
            readers,
            abandoned: false,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn stderr(&self) -> String {
        events::readable(&self.errors.lock().unwrap().join("\n"))
    }

    /// Waits until standard error has a line with this text.
    pub(crate) fn says(&mut self, text: &str) {
        let errors = Arc::clone(&self.errors);
        self.wait_for(text, || {
            let lines = errors.lock().unwrap();
            lines
                .iter()
                .any(|line| events::readable(line).contains(text))
                .then_some(())
        });
    }

    /// Waits until standard output has a line with this text.
    pub(crate) fn prints(&mut self, text: &str) {
        let output = Arc::clone(&self.output);
        self.wait_for(text, || {
            let lines = output.lock().unwrap();
            lines.iter().any(|line| line.contains(text)).then_some(())
        });
    }

    /// Waits until standard output has so many lines.
    pub(crate) fn prints_lines(&mut self, count: usize) {
        let output = Arc::clone(&self.output);
        self.wait_for(&format!("{count} lines"), || {
            Some(()).filter(|()| output.lock().unwrap().len() >= count)
        });
    }

    /// The JSON object on standard output of one that runs on.
    pub(crate) fn answer(&mut self) -> Value {
        let output = Arc::clone(&self.output);
        self.wait_for("an answer", || {
            let line = output.lock().unwrap().first().cloned()?;
            Some(serde_json::from_str(&line).unwrap())
        })
    }

    fn wait_for<T>(&mut self, what: &str, probe: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + RUN;
        loop {
            let ended = self.child.try_wait().unwrap();
            if let Some(found) = probe() {
                return found;
            }
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "it never said `{what}` ({ended:?}):\n{}",
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it, so that it cannot clean up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it, and leaves alone what it started: by its process id that is found again.
    pub(crate) fn abandon(mut self) -> u32 {
        self.kill();
        self.abandoned = true;
        self.pid()
    }

    /// Its end, which must come in time, after that of all its children.
    pub(crate) fn ends_within(mut self, bound: Duration) -> Ran {
        let deadline = Instant::now() + bound;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "still there after {bound:?}:\n{}\n{:#?}",
                self.stderr(),
                session(self.pid())
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let took = self.started.elapsed();
        let vanished = Instant::now() + VANISH;
        while !session(self.pid()).is_empty() {
            assert!(
                Instant::now() < vanished,
                "it left {:#?}\n{}",
                session(self.pid()),
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ran {
            code: status.code().unwrap_or(-1),
            stdout: self.output.lock().unwrap().join("\n"),
            stderr: self.stderr(),
            took,
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Already over in a test that passes; else it takes with it what it started.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let deadline = Instant::now() + Duration::from_secs(30);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let left = match self.abandoned {
            true => Vec::new(),
            false => session(self.pid()),
        };
        for (pid, _) in left {
            let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// `xtask` in a checkout, as the leader of a session.
pub(crate) fn command(root: &Path, arguments: &[&str]) -> Command {
    // It becomes the program itself, so the process id stays.
    let mut command = Command::new("setsid");
    command
        .arg(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .current_dir(root)
        .envs([instance::VARIABLE, (BINARY_VARIABLE, instance::xtask_aws())])
        // What was compiled for the real checkout need not be compiled for a copy again.
        .env("CARGO_BUILD_BUILD_DIR", instance::source().join("target"))
        // Cargo takes the copy's packages for the checkout's, whose place in their workspace is the same, and would
        // give it there for as long as the copy's files stay as they are. What this starts is told apart.
        .env("RUSTC_WORKSPACE_WRAPPER", "/usr/bin/env")
        .env_remove("CARGO_TARGET_DIR")
        // It would answer questions with yes.
        .env_remove("CI");
    command
}

/// Keeps the lines that come out of a pipe.
fn collect(pipe: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}

/// Runs `xtask` to its end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    Started::new(arguments).ends_within(RUN)
}

/// The processes of a session that have not ended, with their command lines.
pub(crate) fn session(leader: u32) -> Vec<(u32, String)> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|item| item.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // State, parent, group, session: after the name, which may hold anything.
            let mut fields = stat.rsplit(')').next().unwrap().split_ascii_whitespace();
            let alive = !matches!(fields.next(), None | Some("Z" | "X"));
            alive && fields.nth(2).is_some_and(|id| id == leader.to_string())
        })
        .map(|pid| (pid, command_line_of(pid).join(" ")))
        .collect()
}

/// Waits until `probe` gives something.
pub(crate) fn wait_for<T>(what: &str, bound: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {bound:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The filter by which the engine finds the parts of the compose project.
pub(crate) fn of_project() -> String {
    format!(
        "label=com.docker.compose.project={}",
        platform().local.compose_project
    )
}

/// The cluster of validate in the local cloud.
pub(crate) fn cluster() -> String {
    format!("validate-{}-cluster", platform().project)
}

/// That no container, network, volume, running task or secret of a validate or dev is there.
pub(crate) fn assert_nothing_left(after: &str) {
    let filter = of_project();
    for listing in [
        &["ps", "--all", "--quiet"][..],
        &["network", "ls", "--quiet"],
        &["volume", "ls", "--quiet"],
    ] {
        let left = sh!("docker {listing...} --filter {filter}");
        assert!(left.is_empty(), "{after}: {listing:?}: {left}");
    }
    let tasks = generators::running();
    assert!(tasks.is_empty(), "{after}: tasks run on: {tasks:?}");
    let secrets = fs::read_dir(work_folder().join("secrets"));
    let secrets: Vec<_> = secrets.into_iter().flatten().collect();
    assert!(secrets.is_empty(), "{after}: {secrets:?}");
}
