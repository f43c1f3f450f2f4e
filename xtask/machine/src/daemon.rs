//! A service in the background, which outlives the command that starts it.
//!
//! It has a session of its own, a log in the state folder, and a record that says which process it
//! is, so that we never send a signal to a process that is not ours.

use crate::process::{self, Identity, Reach};
use anyhow::Context as _;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use xtask_core::atomic_file::write_atomically;
use xtask_core::error::{Code, Failure};
use xtask_core::marked;
use xtask_core::wait;

/// How many of the log's last lines an error quotes.
const QUOTED_LINES: usize = 12;
/// How long a service that did not start in time has to end by itself.
const FAILED_GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(25);

/// A service in the background, whether it runs or not.
#[derive(Debug, Clone)]
pub struct Daemon {
    name: String,
    reach: Reach,
    record: PathBuf,
    log: PathBuf,
}

/// Which process a service is, from `run/NAME.json`.
#[derive(Debug)]
pub struct Record(Identity);

impl Record {
    /// The record at `path`, or nothing where it is missing or damaged, or the process has ended.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        // A damaged record names no process, so that no signal is sent because of it.
        let identity: Identity = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        identity.is_alive().then_some(Self(identity))
    }

    /// Kills the process at once, and waits until it has ended.
    pub fn kill(&self) {
        self.0.stop(Reach::Process, Duration::ZERO);
    }
}

/// The program of a service, and how it is started.
#[derive(Debug, Default)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables to set.
    pub env: Vec<(OsString, OsString)>,
    /// Environment variables to remove.
    pub env_remove: Vec<String>,
}

impl Daemon {
    /// The service of this name, with `run/NAME.json` and `logs/NAME.log` in a state folder.
    /// `reach` says whether we end its children, or the service does.
    #[must_use]
    pub fn new(state: &Path, name: impl Into<String>, reach: Reach) -> Self {
        let name = name.into();
        Self {
            record: state.join("run").join(format!("{name}.json")),
            log: state.join("logs").join(format!("{name}.log")),
            name,
            reach,
        }
    }

    /// The file that its output is written to.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process, if we started one that still runs.
    #[must_use]
    pub fn process(&self) -> Option<Identity> {
        Record::read(&self.record).map(|record| record.0)
    }

    /// Where the record was lost, records the process again whose command line shows that it is this
    /// service.
    pub fn reclaim(&self, is_ours: impl Fn(&[String]) -> bool) {
        if self.process().is_some() {
            return;
        }
        if let Some(identity) = process::find(is_ours) {
            // Without the record, the next command looks again.
            let _ = self.note(&identity);
        }
    }

    fn note(&self, identity: &Identity) -> anyhow::Result<()> {
        write_atomically(&self.record, &serde_json::to_vec(identity)?)
    }

    /// Starts it. The log of its last run is kept beside the new one, as `.1`.
    ///
    /// # Errors
    /// It cannot be started or its record cannot be written.
    pub fn start(&self, launch: &Launch) -> anyhow::Result<Identity> {
        if let Some(folder) = self.log.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        if self.log.exists() {
            std::fs::rename(&self.log, self.log.with_extension("log.1"))?;
        }
        let log = File::create(&self.log)
            .with_context(|| format!("failed to create {}", self.log.display()))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "what Cmd starts ends with us, and a service must not"
        )]
        let mut command = std::process::Command::new("setsid");
        // `setsid` becomes the program itself, so this is the process of the service.
        command
            .arg(&launch.program)
            .args(&launch.args)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // `cleanup` must not take it for a process of its checkout.
        command.env_remove(marked::VARIABLE);
        for name in &launch.env_remove {
            command.env_remove(name);
        }
        let child = command
            .spawn()
            .with_context(|| format!("failed to start {}", launch.program.display()))?;
        let identity = Identity::of(child.id()).ok_or_else(|| self.died())?;
        self.note(&identity)?;
        Ok(identity)
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// The process ends, or is not ready within `bound`; both errors quote the end of its log. Or
    /// a signal interrupts us. In all cases the service has been stopped.
    pub fn wait_ready(
        &self,
        identity: &Identity,
        bound: Duration,
        ready: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let waited = self.wait(identity, bound, ready);
        if waited.is_err() {
            self.stop(FAILED_GRACE);
        }
        waited
    }

    fn wait(
        &self,
        identity: &Identity,
        bound: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let look = || {
            let is_ready = ready();
            match is_ready || identity.is_alive() {
                true => Ok(is_ready),
                false => Err(self.died().into()),
            }
        };
        wait::until(bound, POLL, look, |late| {
            self.failure(format!("{} did not answer {late}", self.name))
        })
    }

    /// Ends it with SIGTERM and, after `grace`, with SIGKILL. Returns whether it ran.
    pub fn stop(&self, grace: Duration) -> bool {
        let ran = self
            .process()
            .is_some_and(|process| process.stop(self.reach, grace));
        let _ = std::fs::remove_file(&self.record);
        ran
    }

    /// A failure of the service, which quotes the end of the log and names its file.
    #[must_use]
    pub fn failure(&self, message: impl Into<String>) -> Failure {
        let mut message = message.into();
        let tail = self.log_tail();
        if !tail.is_empty() {
            message.push_str("; the end of its log:");
            for line in tail {
                message.push_str("\n    ");
                message.push_str(&line);
            }
        }
        Failure::new(Code::Service, message).hint(format!("read {}", self.log.display()))
    }

    fn died(&self) -> Failure {
        self.failure(format!("{} ended as soon as it was started", self.name))
    }

    fn log_tail(&self) -> Vec<String> {
        const TAIL_BYTES: u64 = 16 * 1024;
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)));
            let _ = file.read_to_end(&mut bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(script: &str) -> Launch {
        Launch {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            ..Launch::default()
        }
    }

    #[test]
    fn a_service_is_started_found_again_and_stopped() {
        let state = tempfile::tempdir().unwrap();
        let daemon = Daemon::new(state.path(), "sleeper", Reach::Group);
        assert_eq!(daemon.process(), None);
        let identity = daemon
            .start(&launch("sleep 600 & echo ready; wait"))
            .unwrap();
        daemon
            .wait_ready(&identity, Duration::from_secs(10), || {
                !daemon.log_tail().is_empty()
            })
            .unwrap();
        let again = Daemon::new(state.path(), "sleeper", Reach::Group);
        assert_eq!(again.process(), Some(identity.clone()));
        assert!(again.stop(Duration::from_secs(5)));
        assert!(!identity.is_alive());
        assert_eq!(daemon.process(), None);
        assert!(!again.stop(Duration::from_secs(5)));
    }

    #[test]
    fn a_service_that_ends_at_once_is_an_error_with_its_last_words() {
        let state = tempfile::tempdir().unwrap();
        let daemon = Daemon::new(state.path(), "failing", Reach::Process);
        let error = daemon
            .start(&launch("echo no disk; exit 3"))
            .and_then(|identity| daemon.wait_ready(&identity, Duration::from_secs(10), || false))
            .unwrap_err();
        assert!(error.to_string().contains("no disk"), "{error:#}");
    }

    #[test]
    fn a_damaged_record_names_nobody() {
        let state = tempfile::tempdir().unwrap();
        let daemon = Daemon::new(state.path(), "x", Reach::Process);
        write_atomically(&daemon.record, b"{\"pid\":1").unwrap();
        assert_eq!(daemon.process(), None);
    }
}
