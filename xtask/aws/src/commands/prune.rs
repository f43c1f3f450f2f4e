//! `prune`: removes old revisions of task definitions, and images that none of those
//! which stay names.

use crate::config::Cloud;
use crate::ecr::{Ecr, StoredImage};
use crate::ecs::{Ecs, Revision, definition_name};
use crate::error::{CloudError, Kind};
use crate::names::Deployed;
use crate::report::{self, Outcome};
use crate::validate::Names;
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// What a tag begins with that names inputs. Any other one names a purpose, for which its
/// image is needed whatever its age: what serves, what was found good, what the next build
/// starts from.
const KEY: &str = "key-";

/// Remove what nothing needs any more
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Of each family and each repository, so many of the newest stay
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// An image that stays: sha256:…; may be given again
    #[arg(long, value_name = "DIGEST")]
    protect: Vec<String>,
}

/// # Errors
/// A call fails. What was removed before that stays removed.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let (ecs, ecr) = (Ecs::new(cloud.sdk()), Ecr::new(cloud.sdk()));
    let keep = usize::try_from(args.keep).unwrap_or(usize::MAX);
    let in_use = definitions_in_use(&ecs, cloud).await?;
    let mut old = Vec::new();
    let mut digests: BTreeSet<String> = args.protect.into_iter().collect();
    for family in families(cloud) {
        let revisions = ecs.revisions(&family).await?;
        let (unneeded, needed) = split_revisions(revisions, &in_use, keep);
        old.extend(unneeded);
        for revision in needed {
            digests.extend(digest_of(ecs.image(&revision.arn).await?.as_deref()));
        }
    }
    // Also what runs from a family that is not ours any more.
    for definition in &in_use {
        digests.extend(digest_of(ecs.image(definition).await?.as_deref()));
    }
    let mut images = Vec::new();
    for image in cloud.platform.images.values() {
        let stored = ecr.images(&image.repository).await?;
        images.extend(unneeded_images(stored, &digests, keep));
    }
    if !args.dry_run {
        remove_definitions(&old, &ecs).await?;
        remove_images(&images, &ecr).await?;
    }
    let definitions: Vec<&str> = old.iter().map(|revision| revision.arn.as_str()).collect();
    Outcome::success(json!({
        "definitions": definitions,
        "images": images,
        "needed": digests,
        "dry_run": args.dry_run,
    }))
}

fn families(cloud: &Cloud) -> Vec<String> {
    let deployed = Deployed::new(cloud).consumers;
    let families = deployed.into_iter().map(|consumer| consumer.family);
    families.chain([Names::new(cloud).family]).collect()
}

/// `family:revision` of what services, their deployments and tasks run, and of what the
/// services start themselves.
async fn definitions_in_use(ecs: &Ecs, cloud: &Cloud) -> Result<BTreeSet<String>, CloudError> {
    let deployed = Deployed::new(cloud);
    let mut used = BTreeSet::new();
    for (_, name) in deployed.services() {
        if let Some(service) = ecs.service(&deployed.cluster, name).await? {
            let rolled = service
                .deployments
                .into_iter()
                .map(|one| one.task_definition);
            let all = rolled.chain([service.task_definition]);
            used.extend(all.map(|arn| definition_name(&arn).to_owned()));
        }
    }
    for cluster in [deployed.cluster, Names::new(cloud).cluster] {
        let ids = match ecs.list_tasks(&cluster, None).await {
            Err(error) if error.kind == Kind::NotFound => continue,
            listed => listed?,
        };
        let tasks = ecs.describe_tasks(&cluster, &ids).await?;
        let running = tasks.into_iter().filter(|task| !task.is_stopped());
        used.extend(running.map(|task| task.task_definition));
    }
    let mut named = BTreeSet::new();
    for definition in &used {
        // The orchestrator is told the generator's revision in its environment.
        let environment = ecs.environment(definition).await?;
        let values = environment.into_values();
        let arns = values.filter(|value| value.contains(":task-definition/"));
        named.extend(arns.map(|arn| definition_name(&arn).to_owned()));
    }
    used.extend(named);
    Ok(used)
}

/// What may go, and what stays.
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
    mut stored: Vec<StoredImage>,
    needed: &BTreeSet<String>,
    keep: usize,
) -> Vec<StoredImage> {
    stored.sort_by_key(|image| Reverse(image.pushed_at));
    stored
        .into_iter()
        .skip(keep)
        .filter(|image| !needed.contains(&image.digest))
        .filter(|image| image.tags.iter().all(|tag| tag.starts_with(KEY)))
        .collect()
}

/// The digest of `repository@sha256:…`; a tag names none, and its image is kept by it.
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
        // Out of use is what counts; ECS keeps the text of them, which costs nothing.
        Err(error) if error.kind == Kind::Denied => {
            report::step(&format!("{error}; they stay as inactive ones"));
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
    use aws_smithy_types::DateTime;

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
        let image = |second, digest: &str, tags: &[&str]| StoredImage {
            repository: "app".to_owned(),
            digest: digest.to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            pushed_at: Some(DateTime::from_secs(second)),
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
    fn only_a_digest_is_one() {
        let digest = digest_of(Some("localhost:5000/app@sha256:1"));
        assert_eq!(digest.as_deref(), Some("sha256:1"));
        assert_eq!(digest_of(Some("localhost:5000/app:dev")), None);
    }
}
