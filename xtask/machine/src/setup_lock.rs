//! The lock of whoever installs, starts or stops what all checkouts of this machine share.

use crate::finding::{Finding, State};
use xtask_core::context::Context;
use xtask_core::lock::Lock;
use xtask_core::paths;

/// What a command gets that lacks a service.
pub(crate) const FIX: &str = "cargo xtask setup";

/// Waits until nobody else installs, starts or stops anything.
pub(crate) fn wait(context: &Context) -> anyhow::Result<Lock> {
    Lock::wait(&paths::state()?.join("setup.lock"), |holder| {
        context
            .report
            .step(&format!("wait for another setup: {holder}"));
    })
}

/// Starts a service, alone, where it is installed and does not run.
///
/// # Errors
/// It is not installed, something else has taken its place, or it does not start.
pub(crate) fn require_service(
    context: &Context,
    (name, needed): (&str, &str),
    probe: impl Fn() -> Finding,
    start: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if probe().is_ok() {
        return Ok(());
    }
    // Another command, or another thread of ours, may be starting it. Until that is done, its port
    // can be held by a process that begins or ends, which looks like a stranger.
    let _lock = wait(context)?;
    let finding = probe();
    match finding.state {
        State::Ok => Ok(()),
        State::Stopped => start(),
        _ => {
            let fix = finding.fix.clone().unwrap_or_else(|| FIX.to_owned());
            Err(finding.refusal(name, needed, fix).into())
        }
    }
}
