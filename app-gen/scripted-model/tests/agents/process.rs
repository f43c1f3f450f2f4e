//! Processes with a bound, in a group that ends as a whole.

use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes, npm on a slow line included.
const PATIENCE: Duration = Duration::from_secs(600);
/// What a user's own agents and keys are configured with.
const NOT_OURS: [&str; 5] = ["ANTHROPIC", "CLAUDE", "CODEX", "OPENAI", "AWS"];

/// A command without the user's agents and keys in its environment, and nothing to read.
#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper of xtask is not for these tests; every process here is bounded"
)]
pub(crate) fn command(program: impl AsRef<Path>, folder: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if NOT_OURS.iter().any(|start| text.starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// A process whose output goes to files, so that nobody waits for a reader.
pub(crate) struct Running {
    pub(crate) child: Child,
    began: Instant,
    output: PathBuf,
    errors: PathBuf,
}

/// What a process left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Running {
    /// Starts a command; its output goes to files in `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        let (output, errors) = (folder.join("output"), folder.join("errors"));
        command
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(&errors).unwrap())
            .process_group(0);
        Self {
            child: command.spawn().unwrap(),
            began: Instant::now(),
            output,
            errors,
        }
    }

    /// Waits until `is_reached`, or the process ends.
    pub(crate) fn wait_until(&mut self, is_reached: impl Fn() -> bool) {
        while !is_reached() && self.child.try_wait().unwrap().is_none() {
            assert!(self.began.elapsed() < PATIENCE, "it never comes that far");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn end(mut self) -> Ended {
        self.wait_until(|| false);
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        Ended {
            status: self.child.wait().unwrap(),
            output: read(&self.output),
            errors: read(&self.errors),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is fine too.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Runs npm in a folder.
pub(crate) fn npm(folder: &Path, arguments: &[&str]) -> String {
    let logs = tempfile::tempdir().unwrap();
    let mut command = command("npm", folder);
    command.args(arguments);
    let ended = Running::start(command, logs.path()).end();
    assert!(
        ended.status.success(),
        "npm {arguments:?}: {}{}",
        ended.output,
        ended.errors
    );
    ended.output
}
