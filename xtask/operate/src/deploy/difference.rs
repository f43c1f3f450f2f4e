//! What a deploy would change, and what somebody changed in the cloud without a deploy.

use crate::cost;
use crate::deploy::assembly::Assembly;
use crate::deploy::folder::deploy_folder;
use crate::deploy::{rollout, stacks};
use crate::destination;
use serde::Serialize;
use std::time::Duration;
use xtask_aws_api::calls::stacks::{DetectDrift, Drift};
use xtask_core::context::Context;
use xtask_image::build;
use xtask_machine::{aws, ministack};

/// CloudFormation compares one resource after the other.
const DRIFT_TIMEOUT: Duration = Duration::from_secs(600);

/// The result of `diff --json` and of `deploy --dry-run --json`.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// Images that a deploy would build first, so that their digests are not known yet.
    pub unbuilt: Vec<String>,
    /// The output of `cdk diff` for all stacks.
    pub changes: String,
    /// How the cloud differs from what was deployed, stack by stack.
    pub drift: Vec<Drift>,
    /// What a month would cost, in US dollars.
    pub month_usd: f64,
}

/// Compares the checkout with the environment, and the environment with its last deploy.
///
/// # Errors
/// The app does not synthesise, or the cloud does not answer.
pub fn find(context: &Context) -> anyhow::Result<Difference> {
    ministack::require_if_local(context)?;
    let names = build::select(context, &[])?;
    let registry = destination::asked(context, destination::Registry::Environment)?;
    let mut references = destination::unbuilt(context);
    let mut unbuilt = Vec::new();
    for name in &names {
        let standing = build::look(context, name, &registry)?;
        match standing.held.digest() {
            Some(digest) => {
                references.insert(name.clone(), standing.repository.pinned(digest));
            }
            None => unbuilt.push(name.clone()),
        }
    }
    let assembly = Assembly::synthesise(context, &references, &deploy_folder(context, "diff"))?;
    let month = cost::month(
        &context.platform,
        &context.environment,
        Some(assembly.folder()),
    )?;
    let changes = rollout::diff(context, &assembly)?;
    Ok(Difference {
        unbuilt,
        changes,
        drift: drift(context, &stacks::existing(context)?)?,
        month_usd: month.total_usd,
    })
}

fn drift(context: &Context, stacks: &[String]) -> anyhow::Result<Vec<Drift>> {
    if stacks.is_empty() {
        return Ok(Vec::new());
    }
    let request = DetectDrift {
        names: stacks.to_vec(),
    };
    let drifts = aws::call(context, request)
        .timeout(DRIFT_TIMEOUT)
        .start("stacks")?
        .read()?;
    Ok(drifts.stacks)
}
