//! Starts `xtask-cloud`, which holds the AWS SDK, and reads its JSON.
//!
//! It is a package of its own because the SDK takes minutes to compile and most
//! commands never need it.

use crate::engine::cmd::Cmd;
use crate::engine::context::Context;
use crate::engine::error::{Code, Failure, FailureContext as _};
use crate::engine::paths;
use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// Names a compiled `xtask-cloud` to use instead of the checkout's own.
pub const BINARY_VARIABLE: &str = "APP_GEN_XTASK_CLOUD";
const BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// One call of `xtask-cloud`.
pub struct Call<'a> {
    context: &'a Context,
    arguments: Vec<String>,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
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
        survives_interrupt: false,
    }
}

impl Call<'_> {
    /// Gives a secret on standard input, never as an argument.
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
        let what = self.arguments.join(" ");
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
        if self.survives_interrupt {
            cmd = cmd.survives_interrupt();
        }
        let output = cmd.output()?;
        if output.status.success() {
            return serde_json::from_slice(&output.stdout)
                .with_context(|| format!("xtask-cloud {what} answered in another form"));
        }
        let Ok(answer) = serde_json::from_slice::<ErrorAnswer>(&output.stdout) else {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(
                Code::Service,
                format!(
                    "xtask-cloud {what} ended with {}: {}",
                    output.status,
                    said.trim()
                ),
            )
            .into());
        };
        let code = output
            .status
            .code()
            .and_then(Code::from_exit)
            .unwrap_or(Code::Service);
        let mut failure = Failure::new(code, answer.error.message);
        if let Some(hint) = answer.error.hint {
            failure = failure.hint(hint);
        }
        let cause = answer.error.causes.join(": ");
        if cause.is_empty() {
            Err(failure.into())
        } else {
            Err(anyhow::Error::msg(cause)).failure(|| failure)
        }
    }
}

/// Brings the binary up to date, once in the life of a command: clean-up must not
/// wait for somebody else's cargo.
fn compile(context: &Context, survives_interrupt: bool) -> anyhow::Result<PathBuf> {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    if let Some(binary) = std::env::var_os(BINARY_VARIABLE) {
        return Ok(PathBuf::from(binary));
    }
    if let Some(binary) = COMPILED.get() {
        return Ok(binary.clone());
    }
    let binary = paths::debug_binary(&context.root, "xtask-cloud");
    if !binary.is_file() {
        context
            .report
            .step("compile xtask-cloud (the AWS SDK; minutes, once)");
    }
    let mut cargo = Cmd::new("cargo")
        .args(["build", "--quiet", "--locked", "--package", "xtask-cloud"])
        .folder(&context.root)
        .timeout(BUILD_TIMEOUT);
    if survives_interrupt {
        cargo = cargo.survives_interrupt();
    }
    cargo.read().failure(|| {
        Failure::new(Code::Build, "failed to compile xtask-cloud")
            .hint("cargo build --package xtask-cloud")
    })?;
    Ok(COMPILED.get_or_init(|| binary).clone())
}
