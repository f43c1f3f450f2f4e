//! Removes old revisions of task definitions, and images that no remaining revision names.

use crate::commands::{Handle, require_in};
use crate::config::Cloud;
use crate::ecr::{DatedImage, Ecr};
use crate::ecs::{Ecs, Revision, definition_name};
use crate::error::{CloudError, Kind};
use crate::report;
use crate::state::State;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use xtask_aws_api::calls::prune::{Prune, Pruned, StoredImage};

/// Tags that begin like this name the inputs of an image. Any other tag names a purpose, for which
/// the image is needed whatever its age: it serves, it was found good, or the next build starts from
/// it.
const KEY: &str = "key-";

impl Handle for Prune {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Pruned> {
        require_in("keep", self.keep, 1..=u32::MAX)?;
        let (ecs, ecr) = (Ecs::new(cloud.sdk()), Ecr::new(cloud.sdk()));
        let keep = usize::try_from(self.keep).unwrap_or(usize::MAX);
        let in_use = definitions_in_use(&ecs, cloud).await?;
        let mut old = Vec::new();
        let mut digests = self.protect;
        for family in families(cloud) {
            let revisions = ecs.revisions(&family).await?;
            let (unneeded, needed) = split_revisions(revisions, &in_use, keep);
            old.extend(unneeded);
            for revision in needed {
                digests.extend(digest_of(ecs.image(&revision.arn).await?.as_deref()));
            }
        }
        // What runs may belong to a family that is not ours any more.
        for definition in &in_use {
            digests.extend(digest_of(ecs.image(definition).await?.as_deref()));
        }
        let mut images = Vec::new();
        for image in cloud.platform.images.values() {
            let stored = ecr.images(&image.repository).await?;
            images.extend(unneeded_images(stored, &digests, keep));
        }
        if !self.dry_run {
            remove_definitions(&old, &ecs).await?;
            remove_images(&images, &ecr).await?;
            State::new(cloud).forget_old_locks().await?;
        }
        Ok(Pruned {
            definitions: old.into_iter().map(|revision| revision.arn).collect(),
            images,
            needed: digests,
            dry_run: self.dry_run,
        })
    }
}

fn families(cloud: &Cloud) -> Vec<String> {
    let deployed = cloud.deployed();
    let deliverer = deployed.deliverer.map(|deliverer| deliverer.family);
    let consumers = deployed.consumers.into_iter();
    let families = consumers.map(|consumer| consumer.family).chain(deliverer);
    // Validations use the local cloud only.
    let validation = cloud.is_local().then(|| {
        let names = cloud.validation();
        [names.family, names.preview_family]
    });
    families.chain(validation.into_iter().flatten()).collect()
}

/// `family:revision` of everything that services, their deployments and tasks run, and that services
/// start by themselves.
async fn definitions_in_use(ecs: &Ecs, cloud: &Cloud) -> Result<BTreeSet<String>, CloudError> {
    let deployed = cloud.deployed();
    let mut used = BTreeSet::new();
    for (_, name) in deployed.services() {
        if let Some(found) = ecs.service(&deployed.cluster, name).await? {
            let service = found.service;
            let rolled = service
                .deployments
                .into_iter()
                .map(|one| one.task_definition);
            let all = rolled.chain([service.task_definition]);
            used.extend(all.map(|arn| definition_name(&arn).to_owned()));
        }
    }
    let validation = cloud.is_local().then(|| cloud.validation().cluster);
    for cluster in [deployed.cluster].into_iter().chain(validation) {
        let ids = match ecs.list_tasks(&cluster, None).await {
            Err(error) if error.kind == Kind::NotFound => continue,
            listed => listed?,
        };
        let tasks = ecs.describe_tasks(&cluster, &ids).await?;
        let states = tasks.into_iter().map(|task| task.state);
        let running = states.filter(|state| !state.is_stopped());
        used.extend(running.map(|state| state.task_definition));
    }
    let mut named = BTreeSet::new();
    for definition in &used {
        // The environment of the orchestrator names the generator's revision.
        let environment = ecs.environment(definition).await?;
        let values = environment.into_values();
        let arns = values.filter(|value| value.contains(":task-definition/"));
        named.extend(arns.map(|arn| definition_name(&arn).to_owned()));
    }
    used.extend(named);
    Ok(used)
}

/// The revisions that may be removed, and those that stay.
fn split_revisions(
    mut revisions: Vec<Revision>,
    in_use: &BTreeSet<String>,
    keep: usize,
) -> (Vec<Revision>, Vec<Revision>) {
    let newest = revisions.split_off(revisions.len().saturating_sub(keep));
    let (mut needed, unneeded): (Vec<_>, Vec<_>) = revisions
        .into_iter()
        .partition(|revision| in_use.contains(definition_name(&revision.arn)));
    needed.extend(newest);
    (unneeded, needed)
}

/// Images that are neither among the newest nor needed by anything.
fn unneeded_images(
    mut stored: Vec<DatedImage>,
    needed: &BTreeSet<String>,
    keep: usize,
) -> Vec<StoredImage> {
    stored.sort_by_key(|image| Reverse(image.pushed_at));
    stored
        .into_iter()
        .skip(keep)
        .map(|dated| dated.image)
        .filter(|image| !needed.contains(&image.digest))
        .filter(|image| image.tags.iter().all(|tag| tag.starts_with(KEY)))
        .collect()
}

/// The digest of `repository@sha256:…`. A reference by tag does not have one, and the tag itself
/// keeps the image.
fn digest_of(image: Option<&str>) -> Option<String> {
    let (_, digest) = image?.split_once('@')?;
    Some(digest.to_owned())
}

async fn remove_definitions(old: &[Revision], ecs: &Ecs) -> Result<(), CloudError> {
    for revision in old.iter().filter(|revision| revision.is_active) {
        report::step(&format!("deregistering {}", definition_name(&revision.arn)));
        ecs.deregister(&revision.arn).await?;
    }
    let arns: Vec<&str> = old.iter().map(|revision| revision.arn.as_str()).collect();
    match ecs.delete_definitions(&arns).await {
        // What counts is that they are out of use; to keep their text costs nothing.
        Err(error) if error.kind == Kind::Denied => {
            report::step(&format!("{error}; the old revisions stay, inactive"));
            Ok(())
        }
        deleted => deleted,
    }
}

async fn remove_images(images: &[StoredImage], ecr: &Ecr) -> Result<(), CloudError> {
    for of_one in images.chunk_by(|a, b| a.repository == b.repository) {
        let repository = &of_one[0].repository;
        report::step(&format!("deleting {} images of {repository}", of_one.len()));
        let digests: Vec<&str> = of_one.iter().map(|image| image.digest.as_str()).collect();
        ecr.delete_images(repository, &digests).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask_aws_api::Timestamp;

    #[test]
    fn the_newest_revisions_and_those_in_use_stay() {
        let revisions: Vec<Revision> = (1..=6)
            .map(|number| Revision {
                arn: format!("arn:aws:ecs:us-east-1:000000000000:task-definition/app:{number}"),
                number,
                is_active: number > 3,
            })
            .collect();
        let in_use = BTreeSet::from(["app:2".to_owned()]);
        let numbers = |revisions: &[Revision]| -> Vec<u32> {
            revisions.iter().map(|revision| revision.number).collect()
        };
        let (unneeded, needed) = split_revisions(revisions.clone(), &in_use, 2);
        assert_eq!(numbers(&unneeded), [1, 3, 4]);
        assert_eq!(numbers(&needed), [2, 5, 6]);
        let (unneeded, _) = split_revisions(revisions, &in_use, 10);
        assert_eq!(unneeded, []);
    }

    #[test]
    fn images_that_anything_needs_stay_whatever_their_age() {
        let image = |second: i128, digest: &str, tags: &[&str]| DatedImage {
            image: StoredImage {
                repository: "app".to_owned(),
                digest: digest.to_owned(),
                tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            },
            pushed_at: Timestamp::from_unix_nanos(second * 1_000_000_000),
        };
        let stored = vec![
            image(1, "sha256:old", &["key-1"]),
            image(2, "sha256:untagged", &[]),
            image(3, "sha256:stable", &["key-2", "stable"]),
            image(4, "sha256:dev", &["dev"]),
            image(5, "sha256:cache", &["cache-main"]),
            image(6, "sha256:used", &["key-3"]),
            image(7, "sha256:new", &["key-4"]),
        ];
        let needed = BTreeSet::from(["sha256:used".to_owned()]);
        let digests: Vec<String> = unneeded_images(stored, &needed, 1)
            .into_iter()
            .map(|image| image.digest)
            .collect();
        assert_eq!(digests, ["sha256:untagged", "sha256:old"]);
    }

    #[test]
    fn only_a_reference_by_digest_has_a_digest() {
        let digest = digest_of(Some("localhost:5000/app@sha256:1"));
        assert_eq!(digest.as_deref(), Some("sha256:1"));
        assert_eq!(digest_of(Some("localhost:5000/app:dev")), None);
    }
}
