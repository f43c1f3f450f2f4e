//! Images of the project that Docker Engine keeps and nobody needs. The registry has them too, so
//! that they can be pulled again.

use crate::prune::image::Image;
use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_docker::engine;
use xtask_docker::reference::Parts;
use xtask_image::key::TAG_PREFIX;

/// How often the engine is asked for its images, which others may remove meanwhile.
const LISTINGS: usize = 5;

/// An image as the engine lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(rename = "ImageID")]
    image: String,
}

/// Images of the project that no container uses, whose digest is not needed, and whose tags are all
/// keys.
///
/// # Errors
/// The engine does not answer.
pub fn list(context: &Context, needed: &BTreeSet<String>) -> anyhow::Result<Vec<Image>> {
    let used = used()?;
    let listed = listed()?;
    let registry = context.platform.local.registry();
    let ours: BTreeSet<String> = context
        .platform
        .images
        .values()
        .map(|image| format!("{registry}/{}", image.repository))
        .collect();
    let mut images: Vec<Image> = listed
        .iter()
        .filter(|image| !used.contains(&image.id))
        .filter_map(|image| unused(image, &ours, needed))
        .collect();
    // The engine does not list them in any order.
    images.sort();
    Ok(images)
}

/// Removes images. The engine refuses to remove one that a container uses meanwhile.
///
/// # Errors
/// The engine refuses.
pub fn remove(images: &[Image]) -> anyhow::Result<()> {
    for image in images {
        let tags = image
            .tags
            .iter()
            .map(|tag| format!("{}:{tag}", image.repository));
        let digest = format!("{}@{}", image.repository, image.digest);
        for name in tags.chain([digest]) {
            // The image may have been removed with its last tag.
            let (status, _) = engine::get(&format!("/images/{name}/json"))?;
            if status != 404 {
                Cmd::new("docker").args(["image", "rm", &name]).read()?;
            }
        }
    }
    Ok(())
}

/// Digests of the images of all containers, whether they are ours and whether they run or not.
///
/// # Errors
/// The engine does not answer.
pub fn digests_in_use() -> anyhow::Result<BTreeSet<String>> {
    let used = used()?;
    Ok(listed()?
        .into_iter()
        .filter(|image| used.contains(&image.id))
        .flat_map(|image| image.repo_digests.unwrap_or_default())
        .filter_map(|name| Some(Parts::of(&name).digest?.to_owned()))
        .collect())
}

/// Ids of the images of all containers.
fn used() -> anyhow::Result<BTreeSet<String>> {
    let containers: Vec<Container> = ask("/containers/json?all=1")?;
    Ok(containers
        .into_iter()
        .map(|container| container.image)
        .collect())
}

fn listed() -> anyhow::Result<Vec<Listed>> {
    let mut listed = ask("/images/json");
    // The engine answers with 404 if an image is removed while it lists them.
    for _ in 1..LISTINGS {
        if listed.is_ok() {
            break;
        }
        listed = ask("/images/json");
    }
    listed
}

fn unused(image: &Listed, ours: &BTreeSet<String>, needed: &BTreeSet<String>) -> Option<Image> {
    let names = |names: &Option<Vec<String>>| -> Vec<(String, String)> {
        names
            .iter()
            .flatten()
            .map(|name| Parts::of(name))
            .filter_map(|parts| {
                Some((
                    parts.name.to_owned(),
                    parts.tag.or(parts.digest)?.to_owned(),
                ))
            })
            .collect()
    };
    let (tags, digests) = (names(&image.repo_tags), names(&image.repo_digests));
    let foreign = |(repository, _): &(String, String)| !ours.contains(repository);
    // An image with a name that is not ours belongs to somebody else.
    if tags.iter().chain(&digests).any(foreign)
        || tags.iter().any(|(_, tag)| !tag.starts_with(TAG_PREFIX))
        || digests.iter().any(|(_, digest)| needed.contains(digest))
    {
        return None;
    }
    let (repository, digest) = digests.into_iter().next()?;
    let tags = tags.into_iter().map(|(_, tag)| tag).collect();
    Some(Image {
        repository,
        digest,
        tags,
    })
}

fn ask<T: DeserializeOwned>(path: &str) -> anyhow::Result<T> {
    let (status, body) = engine::get(path)?;
    anyhow::ensure!(status == 200, "the engine answers {path} with {status}");
    serde_json::from_value(body)
        .with_context(|| format!("failed to parse the answer of the engine to {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(tags: &[&str], digest: &str) -> Listed {
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        Listed {
            id: "sha256:id".to_owned(),
            repo_tags: names(tags),
            repo_digests: names(&[digest]),
        }
    }

    fn is_unneeded(tags: &[&str], digest: &str) -> bool {
        let ours = BTreeSet::from(["localhost:5000/app".to_owned()]);
        let needed = BTreeSet::from(["sha256:served".to_owned()]);
        unused(&image(tags, digest), &ours, &needed).is_some()
    }

    #[test]
    fn only_images_without_another_purpose_are_unneeded() {
        let old = "localhost:5000/app@sha256:old";
        assert!(is_unneeded(&["localhost:5000/app:key-1"], old));
        assert!(is_unneeded(&[], old));
        for tag in ["stable", "dev", "local", "cache"] {
            let tag = format!("localhost:5000/app:{tag}");
            assert!(
                !is_unneeded(&["localhost:5000/app:key-1", &tag], old),
                "{tag}"
            );
        }
        assert!(!is_unneeded(
            &["localhost:5000/app:key-1"],
            "localhost:5000/app@sha256:served"
        ));
        assert!(!is_unneeded(&["debian:trixie-slim"], old));
        assert!(!is_unneeded(
            &["localhost:5000/another:key-1"],
            "localhost:5000/another@sha256:old"
        ));
    }

    #[test]
    fn an_image_without_names_is_not_ours() {
        let nameless = Listed {
            id: "sha256:id".to_owned(),
            repo_tags: None,
            repo_digests: None,
        };
        assert_eq!(unused(&nameless, &BTreeSet::new(), &BTreeSet::new()), None);
    }
}
