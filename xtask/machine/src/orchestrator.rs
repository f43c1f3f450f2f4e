//! The orchestrator as a process of this machine, for `dev` and for the browser test. It uses
//! SQLite, a folder instead of a bucket, and processes as generators.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::{Cmd, Running};
use xtask_core::context::Context;
use xtask_core::marked;
use xtask_core::paths::debug_binary;

const COMPILE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const PACKAGES: [&str; 2] = ["app-gen-saas", "app-gen"];

/// The log of the orchestrator of `dev`, in [`dev_folder`].
pub const LOG: &str = "api.log";

/// The folder of the data and the logs of `dev`.
#[must_use]
pub fn dev_folder(context: &Context) -> PathBuf {
    context.work_folder().join("dev")
}

/// Compiles the orchestrator and the generator without optimisation.
///
/// # Errors
/// They do not compile. The compiler's output has been shown.
pub fn compile(context: &Context) -> anyhow::Result<()> {
    let mut cargo = Cmd::cargo().args(["build", "--locked", "--quiet"]);
    for package in PACKAGES {
        cargo = cargo.args(["--package", package]);
    }
    context
        .report
        .step("compile the orchestrator and the generator");
    cargo
        .folder(&context.root)
        .timeout(COMPILE_TIMEOUT)
        .run(&context.report, "cargo")
}

/// The environment of the manifest with what differs on this machine: data is in `folder`, and the
/// orchestrator listens on loopback. Generators get their own environment and secrets, and not those
/// of the orchestrator.
///
/// # Errors
/// The folder cannot be written.
pub fn environment(
    context: &Context,
    folder: &Path,
    port: u16,
    generator_secrets: BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    for name in ["artifacts", "logs"] {
        std::fs::create_dir_all(folder.join(name))?;
    }
    let mark = (
        marked::VARIABLE.to_owned(),
        marked::value(&context.work_folder()),
    );
    let mut generator = context.platform.generator().environment.clone();
    generator.extend(generator_secrets);
    generator.extend([mark.clone()]);
    let mut environment = context.platform.orchestrator().environment.clone();
    environment.extend([mark]);
    let path = |name: &str| folder.join(name).display().to_string();
    let settings = [
        ("LAUNCHER", "process".to_owned()),
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", port.to_string()),
        (
            "DATABASE_URL",
            format!("sqlite://{}", path("app-gen.sqlite")),
        ),
        ("ARTIFACT_URI", format!("file://{}", path("artifacts"))),
        ("MODEL_KEYS_URI", format!("file://{}", path("model-keys"))),
        ("GENERATOR_LOG_DIR", path("logs")),
        (
            "GENERATOR_COMMAND",
            debug_binary(&context.root, "app-gen").display().to_string(),
        ),
        ("GENERATOR_ENVIRONMENT", serde_json::to_string(&generator)?),
    ];
    environment.extend(
        settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    Ok(environment)
}

/// Starts the compiled orchestrator. Its output is also written to `log`.
///
/// # Errors
/// It cannot be started.
pub fn start(
    context: &Context,
    environment: &BTreeMap<String, String>,
    log: PathBuf,
) -> anyhow::Result<Running> {
    let mut api = Cmd::new(debug_binary(&context.root, "app-gen-saas"));
    for (name, value) in environment {
        api = api.env(name, value);
    }
    api.copy_to(log).spawn(&context.report, "api")
}
