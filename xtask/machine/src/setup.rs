//! Installs and starts the parts that are missing, and refuses where a command lacks one.

use crate::finding::{Finding, State};
use crate::part::Part;
use crate::setup_lock;
use crate::{ministack, registry};
use serde::Serialize;
use std::time::Instant;
use xtask_core::context::Context;
use xtask_core::error::Failure;
use xtask_core::interrupt;

/// A part that was installed or started.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Which part.
    pub part: &'static str,
    /// What was found before.
    pub was: String,
    /// What is there now.
    pub now: String,
    /// How long that took.
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

/// Installs and starts those of `parts` that are not as needed, without asking.
///
/// # Errors
/// Only a person can install a part, or a step fails; what was done before stays.
pub fn ensure(context: &Context, parts: &[Part]) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    if lacking(context, parts, true).is_empty() {
        return Ok(changes);
    }
    let _lock = setup_lock::wait(context)?;
    for &part in parts {
        interrupt::check()?;
        // An earlier part may have brought it, or the process that held the lock before us.
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
/// [`Code::Prerequisite`](xtask_core::error::Code::Prerequisite) naming the first part that is
/// missing, what was found and what is needed;
/// [`Code::Service`](xtask_core::error::Code::Service) where a port is taken or a service does not
/// start.
pub fn require(context: &Context, parts: &[Part]) -> anyhow::Result<()> {
    for &part in parts {
        match part {
            Part::Registry => registry::require(context)?,
            Part::Cloud => ministack::require(context)?,
            _ => {
                let finding = part.probe(context, false);
                if !finding.is_ok() {
                    return Err(refusal(context, part, finding).into());
                }
            }
        }
    }
    Ok(())
}

/// The error of a part that is not there.
fn refusal(context: &Context, part: Part, finding: Finding) -> Failure {
    let fix = part.fix(&finding);
    finding.refusal(part.name(), &part.needed(context), fix)
}
