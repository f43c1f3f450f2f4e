//! The images of a deploy, in the registry of its environment: validated on this machine, or given
//! by digest.

use crate::deploy::assembly::Assembly;
use crate::deploy::environment_lock::EnvironmentLock;
use crate::deploy::folder::deploy_folder;
use crate::deploy::release::Image;
use crate::deploy::{bootstrap, rollout, stacks};
use crate::destination;
use crate::validation;
use std::collections::BTreeMap;
use xtask_aws_api::names::Concern;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_image::build;
use xtask_image::build::Outcome;

/// The concern whose stack contains the repositories of the images.
const REGISTRY: Concern = Concern::Registry;

/// Validates the checkout on this machine, and builds the same images into the registry of the
/// environment.
///
/// # Errors
/// The validation or a build fails, or a source changes between them.
pub fn validated(
    context: &Context,
    lock: &EnvironmentLock<'_>,
) -> anyhow::Result<BTreeMap<String, Image>> {
    let here = context.in_environment("local")?;
    let validated = validation::validate(&here, validation::Options::default())?.images;
    if context.is_local() {
        return Ok(by_name(validated));
    }
    // An interrupted deploy may have left the stack of the repositories, too.
    stacks::repair(context, lock)?;
    let names = build::select(context, &[])?;
    let registry_stack = stacks::name(context, REGISTRY);
    let is_new = stacks::show(context)?
        .iter()
        .any(|stack| stack.name == registry_stack && stack.status.is_none());
    if is_new {
        create_repositories(context, lock)?;
    }
    let registry = destination::registry(context, destination::Registry::Environment, &names)?;
    let images = build::all(
        context,
        &names,
        &registry,
        || destination::reach(context, destination::Registry::Environment),
        || xtask_machine::require(context, xtask_machine::FOR_BUILD),
    )?;
    if images
        .iter()
        .zip(&validated)
        .any(|(now, then)| now.key != then.key)
    {
        return Err(Failure::new(
            Code::Build,
            "sources changed after they were validated, so what was built is not validated",
        )
        .hint(format!("cargo xtask deploy --env {}", context.environment))
        .into());
    }
    Ok(by_name(images))
}

/// Takes images that were built and validated elsewhere. Each must be for the right platform and
/// carry its key.
///
/// # Errors
/// A name is unknown or missing, or the registry does not have such an image.
pub fn given(
    context: &Context,
    references: &[(String, String)],
) -> anyhow::Result<BTreeMap<String, Image>> {
    let names: Vec<String> = references.iter().map(|(name, _)| name.clone()).collect();
    build::select(context, &names)?;
    destination::registry(context, destination::Registry::Environment, &names)?;
    destination::reach(context, destination::Registry::Environment)?;
    let mut images = BTreeMap::new();
    for (name, reference) in references {
        images.insert(name.clone(), Image::find(context, reference)?);
    }
    match context
        .platform
        .images
        .keys()
        .find(|&name| !images.contains_key(name))
    {
        None => Ok(images),
        Some(missing) => Err(Failure::new(
            Code::Usage,
            format!("image `{missing}` is not given, but others are"),
        )
        .hint(format!(
            "add --image {missing}=REGISTRY/REPOSITORY@sha256:…"
        ))
        .into()),
    }
}

/// The reference of each image, by its name in the manifest.
#[must_use]
pub fn references(images: &BTreeMap<String, Image>) -> BTreeMap<String, String> {
    images
        .iter()
        .map(|(name, image)| (name.clone(), image.reference.clone()))
        .collect()
}

fn by_name(images: Vec<Outcome>) -> BTreeMap<String, Image> {
    images
        .into_iter()
        .map(|outcome| {
            let image = Image {
                reference: outcome.reference,
                key: outcome.key,
            };
            (outcome.image, image)
        })
        .collect()
}

/// Deploys the repositories of a new environment before there is any image to put into them.
fn create_repositories(context: &Context, lock: &EnvironmentLock<'_>) -> anyhow::Result<()> {
    bootstrap::ensure(context, lock)?;
    let references = destination::unbuilt(context);
    let folder = deploy_folder(context, "repositories");
    let assembly = Assembly::synthesise(context, &references, &folder)?;
    rollout::deploy_alone(context, lock, &assembly, REGISTRY)
}
