//! The program behind the local cloud, in a virtual environment of the state folder.

use crate::venv;
use std::path::PathBuf;
use xtask_core::context::Context;
use xtask_core::error::Failure;
use xtask_core::paths;

/// The version whose behaviour the rest relies on.
pub const VERSION: &str = "1.5.33";

/// Without it MiniStack cannot read what the SDK asks CloudWatch, and it does not ask for
/// the package itself.
const CBOR: &str = "cbor2==6.2.1";

/// Makes the virtual environment, whole or not at all.
pub(super) fn install(context: &Context) -> anyhow::Result<()> {
    let folder = folder()?;
    context.report.step(&format!(
        "install MiniStack {VERSION} in {}",
        folder.display()
    ));
    let ministack = format!("ministack[full]=={VERSION}");
    venv::make(context, &folder, [ministack.as_str(), CBOR])
}

pub(super) fn installed() -> Option<PathBuf> {
    venv::python(&folder().ok()?)
}

pub(super) fn folder() -> Result<PathBuf, Failure> {
    Ok(paths::state()?
        .join("cloud")
        .join(format!("venv-{VERSION}-cbor")))
}
