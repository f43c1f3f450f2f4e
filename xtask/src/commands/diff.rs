//! `cargo xtask diff`: what a deploy would change, and what was changed without one.

use crate::commands::difference;
use xtask_core::context::Context;

/// Runs the command.
///
/// # Errors
/// The app does not synthesise, or the cloud does not answer.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    difference::show(context)
}
