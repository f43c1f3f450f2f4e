//! Whether there is anything to deploy. This is decided by a digest, because CDK takes half a
//! minute to answer.

use crate::certificates;
use crate::deploy::release;
use crate::deploy::release::{Image, Release};
use crate::deploy::{health, stacks};
use crate::secrets;
use serde_json::json;
use std::collections::BTreeMap;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_machine::cdk;
use xtask_tree::content::digest_json;

/// Raised when a deploy does more than before with the same sources.
const FORM: u32 = 3;

/// Digest of everything that decides what an environment gets: the CDK app, the manifest, the prices, the
/// images, the names of keys that are handed over where they are there, the certificates that generators trust besides those of their image.
///
/// # Errors
/// A file cannot be read.
pub fn content(context: &Context, images: &BTreeMap<String, Image>) -> anyhow::Result<String> {
    let manifest = std::fs::read(context.root.join(app_gen_infra::MANIFEST_PATH))?;
    let prices = std::fs::read(context.root.join(app_gen_infra::PRICES_PATH))?;
    let app = cdk::app_entries(context)?;
    let digest = digest_json(&json!({
        "form": FORM,
        "environment": context.environment,
        "manifest": digest_bytes(&manifest),
        "prices": digest_bytes(&prices),
        "app": app,
        "images": images,
        "secret_keys": secrets::present(context)?,
        "certificates": certificates::extra(context)?.map(|pem| digest_bytes(pem.as_bytes())),
    }))?;
    Ok(digest.to_string())
}

/// The current release, if it has exactly this content, nobody has changed it since, and it
/// answers.
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
    // A later release that failed may have changed the stacks.
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
    let key = current.orchestrator_key(context)?;
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
