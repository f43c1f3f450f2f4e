//! The built binary, driven from outside.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::client::Client;

/// The orchestrator of these sources.
pub const PRESENT: &str = env!("CARGO_BIN_EXE_app-gen-saas");

/// The last lines of an orchestrator's log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    /// A test that writes more than that looks for nothing at the beginning.
    const MOST_LINES: usize = 5_000;

    fn add(&self, line: String) {
        let mut lines = self.0.lock().unwrap();
        if lines.len() == Self::MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub fn lines(&self) -> Vec<Value> {
        let lines = self.0.lock().unwrap();
        let read = |line: &String| serde_json::from_str(line).unwrap();
        lines.iter().map(read).collect()
    }
}

pub struct Binary {
    child: Child,
    log: Log,
    pub client: Client,
}

impl Binary {
    /// Starts the orchestrator with these variables and no others, and waits until it listens.
    pub async fn start(variables: &[(&str, String)]) -> Self {
        Self::start_program(Path::new(PRESENT), variables).await
    }

    /// As [`Binary::start`], of any version.
    pub async fn start_program(program: &Path, variables: &[(&str, String)]) -> Self {
        let mut child = Command::new(program)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("PORT", "0")
            // Tests ask more often than anybody else; what bounds that has tests of its own.
            .env("REQUESTS_PER_SECOND", "0")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = tokio::time::timeout(Duration::from_secs(60), async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
                if entry["message"] == "listening" {
                    return entry["address"].as_str().map(str::to_owned);
                }
            }
            None
        })
        .await;
        let address = address
            .expect("the orchestrator did not listen in time")
            .expect("the orchestrator ended instead of listening");
        // Its log must not fill the pipe.
        let log = Log::default();
        tokio::spawn({
            let log = log.clone();
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    log.add(line);
                }
            }
        });
        Self {
            child,
            log,
            client: Client::new(format!("http://{address}")),
        }
    }

    /// The lines of its log since it listens.
    pub fn log(&self) -> Vec<Value> {
        self.log.lines()
    }

    /// Its log, which can still be read when it has ended.
    pub fn log_handle(&self) -> Log {
        self.log.clone()
    }

    /// Most memory that it had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() * 1024
    }

    /// kill -9: no chance to tidy up.
    pub async fn kill(mut self) {
        self.signal(Signal::KILL);
        let status = self.child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    /// SIGTERM, and the exit code within the time that is promised.
    pub async fn terminate(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        tokio::time::timeout(Duration::from_secs(6), self.child.wait())
            .await
            .expect("the orchestrator did not stop in time")
            .unwrap()
            .code()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

/// The variables of an orchestrator with the process launcher, all its files in `folder`.
pub fn process_variables(
    folder: &Path,
    database_url: &str,
    generator: &Path,
) -> Vec<(&'static str, String)> {
    vec![
        ("DATABASE_URL", database_url.to_owned()),
        (
            "ARTIFACT_URI",
            format!("file://{}/artifacts", folder.display()),
        ),
        ("GENERATOR_COMMAND", generator.display().to_string()),
        (
            "GENERATOR_LOG_DIR",
            folder.join("logs").display().to_string(),
        ),
    ]
}
