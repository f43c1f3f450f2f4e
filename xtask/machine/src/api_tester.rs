//! Schemathesis, which looks for requests that the orchestrator answers in another way than its OpenAPI
//! document says.

use crate::venv;
use std::path::PathBuf;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;

/// What it is made of, relative to the checkout.
pub const REQUIREMENTS: &str = "app-gen-saas/tests/schemathesis/requirements.txt";

/// What it is told, relative to the checkout.
const CONFIGURATION: &str = "app-gen-saas/tests/schemathesis/schemathesis.toml";

/// A run against the orchestrator at `url`. The caller adds a bound. Packages that are missing are
/// installed first.
///
/// # Errors
/// The packages cannot be installed.
pub fn command(context: &Context, url: &str) -> anyhow::Result<Cmd> {
    let python = ensure(context)?.join(venv::PYTHON);
    Ok(Cmd::new(python)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(context.root.join(CONFIGURATION))
        .args(["run", "--no-color"])
        .arg(format!("{url}/api/openapi.json"))
        // A proxy of the user's has nothing to do with it.
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        // What it keeps between runs would be written to where it was started.
        .folder(context.work_folder().join("api")))
}

/// Its virtual environment, which is made if it is missing.
///
/// # Errors
/// Python or pip fails.
pub(crate) fn ensure(context: &Context) -> anyhow::Result<PathBuf> {
    venv::ensure(context, REQUIREMENTS)
}

/// Where it is installed.
///
/// # Errors
/// The list of requirements cannot be read.
pub fn folder(context: &Context) -> anyhow::Result<PathBuf> {
    venv::folder(context, REQUIREMENTS)
}
