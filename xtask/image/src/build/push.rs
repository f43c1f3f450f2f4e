//! Builds an image from a packed context, with its key as a label, and pushes it.

use crate::base::Source;
use crate::build::archive::Packed;
use crate::build::held::KEY_LABEL;
use crate::key::Key;
use crate::key::inputs::build_arguments;
use std::collections::BTreeMap;
use std::path::Path;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::interrupt;
use xtask_core::report::Report;
use xtask_docker::buildx::Build;
use xtask_docker::dockerfile::stage_names;
use xtask_docker::reference::Reference;
use xtask_docker::registry::Repository;

/// The tag of the registry cache of a repository.
const CACHE_TAG: &str = "cache";

/// Builds the image from the packed context and pushes it, `again` without what earlier builds left.
/// Returns the digest that the builder reports. Files of the build are in `folder` until it ends.
///
/// # Errors
/// The build or the push fails.
pub fn push(
    report: &Report,
    label: &str,
    key: &Key,
    repository: &Repository,
    packed: &Packed,
    folder: &Path,
    again: bool,
) -> anyhow::Result<String> {
    let folder = folder.join(format!("docker-{}", key.short()));
    let mut build = build(key, repository, packed.leaves_times, again)?;
    build
        .push(report, label, &packed.source, &folder)
        .or_else(|error| {
            if again || interrupt::requested() {
                return Err(error);
            }
            // If the registry does not answer, that is the reason, whatever the builder says.
            repository.digest_of(&key.tag())?;
            // The builder believes that the registry has the layers that its cache names.
            let lost = repository.lost_parts(CACHE_TAG).unwrap_or_default();
            let Some(part) = lost.first() else {
                return Err(error);
            };
            let cache = repository.tagged(CACHE_TAG);
            report.step(&format!(
                "{label}: {cache} has lost {part}, so all steps are done again"
            ));
            build.from_nothing = true;
            build.push(report, label, &packed.source, &folder)
        })
        .failure(|| {
            let tag = repository.tagged(&key.tag());
            Failure::new(Code::Build, format!("failed to build or push {tag}"))
                .hint("cargo xtask preflight")
        })
}

fn build<'a>(
    key: &'a Key,
    repository: &Repository,
    leaves_times: bool,
    again: bool,
) -> anyhow::Result<Build<'a>> {
    let inputs = &key.inputs;
    let bases: BTreeMap<&str, &str> = inputs
        .bases
        .iter()
        .filter(|(reference, _)| key.base_sources[*reference] != Source::Reference)
        .map(|(reference, digest)| (reference.as_str(), digest.as_str()))
        .collect();
    refuse_stages_named_as(&bases, &key.dockerfile.bytes)?;
    Ok(Build {
        platform: &inputs.platform,
        target: inputs.target.as_deref(),
        arguments: build_arguments(&inputs.args, &key.hex),
        // The build uses the digests that are in the key, whichever image a tag names by now.
        bases,
        registries: inputs
            .bases
            .keys()
            .map(|base| Ok(Reference::parse(base)?.registry().to_owned()))
            .collect::<anyhow::Result<_>>()?,
        labels: BTreeMap::from([(KEY_LABEL, key.hex.as_str())]),
        tag: repository.tagged(&key.tag()),
        cache: repository.tagged(CACHE_TAG),
        leaves_times,
        from_nothing: again,
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
