//! `docker buildx build`, from a tar to a pushed manifest.

use crate::engine::base::Source;
use crate::engine::base::dockerfile::stage_names;
use crate::engine::base::reference::Reference;
use crate::engine::build::archive::DOCKERFILE_PATH;
use crate::engine::cmd::Cmd;
use crate::engine::error::{Code, Failure, FailureContext as _};
use crate::engine::interrupt;
use crate::engine::key::Key;
use crate::engine::registry::Repository;
use crate::engine::report::Report;
use crate::local::engine;
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Label of the image that carries its key.
pub const KEY_LABEL: &str = "app-gen.key";
/// Build argument through which the image tells its key at run time.
const KEY_ARGUMENT: &str = "IMAGE_KEY";
/// Stands for the key while it is computed. No image can have it in its name, so that none can
/// be named by the key that it is a part of.
pub const KEY_PLACEHOLDER: &str = "{IMAGE_KEY}";
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// All build arguments: the manifest's, and those of every build.
#[must_use]
pub fn build_arguments(args: &BTreeMap<String, String>, key: &str) -> BTreeMap<String, String> {
    let mut arguments = args.clone();
    arguments.insert(KEY_ARGUMENT.to_owned(), key.to_owned());
    // BuildKit takes every time in the image from here.
    arguments.insert("SOURCE_DATE_EPOCH".to_owned(), "0".to_owned());
    arguments
}

/// Arguments of the build, without the final `-` that stands for the tar. `bases` are those
/// that are given by digest.
#[must_use]
pub fn arguments(
    key: &Key,
    repository: &Repository,
    metadata_file: &Path,
    with_cache: bool,
    bases: &[&String],
) -> Vec<String> {
    let inputs = &key.inputs;
    let mut arguments: Vec<String> = [
        "buildx",
        "build",
        "--progress=plain",
        "--provenance=false",
        "--sbom=false",
        "--push",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut add = |flag: &str, value: String| {
        arguments.push(flag.to_owned());
        arguments.push(value);
    };
    add("--platform", inputs.platform.clone());
    add("--file", DOCKERFILE_PATH.to_owned());
    if let Some(target) = &inputs.target {
        add("--target", target.clone());
    }
    for (name, value) in build_arguments(&inputs.args, &key.hex) {
        add("--build-arg", format!("{name}={value}"));
    }
    // What was resolved is what is built, wherever the tag points by then.
    for reference in bases {
        let digest = &inputs.bases[*reference];
        add(
            "--build-context",
            format!("{reference}=docker-image://{reference}@{digest}"),
        );
    }
    add("--label", format!("{KEY_LABEL}={}", key.hex));
    add("--tag", repository.tagged(&key.tag()));
    add("--metadata-file", metadata_file.display().to_string());
    if with_cache {
        let cache = repository.tagged("cache");
        add("--cache-from", format!("type=registry,ref={cache}"));
        // A cache that cannot be written must not fail a build.
        add(
            "--cache-to",
            format!(
                "type=registry,ref={cache},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
            ),
        );
    }
    arguments
}

/// Builds from the tar, pushes, and returns the digest that the builder reports.
///
/// # Errors
/// The build or the push fails.
pub fn build(
    report: &Report,
    label: &str,
    key: &Key,
    repository: &Repository,
    tar: File,
    records: &Path,
) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "containerimage.digest")]
        digest: String,
    }
    let bases: Vec<&String> = key
        .inputs
        .bases
        .keys()
        .filter(|reference| key.base_sources[*reference] != Source::Reference)
        .collect();
    refuse_stages_named_as(&bases, &key.dockerfile)?;
    std::fs::create_dir_all(records)
        .with_context(|| format!("failed to create {}", records.display()))?;
    let metadata_file = records.join(format!("buildx-{}.json", key.short()));
    // The engine's own builder writes a registry cache only with containerd's image store.
    Cmd::new("docker")
        .args(arguments(
            key,
            repository,
            &metadata_file,
            engine::info()?.containerd_image_store,
            &bases,
        ))
        .arg("-")
        .stdin_file(tar)
        .timeout(TIMEOUT)
        .run(report, label)
        // Where the registry has gone, that is why, whatever the builder makes of it.
        .map_err(|error| {
            if interrupt::requested() {
                return error;
            }
            repository.digest_of(&key.tag()).err().unwrap_or(error)
        })
        .failure(|| {
            Failure::new(
                Code::Build,
                format!("failed to build or push {}", repository.tagged(&key.tag())),
            )
            .hint("cargo xtask preflight")
        })?;
    let metadata: Metadata = serde_json::from_slice(
        &std::fs::read(&metadata_file)
            .with_context(|| format!("buildx wrote no {}", metadata_file.display()))?,
    )?;
    let _ = std::fs::remove_file(&metadata_file);
    Ok(metadata.digest)
}

/// BuildKit looks up stages among the bases given by digest too, and would take the base for
/// the stage.
fn refuse_stages_named_as(bases: &[&String], dockerfile: &[u8]) -> anyhow::Result<()> {
    let stages = stage_names(dockerfile);
    for base in bases {
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
