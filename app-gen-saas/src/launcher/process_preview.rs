//! Previews as processes of this machine, for development: like generators, each below a shell that outlives the
//! orchestrator and ends it at its time. Where a preview listens is the first line that it writes.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use app_gen_contract::PreviewPorts;
use app_gen_contract::env::{PREVIEW_LIFETIME_SECS, PREVIEW_SHA256};
use futures::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::config::ProcessConfig;
use crate::launcher::preview::{
    PreviewPlaces, PreviewTaskStatus, PreviewTasks, RunningPreview, StartPreview,
};
use crate::launcher::process_files::{Files, PidFile, SUPERVISOR, kill_all_with, open_regular};
use crate::launcher::{Ending, LaunchError, Task};

/// Names the preview that a process belongs to, for who has to find all of them.
const PREVIEW_ID: &str = "PREVIEW_ID";
/// How long a preview may take to end by itself when its time is over.
const FORCED_END_AFTER: Duration = Duration::from_secs(60);
/// Bytes of the line that says where it listens.
const LINE_BYTES: u64 = 1_024;
/// How long a shell may take to write its id into the file that it has just made.
const PID_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts previews as processes.
#[derive(Debug)]
pub(super) struct ProcessPreviews {
    config: ProcessConfig,
    log_dir: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Handle {
    id: String,
    process_id: i32,
    files: Files,
}

impl Handle {
    fn task(&self) -> anyhow::Result<Task> {
        Ok(Task {
            name: self.process_id.to_string(),
            handle: serde_json::to_string(self)?,
        })
    }

    /// Where it listens, once it has said so.
    fn places(&self) -> anyhow::Result<Option<PreviewPlaces>> {
        let log = match open_regular(&self.files.log) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("failed to open the log of a preview"),
        };
        let mut line = String::new();
        BufReader::new(log.take(LINE_BYTES)).read_line(&mut line)?;
        // It may be about to write it.
        let Ok(ports) = serde_json::from_str::<PreviewPorts>(&line) else {
            return Ok(None);
        };
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Some(PreviewPlaces {
            control: at(ports.control),
            application: at(ports.application),
        }))
    }

    fn status(&self) -> anyhow::Result<PreviewTaskStatus> {
        let lives = self.files.supervisor_lives(self.process_id);
        // The order matters: a shell that is gone has written the code before, if it wrote it at all.
        if let Some(exit_code) = self.files.exit_code()? {
            return Ok(PreviewTaskStatus::Stopped(Ending {
                exit_code: Some(exit_code),
                ..Ending::default()
            }));
        }
        if lives {
            return Ok(match self.places()? {
                Some(places) => PreviewTaskStatus::Running(places),
                None => PreviewTaskStatus::Pending,
            });
        }
        if !self.files.log.exists() {
            return Ok(PreviewTaskStatus::Missing);
        }
        Ok(PreviewTaskStatus::Stopped(Ending {
            detail: Some("its process is gone".to_owned()),
            ..Ending::default()
        }))
    }

    fn stop(&self, force: bool) -> anyhow::Result<()> {
        if !self.files.supervisor_lives(self.process_id) {
            kill_all_with(PREVIEW_ID, &self.id)?;
            return Ok(());
        }
        let group = Pid::from_raw(self.process_id).context("process id is 0")?;
        let signal = if force { Signal::KILL } else { Signal::TERM };
        match kill_process_group(group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("failed to signal group {group:?}")),
        }
    }

    fn forget(&self) -> anyhow::Result<()> {
        kill_all_with(PREVIEW_ID, &self.id)?;
        self.files.remove()?;
        match fs::remove_file(&self.files.log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl ProcessPreviews {
    pub(super) fn new(config: &ProcessConfig) -> anyhow::Result<Self> {
        let folder = &config.log_dir;
        let log_dir = fs::create_dir_all(folder)
            .and_then(|()| folder.canonicalize())
            .with_context(|| format!("failed to create {}", folder.display()))?;
        Ok(Self {
            config: config.clone(),
            log_dir,
        })
    }

    fn spawn(&self, start: &StartPreview) -> io::Result<Handle> {
        let files = Files::of_preview(&self.log_dir, &start.id, start.number);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&files.log)?;
        let forced_end = start.lifetime.saturating_add(FORCED_END_AFTER);
        let mut child = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "app-gen-supervisor"])
            .args([&files.pid, &files.exit, &self.config.command])
            .arg(forced_end.as_secs().to_string())
            .env_clear()
            .envs(&self.config.environment)
            .env(PREVIEW_ID, &start.id)
            .env(PREVIEW_SHA256, &start.sha256)
            .env(PREVIEW_LIFETIME_SECS, start.lifetime.as_secs().to_string())
            .current_dir(&self.log_dir)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let process_id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .unwrap_or(0);
        // Its exit code is in a file; this wait only keeps it from staying a zombie.
        tokio::spawn(async move { child.wait().await });
        Ok(Handle {
            id: start.id.clone(),
            process_id,
            files,
        })
    }

    async fn run(&self, start: &StartPreview) -> Result<Task, LaunchError> {
        // The shell of a try that was started before has made its file.
        if let Some(task) = self.find_started(&start.id, start.number).await? {
            return Ok(task);
        }
        let handle = self.spawn(start).map_err(|error| {
            let command = self.config.command.display();
            tracing::error!(%command, %error, "failed to start a preview");
            LaunchError::NotStarted(format!("the preview could not be started: {error}"))
        })?;
        Ok(handle.task()?)
    }

    async fn find_started(&self, id: &str, number: i64) -> anyhow::Result<Option<Task>> {
        let files = Files::of_preview(&self.log_dir, id, number);
        let deadline = tokio::time::Instant::now() + PID_TIMEOUT;
        while files.pid.exists() {
            match files.read_pid()? {
                PidFile::Started(process_id) => {
                    let id = id.to_owned();
                    let handle = Handle {
                        id,
                        process_id,
                        files,
                    };
                    return handle.task().map(Some);
                }
                PidFile::Empty if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                // The shell died after it made the file and before it wrote to it: it started nothing, and
                // another one may.
                PidFile::Empty | PidFile::CalledOff => {
                    fs::remove_file(&files.pid)?;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }
}

fn parse(handle: &str) -> anyhow::Result<Handle> {
    serde_json::from_str(handle).with_context(|| format!("task handle {handle:?} is unreadable"))
}

impl PreviewTasks for ProcessPreviews {
    fn start<'a>(&'a self, start: &'a StartPreview) -> BoxFuture<'a, Result<Task, LaunchError>> {
        Box::pin(self.run(start))
    }

    fn find<'a>(&'a self, id: &'a str, number: i64) -> BoxFuture<'a, anyhow::Result<Option<Task>>> {
        Box::pin(self.find_started(id, number))
    }

    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<PreviewTaskStatus>> {
        Box::pin(async move { parse(handle)?.status() })
    }

    fn stop<'a>(
        &'a self,
        handle: &'a str,
        _reason: &'a str,
        force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { parse(handle)?.stop(force) })
    }

    fn running(&self) -> BoxFuture<'_, anyhow::Result<Vec<RunningPreview>>> {
        // A try whose outcome was lost is found by its file.
        Box::pin(async { Ok(Vec::new()) })
    }

    fn forget<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { parse(handle)?.forget() })
    }
}
