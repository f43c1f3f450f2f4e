//! From images in a registry to a service that answers, and back.
//!
//! `assembly` is what CDK would deploy, `rollout` deploys it and watches, `probe` asks as a
//! user would, `release` remembers and `history` forgets, `serve` does all of it in turn and
//! puts right what fails. `environment_lock` keeps others out meanwhile.

pub mod assembly;
pub mod bootstrap;
pub mod environment_lock;
pub mod guards;
pub mod health;
pub mod history;
pub mod release;
pub mod rollout;
pub mod serve;
pub mod stacks;

use crate::deploy::assembly::Assembly;
use crate::deploy::release::Release;
use crate::deploy::rollout::Serving;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_docker::ignore::Rules;
use xtask_machine::cdk;
use xtask_tree::content::digest_json;
use xtask_tree::stat_cache::StatCache;

/// Raised when a deploy does more than before with the same sources.
const FORM: u32 = 1;
/// What the app's folder holds beside the app.
const NOT_THE_APP: &[u8] = b"node_modules\ntest\nREADME.md\n";

/// Digest of all that decides what an environment gets: the CDK app, the manifest, the images.
///
/// # Errors
/// A file cannot be read.
pub fn content(
    context: &Context,
    images: &BTreeMap<String, release::Image>,
) -> anyhow::Result<String> {
    let manifest = std::fs::read(context.root.join(app_gen_infra::MANIFEST_PATH))?;
    let cache = StatCache::open(&context.cache_folder(), "cdk");
    let app = xtask_docker::context::read(
        &context.root.join(cdk::FOLDER),
        &Rules::parse(NOT_THE_APP)?,
        &cache,
    )?;
    let digest = digest_json(&json!({
        "form": FORM,
        "environment": context.environment,
        "manifest": digest_bytes(&manifest),
        "app": app,
        "images": images,
    }))?;
    cache.save()?;
    Ok(digest.to_string())
}

/// What serves, where that is exactly this content already: the newest release that
/// succeeded had it, nothing of it was changed since, and it answers.
///
/// # Errors
/// The cloud does not answer.
pub fn serving_already(
    context: &Context,
    content: &str,
    releases: &[Release],
) -> anyhow::Result<Option<Release>> {
    let Some(current) = release::current(releases).filter(|current| current.content == content)
    else {
        return Ok(None);
    };
    // One that failed after it may have left the stacks anyhow.
    if releases
        .first()
        .is_some_and(|newest| newest.id != current.id)
    {
        return Ok(None);
    }
    let complete = stacks::show(context)?.iter().all(|stack| {
        matches!(
            stack.status.as_deref(),
            Some("CREATE_COMPLETE" | "UPDATE_COMPLETE")
        )
    });
    let key = orchestrator_key(context, current)?;
    let service = &current.service;
    let state = service.state(context)?;
    let runs = state.is_some_and(|state| {
        current.task_definition.as_deref() == Some(&state.task_definition)
            && state.running >= 1
            && state.running == state.desired
    });
    let answers = || -> anyhow::Result<bool> {
        let (_, base_url) = service.addresses(context)?;
        Ok(health::is_served(context, &base_url, key))
    };
    Ok((complete && runs && answers()?).then(|| current.clone()))
}

/// Deploys what a release deployed, from the templates that were kept with it.
///
/// # Errors
/// The templates are gone, or it does not come to serve.
fn deploy_again(context: &Context, release: &Release) -> anyhow::Result<Serving> {
    let packed = release::assembly(context, release)?;
    let assembly = Assembly::unpack(&packed, &folder(context, "restored"))?;
    let key = orchestrator_key(context, release)?;
    rollout::roll_out(context, &assembly, key)
}

/// The key that `/health` reports while the release serves.
fn orchestrator_key<'a>(context: &Context, release: &'a Release) -> anyhow::Result<&'a str> {
    let image = release.image(context.platform.orchestrator().image.get_ref())?;
    Ok(&image.key)
}

/// A folder of this environment's deploys in the checkout.
#[must_use]
pub fn folder(context: &Context, name: &str) -> PathBuf {
    context
        .work_folder()
        .join("deploy")
        .join(&context.environment)
        .join(name)
}
