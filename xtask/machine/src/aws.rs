//! Starts `xtask-aws`, which holds the AWS SDK, and reads its JSON.
//!
//! It is a package of its own because the SDK takes minutes to compile and most
//! commands never need it.

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use xtask_core::cmd::{Answering, Cmd};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::interrupt;
use xtask_core::paths;

/// Names a compiled `xtask-aws` to use instead of the checkout's own.
pub const BINARY_VARIABLE: &str = "APP_GEN_XTASK_AWS";
const BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// One call of `xtask-aws`.
pub struct Call<'a> {
    context: &'a Context,
    arguments: Vec<String>,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
    grace: Option<Duration>,
    survives_interrupt: bool,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
    #[serde(default)]
    causes: Vec<String>,
    hint: Option<String>,
}

/// A call with these arguments, bounded to two minutes.
pub fn call<'a, S: Into<String>>(
    context: &'a Context,
    arguments: impl IntoIterator<Item = S>,
) -> Call<'a> {
    Call {
        context,
        arguments: arguments.into_iter().map(Into::into).collect(),
        stdin: None,
        timeout: Duration::from_secs(120),
        grace: None,
        survives_interrupt: false,
    }
}

impl Call<'_> {
    /// Gives these bytes on standard input: what is secret, or long.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// Bounds the call.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Gives it so long to put right what it began once it was asked to end.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// For clean-up: an interrupt does not end it.
    #[must_use]
    pub fn survives_interrupt(mut self) -> Self {
        self.survives_interrupt = true;
        self
    }

    /// Runs it and reads its answer.
    ///
    /// # Errors
    /// It does not compile, the cloud refuses (its message, hint and exit code
    /// are passed on), or the answer has another form.
    pub fn read<T: DeserializeOwned>(self) -> anyhow::Result<T> {
        let what = self.what();
        let output = self.command()?.output()?;
        answer(&what, output.status, &output.stdout, &output.stderr)
    }

    /// Starts it, shows its progress under `label`, and leaves it running.
    ///
    /// # Errors
    /// It does not compile or start.
    pub fn start(self, label: &str) -> anyhow::Result<Started> {
        let (what, report, deadline) = (
            self.what(),
            self.context.report.clone(),
            Instant::now() + self.timeout,
        );
        Ok(Started {
            what,
            deadline,
            running: self.command()?.spawn_answering(&report, label)?,
        })
    }

    /// Runs it and hands over each object that it prints, as it comes. One that fails says so in
    /// its last object, which is handed over too.
    ///
    /// # Errors
    /// As [`Call::read`]; an error of `on_value` ends the call.
    pub fn stream(
        self,
        label: &str,
        mut on_value: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (what, report) = (self.what(), self.context.report.clone());
        let mut last = Vec::new();
        let status = self.command()?.lines(&report, label, |line| {
            let value = serde_json::from_slice(line)
                .with_context(|| format!("xtask-aws {what} answered in another form"))?;
            last.clear();
            last.extend_from_slice(line);
            on_value(value)
        })?;
        match status.success() {
            true => Ok(()),
            false => Err(failure(&what, status, &last, &[])),
        }
    }

    fn what(&self) -> String {
        self.arguments.join(" ")
    }

    fn command(self) -> anyhow::Result<Cmd> {
        let binary = compile(self.context, self.survives_interrupt)?;
        let mut cmd = Cmd::new(binary)
            .args(["--env", &self.context.environment])
            .arg("--manifest")
            .arg(self.context.root.join(app_gen_infra::MANIFEST_PATH))
            .timeout(self.timeout);
        if self.context.is_local() {
            let endpoint = format!(
                "http://127.0.0.1:{}",
                self.context.platform.local.cloud_port.get_ref()
            );
            cmd = cmd.args(["--endpoint", &endpoint]);
        }
        cmd = cmd.args(&self.arguments);
        if let Some(bytes) = self.stdin {
            cmd = cmd.stdin(bytes);
        }
        if let Some(grace) = self.grace {
            cmd = cmd.grace(grace);
        }
        if self.survives_interrupt {
            cmd = cmd.survives_interrupt();
        }
        Ok(cmd)
    }
}

/// A call that works while we do; it ends when this is dropped.
pub struct Started {
    what: String,
    deadline: Instant,
    running: Answering,
}

impl Started {
    /// Its answer, or nothing while it runs.
    ///
    /// # Errors
    /// As [`Call::read`], or its time is over.
    pub fn try_read<T: DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        match self.running.try_wait()? {
            Some((stdout, status)) => answer(&self.what, status, &stdout, &[]).map(Some),
            None if Instant::now() >= self.deadline => Err(Failure::new(
                Code::Service,
                format!("xtask-aws {} did not end in time", self.what),
            )
            .into()),
            None => Ok(None),
        }
    }

    /// Waits for its answer.
    ///
    /// # Errors
    /// As [`Call::read`], its time is over, or we were interrupted.
    pub fn read<T: DeserializeOwned>(mut self) -> anyhow::Result<T> {
        loop {
            if let Some(answer) = self.try_read()? {
                return Ok(answer);
            }
            interrupt::sleep(Duration::from_millis(20))?;
        }
    }
}

/// What a call that ended came to.
fn answer<T: DeserializeOwned>(
    what: &str,
    status: ExitStatus,
    stdout: &[u8],
    stderr: &[u8],
) -> anyhow::Result<T> {
    if status.success() {
        return serde_json::from_slice(stdout)
            .with_context(|| format!("xtask-aws {what} answered in another form"));
    }
    Err(failure(what, status, stdout, stderr))
}

/// Why a call failed, in its own words.
fn failure(what: &str, status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> anyhow::Error {
    let Ok(answer) = serde_json::from_slice::<ErrorAnswer>(stdout) else {
        let said = String::from_utf8_lossy(stderr);
        return Failure::new(
            Code::Service,
            format!("xtask-aws {what} ended with {status}: {}", said.trim()),
        )
        .into();
    };
    let code = status
        .code()
        .and_then(Code::from_exit)
        .unwrap_or(Code::Service);
    let mut failure = Failure::new(code, answer.error.message);
    if let Some(hint) = answer.error.hint {
        failure = failure.hint(hint);
    }
    let cause = answer.error.causes.join(": ");
    if cause.is_empty() {
        failure.into()
    } else {
        failure.because(anyhow::Error::msg(cause)).into()
    }
}

/// Brings the binary up to date, once in the life of a command: clean-up must not
/// wait for somebody else's cargo.
fn compile(context: &Context, survives_interrupt: bool) -> anyhow::Result<PathBuf> {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    static COMPILING: Mutex<()> = Mutex::new(());
    if let Some(binary) = std::env::var_os(BINARY_VARIABLE) {
        return Ok(PathBuf::from(binary));
    }
    // Calls side by side need one compile.
    let _compiling = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(binary) = COMPILED.get() {
        return Ok(binary.clone());
    }
    let binary = paths::debug_binary(&context.root, "xtask-aws");
    if !binary.is_file() {
        context
            .report
            .step("compile xtask-aws (the AWS SDK; minutes, once)");
    }
    let mut cargo = Cmd::new("cargo")
        .args(["build", "--quiet", "--locked", "--package", "xtask-aws"])
        .folder(&context.root)
        .timeout(BUILD_TIMEOUT);
    if survives_interrupt {
        cargo = cargo.survives_interrupt();
    }
    cargo.read().failure(|| {
        Failure::new(Code::Build, "failed to compile xtask-aws")
            .hint("cargo build --package xtask-aws")
    })?;
    Ok(COMPILED.get_or_init(|| binary).clone())
}
