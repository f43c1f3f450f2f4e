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
    let ours = repositories(context);
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
            remove_name(&name)?;
        }
    }
    Ok(())
}

/// The names of images of ours, and whether each can be removed: a container may use the image.
#[derive(Debug, Default)]
pub struct OurNames {
    /// Names that nothing uses.
    pub unused: Vec<String>,
    /// Names of images that containers use.
    pub used: Vec<String>,
}

/// All names that images of ours got by builds and by pulls of what runs. A tag that is not a key is
/// somebody's own.
///
/// # Errors
/// The engine does not answer.
pub fn our_names(context: &Context) -> anyhow::Result<OurNames> {
    let (ours, used) = (repositories(context), used()?);
    let mut names = OurNames::default();
    for image in listed()? {
        let found = names_of(&image, &ours);
        match used.contains(&image.id) {
            true => names.used.extend(found),
            false => names.unused.extend(found),
        }
    }
    names.unused.sort();
    names.used.sort();
    Ok(names)
}

fn names_of(image: &Listed, ours: &BTreeSet<String>) -> BTreeSet<String> {
    let has_key = |name: &&String| {
        let tag = Parts::of(name).tag;
        tag.is_some_and(|tag| tag.starts_with(TAG_PREFIX))
    };
    let is_ours = |name: &&String| ours.contains(Parts::of(name).name);
    let is_digest = |name: &&String| Parts::of(name).tag.is_none();
    // Among the tags, the engine lists the name of an image that was pulled by digest.
    let tags = image.repo_tags.iter().flatten();
    let all = tags.clone().chain(image.repo_digests.iter().flatten());
    if all
        .clone()
        .all(|name| is_ours(&name) && (has_key(&name) || is_digest(&name)))
    {
        return all.cloned().collect();
    }
    // With a digest, the engine would also remove the other tags of the repository.
    tags.filter(|name| is_ours(name) && has_key(name))
        .cloned()
        .collect()
}

/// Removes one name of an image, and the image with its last name. It is not an error that there is
/// no such name.
///
/// # Errors
/// The engine refuses.
pub fn remove_name(name: &str) -> anyhow::Result<()> {
    // The image may have been removed with its last tag.
    let (status, _) = engine::get(&format!("/images/{name}/json"))?;
    if status != 404 {
        Cmd::new("docker").args(["image", "rm", name]).read()?;
    }
    Ok(())
}

/// Our repositories in the registry of this machine.
fn repositories(context: &Context) -> BTreeSet<String> {
    let registry = context.platform.local.registry();
    let images = context.platform.images.values();
    images
        .map(|image| format!("{registry}/{}", image.repository))
        .collect()
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
    let (mut tags, digests) = (names(&image.repo_tags), names(&image.repo_digests));
    // Among the tags, the engine lists the name of an image that was pulled by digest.
    tags.retain(|tag| !digests.contains(tag));
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
        assert!(is_unneeded(&[old], old));
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
    fn only_names_that_builds_gave_are_ours() {
        let ours = BTreeSet::from(["localhost:5000/app".to_owned()]);
        let (key, digest) = ("localhost:5000/app:key-1", "localhost:5000/app@sha256:1");
        let of = |tags: &[&str], digest| -> Vec<String> {
            names_of(&image(tags, digest), &ours).into_iter().collect()
        };
        assert_eq!(of(&[key], digest), [key, digest]);
        assert_eq!(of(&[], digest), [digest]);
        assert_eq!(of(&[key, digest], digest), [key, digest]);
        assert_eq!(of(&[key, "localhost:5000/app:mine"], digest), [key]);
        assert_eq!(of(&[key, "theirs:key-1"], digest), [key]);
        assert!(of(&[digest, "theirs:key-1"], digest).is_empty());
        assert_eq!(of(&[key], "localhost:5000/another@sha256:1"), [key]);
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
