//! From a packed context to a pushed image that carries its key.

use crate::base::Source;
use crate::build::archive::DOCKERFILE_PATH;
use crate::key::Key;
use crate::key::inputs::build_arguments;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::interrupt;
use xtask_core::report::Report;
use xtask_docker::buildx::Build;
use xtask_docker::dockerfile::stage_names;
use xtask_docker::reference::Reference;
use xtask_docker::registry::Repository;

/// Label of the image that carries its key.
pub const KEY_LABEL: &str = "app-gen.key";
/// Builds from the tar, pushes, and returns the digest that the builder reports, which it
/// writes to a file in `folder`.
///
/// # Errors
/// The build or the push fails.
pub fn push(
    report: &Report,
    label: &str,
    key: &Key,
    repository: &Repository,
    tar: File,
    folder: &Path,
) -> anyhow::Result<String> {
    let inputs = &key.inputs;
    let bases: BTreeMap<&str, &str> = inputs
        .bases
        .iter()
        .filter(|(reference, _)| key.base_sources[*reference] != Source::Reference)
        .map(|(reference, digest)| (reference.as_str(), digest.as_str()))
        .collect();
    refuse_stages_named_as(&bases, &key.dockerfile)?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let tag = repository.tagged(&key.tag());
    Build {
        platform: &inputs.platform,
        dockerfile: DOCKERFILE_PATH,
        target: inputs.target.as_deref(),
        arguments: build_arguments(&inputs.args, &key.hex),
        // What was resolved is what is built, wherever the tag points by then.
        bases,
        labels: BTreeMap::from([(KEY_LABEL, key.hex.as_str())]),
        tag: tag.clone(),
        cache: repository.tagged("cache"),
    }
    .push(
        report,
        label,
        tar,
        &folder.join(format!("buildx-{}.json", key.short())),
    )
    // Where the registry has gone, that is why, whatever the builder makes of it.
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

/// BuildKit looks up stages among the bases given by digest too, and would take the base for
/// the stage.
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

/// Checks what the registry now holds: that it is for the platform and carries the key.
///
/// # Errors
/// It is for another platform, lacks the key, or cannot be read.
pub fn verify(key: &Key, repository: &Repository, digest: &str) -> anyhow::Result<()> {
    let carried = carried_key(repository, digest, &key.inputs.platform)?;
    if carried == key.hex {
        return Ok(());
    }
    Err(Failure::new(
        Code::Build,
        format!(
            "{} carries another key as label {KEY_LABEL}: {carried}",
            repository.pinned(digest)
        ),
    )
    .into())
}

/// The key that an image in a registry carries.
///
/// # Errors
/// It is for another platform, carries none, or cannot be read.
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
            format!("{reference} is for {found}, not {platform}"),
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
                format!("{reference} carries no key as label {KEY_LABEL}"),
            )
            .hint("build it with cargo xtask build")
            .into()
        })
}
