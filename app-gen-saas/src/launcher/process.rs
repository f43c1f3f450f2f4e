//! Generators as processes of this machine, for development.
//!
//! Standard output and error are written to a file, which the orchestrator reads: a pipe would break
//! with its reader. The process has a group of its own, so that neither Ctrl-C nor the end of the
//! orchestrator reaches it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use app_gen_contract::MAX_LINE_BYTES;
use app_gen_contract::env::{JOB_LIFETIME_SECS, JOB_SPEC_URI};
use futures::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::config::ProcessConfig;
use crate::launcher::process_files::{Files, PidFile, SUPERVISOR, kill_all_with, open_regular};
use crate::launcher::{
    Ending, Launch, LaunchError, Launcher, LogPage, LogTraits, RunningTask, Task, TaskStatus,
    Trace, Urgency,
};

/// Bytes of a log read at once.
const READ_BYTES: u64 = 64 * 1024;
/// How long a generator may take to end by itself when its lifetime is over.
const FORCED_END_AFTER: Duration = Duration::from_secs(30);
/// How long a shell may take to write its id into the file it has just made.
const PID_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts generators as processes.
#[derive(Debug)]
pub(super) struct ProcessLauncher {
    command: PathBuf,
    log_dir: PathBuf,
    environment: Redacted,
    delivery_environment: Redacted,
}

/// Variables that may hold credentials and must not be logged.
struct Redacted(BTreeMap<String, String>);

impl std::fmt::Debug for Redacted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("<environment>")
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Handle {
    process_id: i32,
    spec_uri: String,
    files: Files,
}

impl ProcessLauncher {
    pub(super) fn new(config: &ProcessConfig) -> anyhow::Result<Self> {
        let folder = &config.log_dir;
        let log_dir = fs::create_dir_all(folder)
            .and_then(|()| folder.canonicalize())
            .with_context(|| format!("failed to create {}", folder.display()))?;
        Ok(Self {
            command: config.command.clone(),
            log_dir,
            environment: Redacted(config.environment.clone()),
            delivery_environment: Redacted(config.delivery_environment.clone()),
        })
    }

    fn start(&self, launch: &Launch) -> io::Result<Handle> {
        let files = Files::new(&self.log_dir, launch);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&files.log)?;
        let lifetime = launch.lifetime.as_secs().to_string();
        let forced_end = launch.lifetime.saturating_add(FORCED_END_AFTER);
        let delivery_environment = launch.delivers.then_some(&self.delivery_environment.0);
        let mut child = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "app-gen-supervisor"])
            .args([&files.pid, &files.exit, &self.command])
            .arg(forced_end.as_secs().to_string())
            .env_clear()
            .envs(&self.environment.0)
            .envs(delivery_environment.into_iter().flatten())
            .envs(launch.own_keys.variables())
            .env(JOB_SPEC_URI, &launch.spec_uri)
            .env(JOB_LIFETIME_SECS, lifetime)
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
            process_id,
            spec_uri: launch.spec_uri.clone(),
            files,
        })
    }

    async fn find_started(&self, launch: &Launch) -> anyhow::Result<Trace> {
        let files = Files::new(&self.log_dir, launch);
        let deadline = tokio::time::Instant::now() + PID_TIMEOUT;
        loop {
            match files.call_off()? {
                PidFile::CalledOff => return Ok(Trace::Never),
                PidFile::Started(process_id) => {
                    let spec_uri = launch.spec_uri.clone();
                    return task(&Handle {
                        process_id,
                        spec_uri,
                        files,
                    })
                    .map(Trace::Task);
                }
                PidFile::Empty if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                // The shell died after it made the file and before it wrote to it: it started nothing.
                PidFile::Empty => return Ok(Trace::Never),
            }
        }
    }
}

fn task(handle: &Handle) -> anyhow::Result<Task> {
    Ok(Task {
        name: handle.process_id.to_string(),
        handle: serde_json::to_string(handle)?,
    })
}

fn parse(handle: &str) -> anyhow::Result<Handle> {
    serde_json::from_str(handle).with_context(|| format!("task handle {handle:?} is unreadable"))
}

fn status(handle: &Handle) -> anyhow::Result<TaskStatus> {
    let lives = handle.files.supervisor_lives(handle.process_id);
    // The order matters: a shell that is gone has written the code before, if it wrote it at all.
    let exit_code = handle.files.exit_code()?;
    if exit_code.is_some() {
        return Ok(TaskStatus::Stopped(Ending {
            exit_code,
            ..Ending::default()
        }));
    }
    if lives {
        return Ok(TaskStatus::Running);
    }
    if !handle.files.log.exists() {
        return Ok(TaskStatus::Missing);
    }
    Ok(TaskStatus::Stopped(Ending {
        exit_code,
        detail: Some("its process is gone".to_owned()),
        no_room: false,
    }))
}

fn read_log(handle: &Handle, position: Option<&str>) -> anyhow::Result<LogPage> {
    let path = &handle.files.log;
    let start: u64 = position.unwrap_or("0").parse().context("log position")?;
    let mut file = match open_regular(path) {
        Ok(file) => file,
        // It was there before the generator, so it was removed, and nothing more will be in it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LogPage::default()),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to open {}", path.display()));
        }
    };
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(READ_BYTES).read_to_end(&mut bytes)?;
    let more = u64::try_from(bytes.len()) == Ok(READ_BYTES);
    let mut end = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    // A line beyond the limit stays too long, with or without a newline.
    if end == 0 && bytes.len() > MAX_LINE_BYTES {
        end = bytes.len();
    }
    let unfinished = bytes.split_off(end);
    let lines = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec())
        .collect();
    let end = start + u64::try_from(end)?;
    Ok(LogPage {
        lines,
        position: Some(end.to_string()),
        more,
        unfinished,
        unread_bytes: size.saturating_sub(end),
    })
}

fn stop(handle: &Handle, force: bool) -> anyhow::Result<()> {
    if !handle.files.supervisor_lives(handle.process_id) {
        kill_all_with(JOB_SPEC_URI, &handle.spec_uri)?;
        return Ok(());
    }
    let group = Pid::from_raw(handle.process_id).ok_or_else(|| anyhow!("process id is 0"))?;
    let signal = if force { Signal::KILL } else { Signal::TERM };
    match kill_process_group(group, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("failed to signal group {group:?}")),
    }
}

impl Launcher for ProcessLauncher {
    fn log_traits(&self) -> LogTraits {
        LogTraits {
            poll: Duration::from_millis(100),
            busy_poll: Duration::from_millis(5),
            status_poll: Duration::from_millis(50),
            drain: Duration::ZERO,
            gap: Duration::ZERO,
            missing: Duration::ZERO,
        }
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Task, LaunchError>> {
        Box::pin(async move {
            let handle = self.start(launch).map_err(|error| {
                tracing::error!(command = %self.command.display(), %error, "failed to start a generator");
                let text = format!("the generator could not be started: {error}");
                match error.kind() {
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::OutOfMemory
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::WouldBlock => LaunchError::NotStarted(text),
                    _ => LaunchError::Refused(text),
                }
            })?;
            Ok(task(&handle)?)
        })
    }

    fn find<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, anyhow::Result<Trace>> {
        Box::pin(self.find_started(launch))
    }

    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<TaskStatus>> {
        Box::pin(async move { status(&parse(handle)?) })
    }

    fn read_log<'a>(
        &'a self,
        handle: &'a str,
        position: Option<&'a str>,
        _urgency: Urgency,
    ) -> BoxFuture<'a, anyhow::Result<Option<LogPage>>> {
        Box::pin(async move { read_log(&parse(handle)?, position).map(Some) })
    }

    fn stop<'a>(
        &'a self,
        handle: &'a str,
        _reason: &'a str,
        force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { stop(&parse(handle)?, force) })
    }

    fn running(&self) -> BoxFuture<'_, anyhow::Result<Vec<RunningTask>>> {
        // A try can be called off for certain, and nothing prevents the end of a process.
        Box::pin(async { Ok(Vec::new()) })
    }

    fn forget<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let handle = parse(handle)?;
            let killed = kill_all_with(JOB_SPEC_URI, &handle.spec_uri)?;
            if killed > 0 {
                tracing::warn!(killed, "ended processes that a generator left behind");
            }
            Ok(handle.files.remove()?)
        })
    }
}
