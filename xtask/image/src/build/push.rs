//! Builds an image from a packed context, with its key as a label, and pushes it.

use crate::base::Source;
use crate::build::archive::Packed;
use crate::key::Key;
use crate::key::inputs::build_arguments;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::path::Path;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::interrupt;
use xtask_core::report::Report;
use xtask_docker::buildx::Build;
use xtask_docker::dockerfile::stage_names;
use xtask_docker::reference::Reference;
use xtask_docker::registry::Repository;

/// The label of an image that has its key.
pub const KEY_LABEL: &str = "app-gen.key";

/// Builds the image from the packed context and pushes it. Returns the digest that the builder reports, which
/// it writes to a file in `folder`.
///
/// # Errors
/// The build or the push fails.
pub fn push(
    report: &Report,
    label: &str,
    key: &Key,
    repository: &Repository,
    packed: Packed,
    folder: &Path,
) -> anyhow::Result<String> {
    let inputs = &key.inputs;
    let bases: BTreeMap<&str, &str> = inputs
        .bases
        .iter()
        .filter(|(reference, _)| key.base_sources[*reference] != Source::Reference)
        .map(|(reference, digest)| (reference.as_str(), digest.as_str()))
        .collect();
    refuse_stages_named_as(&bases, &key.dockerfile.bytes)?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let tag = repository.tagged(&key.tag());
    // The folder, if there is one, is removed when the build has ended.
    let Packed {
        source,
        folder: _folder,
    } = packed;
    Build {
        platform: &inputs.platform,
        target: inputs.target.as_deref(),
        arguments: build_arguments(&inputs.args, &key.hex),
        // The build uses the digests that are in the key, whichever image a tag names by now.
        bases,
        labels: BTreeMap::from([(KEY_LABEL, key.hex.as_str())]),
        tag: tag.clone(),
        cache: repository.tagged("cache"),
    }
    .push(
        report,
        label,
        source,
        &folder.join(format!("buildx-{}.json", key.short())),
    )
    // If the registry does not answer, that is the reason, whatever the builder says.
    .map_err(|error| {
        if interrupt::requested() {
            return error;
        }
        repository.digest_of(&key.tag()).err().unwrap_or(error)
    })
    .failure(|| {
        Failure::new(Code::Build, format!("failed to build or push {tag}"))
            .hint("cargo xtask preflight")
    })
}

/// BuildKit looks for the name of a stage among the base images that are given by digest, too, and
/// would use the base image instead of the stage.
fn refuse_stages_named_as(bases: &BTreeMap<&str, &str>, dockerfile: &[u8]) -> anyhow::Result<()> {
    let stages = stage_names(dockerfile);
    for base in bases.keys() {
        let name = Reference::parse(base)?.to_string();
        let name = name.strip_suffix(":latest").unwrap_or(&name);
        if stages.contains(name) {
            return Err(Failure::new(
                Code::Build,
                format!("a stage and a base image are both named `{name}`"),
            )
            .hint("give the stage another name in the Dockerfile")
            .into());
        }
    }
    Ok(())
}

/// Checks that what the registry has now is for the right platform and has the key.
///
/// # Errors
/// It is for another platform, does not have the key, or cannot be read.
pub fn verify(key: &Key, repository: &Repository, digest: &str) -> anyhow::Result<()> {
    let carried = carried_key(repository, digest, &key.inputs.platform)?;
    if carried == key.hex {
        return Ok(());
    }
    Err(Failure::new(
        Code::Build,
        format!(
            "{} has another key in its label {KEY_LABEL}: {carried}",
            repository.pinned(digest)
        ),
    )
    .into())
}

/// The key that an image in a registry has as its label.
///
/// # Errors
/// The image is for another platform, has no key, or cannot be read.
pub fn carried_key(
    repository: &Repository,
    digest: &str,
    platform: &str,
) -> anyhow::Result<String> {
    let configuration = repository.configuration(digest)?;
    let reference = repository.pinned(digest);
    let found = format!("{}/{}", configuration.os(), configuration.architecture());
    if found != platform {
        return Err(Failure::new(
            Code::Build,
            format!("{reference} is for {found}, and not for {platform}"),
        )
        .hint(format!("build it for {platform}: cargo xtask build"))
        .into());
    }
    configuration
        .config()
        .as_ref()
        .and_then(|config| config.labels().as_ref())
        .and_then(|labels| labels.get(KEY_LABEL).cloned())
        .ok_or_else(|| {
            Failure::new(
                Code::Build,
                format!("{reference} has no label {KEY_LABEL}, which would be its key"),
            )
            .hint("build it with cargo xtask build")
            .into()
        })
}
