//! This machine: the tools it brings, the engine, the images that cannot be
//! pulled, the registry, the local cloud, npm's packages. Each is a [`Part`] that
//! can be looked for and, where possible, installed and started.

pub mod apt_sources;
pub mod aws;
pub mod cdk;
pub mod daemon;
pub mod debian_packages;
pub mod engine;
pub mod images;
pub mod ministack;
pub mod net;
pub mod orchestrator;
pub mod part;
pub mod process;
pub mod registry;
pub mod tools;
mod venv;
pub mod version;

pub use part::{FOR_BUILD, FOR_DEV, FOR_FAST_TEST, FOR_TEST, FOR_VALIDATE, Finding, Part, State};
use serde::Serialize;
use std::time::Instant;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_core::lock::Lock;
use xtask_core::paths;

/// What was done about a part.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Which part.
    pub part: &'static str,
    /// How it was before.
    pub was: String,
    /// How it is now.
    pub now: String,
    /// How long it took.
    pub seconds: f64,
}

/// Those of `parts` that are not as needed.
#[must_use]
pub fn lacking(context: &Context, parts: &[Part], thorough: bool) -> Vec<(Part, Finding)> {
    parts
        .iter()
        .map(|&part| (part, part.probe(context, thorough)))
        .filter(|(_, finding)| !finding.is_ok())
        .collect()
}

/// Installs and starts whatever of `parts` is not as needed. Asks nobody.
///
/// # Errors
/// A part that only a person can install, or a step fails; what was done before stays.
pub fn ensure(context: &Context, parts: &[Part]) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    if lacking(context, parts, true).is_empty() {
        return Ok(changes);
    }
    let _lock = setup_lock(context)?;
    for &part in parts {
        interrupt::check()?;
        // An earlier part, or whoever held the lock, may have brought it.
        let before = part.probe(context, true);
        if before.is_ok() {
            continue;
        }
        if before.state == State::Blocked || part.plan(context, &before).is_none() {
            return Err(refusal(context, part, before).into());
        }
        let started = Instant::now();
        part.install(context)
            .map_err(|error| error.context(format!("failed to set up {}", part.name())))?;
        let after = part.probe(context, true);
        if !after.is_ok() {
            return Err(refusal(context, part, after).into());
        }
        changes.push(Change {
            part: part.name(),
            was: before.found,
            now: after.found,
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    Ok(changes)
}

/// Fails unless all of `parts` are there. The registry and the local cloud are started where
/// they are installed and do not run.
///
/// # Errors
/// [`Code::Prerequisite`] naming the first part that is missing, what was found and what is
/// needed; [`Code::Service`] where a port is taken or a service does not start.
pub fn require(context: &Context, parts: &[Part]) -> anyhow::Result<()> {
    for &part in parts {
        let finding = part.probe(context, false);
        match (finding.state, part) {
            (State::Ok, _) => {}
            (State::Stopped, Part::Registry | Part::Cloud) => {
                let _lock = setup_lock(context)?;
                part.install(context)?;
            }
            _ => return Err(refusal(context, part, finding).into()),
        }
    }
    Ok(())
}

/// Whoever installs, starts or stops what checkouts share does so alone.
fn setup_lock(context: &Context) -> anyhow::Result<Lock> {
    Lock::wait(&paths::state()?.join("setup.lock"), |holder| {
        context
            .report
            .step(&format!("wait for another setup: {holder}"));
    })
}

/// The error of a part that is not there.
fn refusal(context: &Context, part: Part, finding: Finding) -> Failure {
    let fix = part.fix(&finding);
    finding.failure.unwrap_or_else(|| {
        Failure::new(
            Code::Prerequisite,
            format!(
                "{}: found: {}; needed: {}",
                part.name(),
                finding.found,
                part.needed(context)
            ),
        )
        .hint(fix)
    })
}
