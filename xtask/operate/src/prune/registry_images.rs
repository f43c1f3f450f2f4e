//! Images of the project that the registry of this machine keeps and nobody needs.
//!
//! The protocol of registries does not list manifests without a tag, nor when a manifest was
//! pushed. Both are read from the folder of the registry, which is ours. Images are removed by the
//! protocol.

use crate::prune::image::Image;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use xtask_core::context::Context;
use xtask_docker::registry::Repository;
use xtask_image::build::key_lock;
use xtask_image::key::TAG_PREFIX;
use xtask_image::key::store::KeyStore;
use xtask_machine::daemon::Record;
use xtask_machine::registry;

/// A manifest in the folder of the registry.
#[derive(Debug)]
struct Stored {
    digest: String,
    tags: Vec<String>,
    pushed_at: SystemTime,
}

/// Images that are not among the `keep` newest of their repository, whose digest is not needed, and
/// whose tags are all keys, but not the key that this checkout built or found last. The list is
/// empty if we did not start the registry.
///
/// # Errors
/// There is no state folder.
pub fn list(
    context: &Context,
    needed: &BTreeSet<String>,
    keep: usize,
) -> anyhow::Result<Vec<Image>> {
    if !registry::is_running(context)? {
        return Ok(Vec::new());
    }
    let repositories = registry::repositories(context)?;
    let mut images = Vec::new();
    for (name, image) in &context.platform.images {
        let stored = stored(&repositories.join(&image.repository));
        let latest = KeyStore::new(&context.cache_folder(), name).latest();
        let latest = latest.map(|hex| format!("{TAG_PREFIX}{hex}"));
        let unneeded = unneeded(stored, needed, latest.as_deref(), keep);
        images.extend(unneeded.into_iter().map(|stored| Image {
            repository: format!("{}/{}", context.platform.local.registry(), image.repository),
            digest: stored.digest,
            tags: stored.tags,
        }));
    }
    Ok(images)
}

/// Removes images, and frees their disk space unless somebody may be pushing an image.
///
/// # Errors
/// The registry refuses, or does not start again.
pub fn remove(context: &Context, images: &[Image]) -> anyhow::Result<()> {
    for image in images {
        let reference = format!("{}@{}", image.repository, image.digest);
        let (repository, digest) = Repository::of_reference(&reference)?;
        repository.delete(&digest)?;
    }
    if !registry::is_running(context)? {
        return Ok(());
    }
    match pusher(context)? {
        None => registry::collect_garbage(context),
        Some(pusher) => {
            context.report.step(&format!(
                "the disk space of the registry is not freed, because {pusher}; the next prune frees it"
            ));
            Ok(())
        }
    }
}

/// Who may be pushing images to a registry with our data.
fn pusher(context: &Context) -> anyhow::Result<Option<String>> {
    if let Some(pid) = key_lock::builder(context)? {
        return Ok(Some(format!("process {pid} builds an image")));
    }
    let state = context.state_folder()?;
    let own = format!(
        "registry-{}.json",
        context.platform.local.registry_port.get_ref()
    );
    let others = named(&state.join("run"), "registry-")
        .into_iter()
        .filter(|record| !record.ends_with(&own));
    Ok(others
        .filter(|record| Record::read(record).is_some())
        .map(|record| format!("another registry runs, which {} names", record.display()))
        .next())
}

/// The files of a folder whose names begin with `prefix`.
fn named(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    entries(folder)
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(_, path)| path)
        .collect()
}

fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let listing = fs::read_dir(folder).into_iter().flatten().flatten();
    listing
        .filter_map(|item| Some((item.file_name().into_string().ok()?, item.path())))
        .collect()
}

/// The manifests in the folder of a repository; none if there is no such repository.
fn stored(repository: &Path) -> Vec<Stored> {
    let manifests = repository.join("_manifests");
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tag, path) in entries(&manifests.join("tags")) {
        if let Ok(digest) = fs::read_to_string(path.join("current/link")) {
            tags.entry(digest).or_default().push(tag);
        }
    }
    entries(&manifests.join("revisions/sha256"))
        .into_iter()
        .filter_map(|(hex, path)| {
            // A manifest that was removed leaves its folder.
            let link = fs::metadata(path.join("link")).ok()?;
            let digest = format!("sha256:{hex}");
            let mut tags = tags.remove(&digest).unwrap_or_default();
            tags.sort();
            Some(Stored {
                digest,
                tags,
                pushed_at: link.modified().ok()?,
            })
        })
        .collect()
}

fn unneeded(
    mut stored: Vec<Stored>,
    needed: &BTreeSet<String>,
    latest: Option<&str>,
    keep: usize,
) -> Vec<Stored> {
    stored.sort_by_key(|image| Reverse(image.pushed_at));
    let is_old_key = |tag: &String| tag.starts_with(TAG_PREFIX) && Some(tag.as_str()) != latest;
    stored
        .into_iter()
        .skip(keep)
        .filter(|image| !needed.contains(&image.digest))
        .filter(|image| image.tags.iter().all(is_old_key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_old_images_without_another_purpose_are_unneeded() {
        let image = |second, digest: &str, tags: &[&str]| Stored {
            digest: digest.to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            pushed_at: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
        };
        let stored = vec![
            image(7, "sha256:new", &["key-7"]),
            image(1, "sha256:old", &["key-1"]),
            image(2, "sha256:untagged", &[]),
            image(3, "sha256:cache", &["cache"]),
            image(4, "sha256:stable", &["key-4", "stable"]),
            image(5, "sha256:needed", &["key-5"]),
            image(6, "sha256:latest", &["key-6"]),
        ];
        let needed = BTreeSet::from(["sha256:needed".to_owned()]);
        let digests: Vec<String> = unneeded(stored, &needed, Some("key-6"), 1)
            .into_iter()
            .map(|image| image.digest)
            .collect();
        assert_eq!(digests, ["sha256:untagged", "sha256:old"]);
    }

    #[test]
    fn manifests_are_found_in_the_folder_of_a_repository() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join("_manifests").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("revisions/sha256/aa/link", "sha256:aa");
        write("revisions/sha256/bb/link", "sha256:bb");
        write("tags/key-2/current/link", "sha256:aa");
        write("tags/key-1/current/link", "sha256:aa");
        write("tags/key-1/index/sha256/bb/link", "sha256:bb");
        let removed = folder.path().join("_manifests/revisions/sha256/cc");
        fs::create_dir(removed).unwrap();
        let mut found: Vec<(String, Vec<String>)> = stored(folder.path())
            .into_iter()
            .map(|image| (image.digest, image.tags))
            .collect();
        found.sort();
        let tags = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect();
        assert_eq!(
            found,
            [
                ("sha256:aa".to_owned(), tags(&["key-1", "key-2"])),
                ("sha256:bb".to_owned(), Vec::new()),
            ]
        );
        assert_eq!(stored(&folder.path().join("none")).len(), 0);
    }
}
