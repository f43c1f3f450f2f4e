//! Starts `xtask-aws`, which holds the AWS SDK, and reads its answers.
//!
//! It is a process of its own because the SDK takes minutes to compile and most commands never need
//! it. Requests and answers are types of `xtask-aws-api`, which both sides compile: the type of a
//! request decides the type of its answer.

use crate::gate;
use anyhow::Context as _;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use xtask_aws_api::calls::secrets::ReadSecret;
use xtask_aws_api::calls::{self, Envelope, Request};
use xtask_aws_api::{ErrorObject, SecretText};
use xtask_core::cmd::{Answering, Cmd};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _, Rendered};
use xtask_core::interrupt;
use xtask_core::paths;

/// Names a compiled `xtask-aws` to use instead of the checkout's own.
pub const BINARY_VARIABLE: &str = "APP_GEN_XTASK_AWS";
/// Holds the operator's key for the local cloud.
const KEY_VARIABLE: &str = "APP_GEN_CLOUD_KEY";
const BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// One call of `xtask-aws` with a request of this type.
pub struct Call<'a, R> {
    context: &'a Context,
    request: R,
    timeout: Duration,
    grace: Option<Duration>,
    survives_interrupt: bool,
}

/// A call with this request, bounded to two minutes.
pub fn call<R>(context: &Context, request: R) -> Call<'_, R> {
    Call {
        context,
        request,
        timeout: Duration::from_secs(120),
        grace: None,
        survives_interrupt: false,
    }
}

impl<R> Call<'_, R> {
    /// Bounds the call.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Gives the call this long to undo what it began once it is asked to end.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// For clean-up: an interrupt does not end the call.
    #[must_use]
    pub fn survives_interrupt(mut self) -> Self {
        self.survives_interrupt = true;
        self
    }
}

impl<R: Into<Request>> Call<'_, R> {
    fn command(self) -> anyhow::Result<Cmd> {
        let context = self.context;
        let endpoint = context.is_local().then(|| {
            format!(
                "http://127.0.0.1:{}",
                context.platform.local.cloud_port.get_ref()
            )
        });
        let envelope = Envelope {
            environment: context.environment.clone(),
            manifest: Some(context.root.join(app_gen_infra::MANIFEST_PATH)),
            endpoint,
            request: self.request.into(),
        };
        let mut cmd = Cmd::new(compile(context, self.survives_interrupt)?)
            .stdin(serde_json::to_vec(&envelope)?)
            .timeout(self.timeout);
        // Where there is no key yet, there is no cloud that answers, which the call itself says.
        if context.is_local()
            && let Ok(key) = gate::key(context)
        {
            cmd = cmd.env(KEY_VARIABLE, key);
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

impl<R: calls::Call> Call<'_, R> {
    /// Runs the call and reads its answer.
    ///
    /// # Errors
    /// `xtask-aws` does not compile, or the cloud refuses: message, hint and exit code are passed on.
    pub fn read(self) -> anyhow::Result<R::Answer> {
        let output = self.command()?.output()?;
        answer(R::NAME, output.status, &output.stdout, &output.stderr)
    }

    /// Starts the call, shows its progress under `label`, and leaves it running.
    ///
    /// # Errors
    /// `xtask-aws` does not compile or start.
    pub fn start(self, label: &str) -> anyhow::Result<Started<R>> {
        let (report, deadline) = (self.context.report.clone(), Instant::now() + self.timeout);
        Ok(Started {
            deadline,
            running: self.command()?.spawn_answering(&report, label)?,
            request: PhantomData,
        })
    }
}

impl<R: calls::Stream> Call<'_, R> {
    /// Runs the call and hands over each item as it arrives. A call that fails says so in its last
    /// item, which is handed over too.
    ///
    /// # Errors
    /// As [`Call::read`]; an error of `on_item` ends the call.
    pub fn stream(
        self,
        label: &str,
        mut on_item: impl FnMut(R::Item) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let report = self.context.report.clone();
        let mut last = Vec::new();
        let status = self.command()?.lines(&report, label, |line| {
            last.clear();
            last.extend_from_slice(line);
            on_item(parse(R::NAME, line)?)
        })?;
        match status.success() {
            true => Ok(()),
            false => Err(failure(R::NAME, status, &last, &[])),
        }
    }
}

/// A call that works while the command does something else; dropping it ends it.
pub struct Started<R> {
    deadline: Instant,
    running: Answering,
    request: PhantomData<R>,
}

impl<R: calls::Call> Started<R> {
    /// The answer, or `None` while the call runs.
    ///
    /// # Errors
    /// As [`Call::read`], or the call takes too long.
    pub fn try_read(&mut self) -> anyhow::Result<Option<R::Answer>> {
        match self.running.try_wait()? {
            Some((stdout, status)) => answer(R::NAME, status, &stdout, &[]).map(Some),
            None if Instant::now() >= self.deadline => Err(Failure::new(
                Code::Service,
                format!("xtask-aws did not end {} in time", R::NAME),
            )
            .into()),
            None => Ok(None),
        }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// As [`Call::read`], the call takes too long, or the command is interrupted.
    pub fn read(mut self) -> anyhow::Result<R::Answer> {
        loop {
            if let Some(answer) = self.try_read()? {
                return Ok(answer);
            }
            interrupt::sleep(Duration::from_millis(20))?;
        }
    }
}

/// All values of a secret by key; none where the secret does not exist.
///
/// # Errors
/// The cloud does not answer or refuses.
pub fn secret_values(
    context: &Context,
    secret: &str,
) -> anyhow::Result<BTreeMap<String, SecretText>> {
    let request = ReadSecret {
        secret: secret.to_owned(),
    };
    match call(context, request).read() {
        Err(error) if Rendered::new(&error).exit_code == Code::Secret.number() => {
            Ok(BTreeMap::new())
        }
        answer => Ok(answer?.0),
    }
}

fn parse<T: DeserializeOwned>(name: &str, json: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(json)
        .with_context(|| format!("the answer of xtask-aws to {name} cannot be read"))
}

/// The answer of a call that ended.
fn answer<T: DeserializeOwned>(
    name: &str,
    status: ExitStatus,
    stdout: &[u8],
    stderr: &[u8],
) -> anyhow::Result<T> {
    match status.success() {
        true => parse(name, stdout),
        false => Err(failure(name, status, stdout, stderr)),
    }
}

/// Why a call failed, in its own words.
fn failure(name: &str, status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> anyhow::Error {
    let Ok(ErrorObject { error }) = serde_json::from_slice(stdout) else {
        let text = String::from_utf8_lossy(stderr);
        return Failure::new(
            Code::Service,
            format!("xtask-aws {name} ended with {status}: {}", text.trim()),
        )
        .into();
    };
    let code = status
        .code()
        .and_then(Code::from_exit)
        .unwrap_or(Code::Service);
    let mut failure = Failure::new(code, error.message);
    if let Some(hint) = error.hint {
        failure = failure.hint(hint);
    }
    let cause = error.causes.join(": ");
    if cause.is_empty() {
        failure.into()
    } else {
        failure.because(anyhow::Error::msg(cause)).into()
    }
}

/// Compiles the binary if there is none, beside other work. What goes wrong is told by the first call.
pub fn compile_ahead(context: &Context) {
    if !paths::debug_binary(&context.root, "xtask-aws").is_file() {
        let _ = compile(context, false);
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
    let mut cargo = Cmd::cargo()
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
