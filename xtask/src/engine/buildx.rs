//! `docker buildx build`, from a tar to a pushed manifest.

use super::archive::DOCKERFILE_PATH;
use super::cmd::Cmd;
use super::error::{Code, Failure, FailureContext as _};
use super::interrupt;
use super::key::Key;
use super::registry::Repository;
use super::report::Report;
use crate::local::engine;
use anyhow::Context as _;
use serde::Deserialize;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Label of the image that carries its key.
pub const KEY_LABEL: &str = "app-gen.key";
/// Build argument through which the image tells its key at run time.
const KEY_ARGUMENT: &str = "IMAGE_KEY";
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Arguments of the build, without the final `-` that stands for the tar.
#[must_use]
pub fn arguments(
    key: &Key,
    repository: &Repository,
    metadata_file: &Path,
    with_cache: bool,
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
    for (name, value) in &inputs.args {
        add("--build-arg", format!("{name}={value}"));
    }
    add("--build-arg", format!("{KEY_ARGUMENT}={}", key.hex));
    // BuildKit takes every time in the image from here.
    add("--build-arg", "SOURCE_DATE_EPOCH=0".to_owned());
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

/// Checks what was pushed: its platform, and that it carries the key.
///
/// # Errors
/// It is for another platform, lacks the key, or cannot be read.
pub fn verify(key: &Key, repository: &Repository, digest: &str) -> anyhow::Result<()> {
    let configuration = repository.configuration(digest)?;
    let platform = format!("{}/{}", configuration.os(), configuration.architecture());
    let label = configuration
        .config()
        .as_ref()
        .and_then(|config| config.labels().as_ref())
        .and_then(|labels| labels.get(KEY_LABEL).cloned());
    let reference = repository.pinned(digest);
    if platform != key.inputs.platform {
        return Err(Failure::new(
            Code::Build,
            format!("{reference} is for {platform}, not {}", key.inputs.platform),
        )
        .into());
    }
    if label.as_deref() != Some(&key.hex) {
        return Err(Failure::new(
            Code::Build,
            format!("{reference} does not carry its key as label {KEY_LABEL}"),
        )
        .into());
    }
    Ok(())
}
