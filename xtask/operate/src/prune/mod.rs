//! What piles up and nobody needs: releases, revisions of task definitions, images, and folders of
//! the cache. First everything that must stay is found, then the rest is listed or removed.

pub mod cache;
pub mod engine_images;
pub mod history;
pub mod image;
pub mod registry_images;

use crate::deploy::environment_lock::EnvironmentLock;
use crate::prune::cache::OldFolder;
use crate::prune::history::History;
use crate::prune::image::Image;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;
use xtask_aws_api::calls;
use xtask_core::context::Context;
use xtask_image::build::prebuild;
use xtask_machine::aws;
use xtask_machine::part::Part;

/// Every revision takes one call, and there may be many.
const PRUNE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The result of `prune --json`.
#[derive(Debug, Serialize)]
pub struct Pruned {
    /// Whether all this was only listed, not removed.
    pub dry_run: bool,
    /// Ids of releases.
    pub releases: Vec<String>,
    /// ARNs of task definitions with their revisions.
    pub definitions: Vec<String>,
    /// Images, wherever they are kept.
    pub images: Vec<KeptImage>,
    /// Folders of the cache of this checkout.
    pub cache: Vec<OldFolder>,
}

/// An image, and what keeps it.
#[derive(Debug, Serialize)]
pub struct KeptImage {
    /// What keeps it.
    pub keeper: Keeper,
    /// The image.
    #[serde(flatten)]
    pub image: Image,
}

/// What keeps images.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// ECR, on AWS or in the local cloud.
    Ecr,
    /// The registry of this machine.
    Registry,
    /// The Docker Engine of this machine.
    Engine,
}

impl Keeper {
    /// Images that this one keeps.
    pub fn of(self, images: Vec<Image>) -> impl Iterator<Item = KeptImage> {
        let keeper = self;
        images
            .into_iter()
            .map(move |image| KeptImage { keeper, image })
    }
}

/// Removes what nobody needs, or only lists it if this is a `dry_run`. The `keep` newest of each
/// kind stay in any case.
///
/// # Errors
/// Another command changes the environment, or the cloud, the registry or the engine refuses. What
/// was removed before stays removed.
pub fn prune(context: &Context, keep: u32, dry_run: bool) -> anyhow::Result<Pruned> {
    if context.is_local() {
        xtask_machine::require(context, &[Part::Engine, Part::Registry, Part::Cloud])?;
    }
    // A deploy creates things that nothing uses yet.
    let lock = match dry_run {
        true => None,
        false => Some(EnvironmentLock::take(context, "prune")?),
    };
    let newest = usize::try_from(keep)?;
    let history = History::read(context, newest)?;
    if let Some(lock) = &lock {
        // Removed before the images, so that every release that is left still has its images.
        history.forget(context, lock)?;
        lock.still_ours()?;
    }
    let found = in_cloud(context, &history, keep, dry_run)?;
    let mut pruned = Pruned {
        dry_run,
        releases: history
            .unneeded
            .into_iter()
            .map(|release| release.id)
            .collect(),
        definitions: found.definitions,
        images: Keeper::Ecr
            .of(found.images.into_iter().map(Image::from).collect())
            .collect(),
        cache: Vec::new(),
    };
    if context.is_local() {
        on_this_machine(context, &found.needed, newest, &mut pruned)?;
    }
    Ok(pruned)
}

/// Task definitions, and images in ECR.
fn in_cloud(
    context: &Context,
    history: &History,
    keep: u32,
    dry_run: bool,
) -> anyhow::Result<calls::prune::Pruned> {
    let request = calls::prune::Prune {
        dry_run,
        keep,
        protect: history.digests().map(str::to_owned).collect(),
    };
    aws::call(context, request)
        .timeout(PRUNE_TIMEOUT)
        .start("prune")?
        .read()
}

/// Images in the registry and in the engine, and folders of the cache.
fn on_this_machine(
    context: &Context,
    needed: &BTreeSet<String>,
    keep: usize,
    pruned: &mut Pruned,
) -> anyhow::Result<()> {
    // Containers of other checkouts need their images too.
    let used = engine_images::digests_in_use()?;
    let stored = registry_images::list(context, &(needed | &used), keep)?;
    let pulled = engine_images::list(context, needed)?;
    pruned.cache = match pruned.dry_run {
        true => cache::list(context, keep)?,
        false => {
            registry_images::remove(context, &stored)?;
            engine_images::remove(&pulled)?;
            let _alone = prebuild::hold(context, "prune")?;
            cache::remove(cache::list(context, keep)?)?
        }
    };
    pruned.images.extend(Keeper::Registry.of(stored));
    pruned.images.extend(Keeper::Engine.of(pulled));
    Ok(())
}
