//! A service in the background that outlives the command that starts it: its
//! own session, a log in the state folder, and a record of which process it is,
//! so that nothing but our own processes is ever signalled.

use crate::net;
use crate::process::{Identity, Reach};
use anyhow::Context as _;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use xtask_core::atomic_file::write_atomically;
use xtask_core::error::{Code, Failure};
use xtask_core::marked;
use xtask_core::wait;

/// How many last lines of the log an error quotes.
const QUOTED_LINES: usize = 12;
/// How long a service that did not come up has to end by itself.
const FAILED_GRACE: Duration = Duration::from_secs(10);

/// A background service by name, running or not.
#[derive(Debug, Clone)]
pub struct Daemon {
    name: String,
    reach: Reach,
    record: PathBuf,
    log: PathBuf,
}

/// Which process a service is, as `run/<name>.json` tells.
#[derive(Debug)]
pub struct Record(Identity);

impl Record {
    /// The record at `path`; nothing where it is absent or damaged, or the process has ended.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        // A damaged record names nobody: nothing is signalled on its word.
        let identity: Identity = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        identity.is_alive().then_some(Self(identity))
    }

    /// Kills that process at once and waits until it is gone.
    pub fn kill(&self) {
        self.0.stop(Reach::Process, Duration::ZERO);
    }
}

/// What to run.
#[derive(Debug, Default)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables to set.
    pub env: Vec<(OsString, OsString)>,
    /// Environment variables to take away.
    pub env_remove: Vec<String>,
}

impl Daemon {
    /// The service of this name: `run/<name>.json` and `logs/<name>.log` in a state folder.
    /// `reach` says whether its children end with it by our doing or by its own.
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

    /// Where it writes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process, if we started one and it still runs.
    #[must_use]
    pub fn process(&self) -> Option<Identity> {
        Record::read(&self.record).map(|record| record.0)
    }

    /// Where the record was lost, takes back the process that listens on `address:port`, if
    /// its command line shows that it is ours.
    pub fn reclaim(&self, address: IpAddr, port: u16, is_ours: impl Fn(&[String]) -> bool) {
        if self.process().is_some() {
            return;
        }
        let ours = net::owner(address, port)
            .filter(|owner| owner.is(is_ours))
            .and_then(|owner| Identity::of(owner.process?.0));
        if let Some(identity) = ours {
            // Without the record the next command would only look again.
            let _ = self.note(&identity);
        }
    }

    fn note(&self, identity: &Identity) -> anyhow::Result<()> {
        write_atomically(&self.record, &serde_json::to_vec(identity)?)
    }

    /// Starts it. What it wrote before is kept beside the log as `.1`.
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
            reason = "a service outlives us, what Cmd starts ends with us"
        )]
        let mut command = std::process::Command::new("setsid");
        // `setsid` becomes the program itself, so the pid is the service's.
        command
            .arg(&launch.program)
            .args(&launch.args)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // It is nobody's child: `cleanup` must not take it for one of its checkout.
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
    /// The process ends, is not ready within `bound` (both quote the end of its log), or we are
    /// interrupted; it has been stopped by then.
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
        let look = || match ready() {
            false if !identity.is_alive() => Err(self.died().into()),
            is_ready => Ok(is_ready),
        };
        wait::until(bound, Duration::from_millis(25), look, |late| {
            self.failure(format!("{} did not answer {late}", self.name))
        })
    }

    /// Ends it: SIGTERM, `grace`, SIGKILL. Whether it ran.
    pub fn stop(&self, grace: Duration) -> bool {
        let ran = self
            .process()
            .is_some_and(|process| process.stop(self.reach, grace));
        let _ = std::fs::remove_file(&self.record);
        ran
    }

    /// A service failure that quotes the end of the log and names the whole.
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
