//! The program of the local cloud, in a virtual environment in the state folder.

use crate::venv;
use std::path::PathBuf;
use xtask_core::context::Context;
use xtask_core::error::Failure;
use xtask_core::paths;

/// The version whose behaviour everything here relies on.
pub const VERSION: &str = "1.5.33";

/// The AWS account that everything in it belongs to.
pub const ACCOUNT: &str = "000000000000";

/// MiniStack and all that it needs, with digests; relative to the checkout.
pub(crate) const REQUIREMENTS: &str = "xtask/machine/src/ministack/requirements.txt";

/// Makes the virtual environment, so that it is complete or does not exist.
pub(super) fn install(context: &Context) -> anyhow::Result<()> {
    let folder = folder()?;
    context.report.step(&format!(
        "install MiniStack {VERSION} in {}",
        folder.display()
    ));
    venv::make(context, &folder, &context.root.join(REQUIREMENTS))
}

pub(super) fn installed() -> Option<PathBuf> {
    venv::python(&folder().ok()?)
}

pub(super) fn folder() -> Result<PathBuf, Failure> {
    Ok(paths::state()?
        .join("cloud")
        .join(format!("venv-{VERSION}-cbor")))
}
