//! The registry that images are pushed to, and the login of Docker Engine there.

use crate::deploy::environment_lock::EnvironmentLock;
use app_gen_infra::Image;
use std::collections::BTreeMap;
use std::time::Duration;
use xtask_aws_api::calls::ecr::LogIn;
use xtask_aws_api::names;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_docker::registry::Repository;
use xtask_machine::{aws, ministack, registry};

/// A registry that images can be pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// The registry of the environment: on loopback for `local`, otherwise ECR.
    Environment,
    /// ECR; in the environment `local`, that of the local cloud.
    Ecr,
}

/// The address of the registry that images go to. For ECR, the repositories of `images` are created
/// if they do not exist, and the engine is logged in with a new token. The registry of this machine
/// may not run: see [`reach`].
///
/// # Errors
/// ECR does not answer or refuses us.
pub fn registry(context: &Context, wanted: Registry, images: &[String]) -> anyhow::Result<String> {
    if context.is_local() && wanted == Registry::Ecr {
        ministack::require(context)?;
    }
    address(context, wanted, images)
}

/// Starts the registry of this machine if it does not run. A build that finds its images in the
/// registry need not ask first whether it runs.
///
/// # Errors
/// The registry is not installed, or does not start.
pub fn reach(context: &Context, wanted: Registry) -> anyhow::Result<()> {
    if context.is_local() && wanted == Registry::Environment {
        registry::require(context)?;
    }
    Ok(())
}

/// The address of the registry for questions only: nothing is started, and no repository is
/// created. For ECR, the engine is logged in, because a question needs that too.
///
/// # Errors
/// ECR does not answer or refuses us.
pub fn asked(context: &Context, wanted: Registry) -> anyhow::Result<String> {
    address(context, wanted, &[])
}

fn address(context: &Context, wanted: Registry, images: &[String]) -> anyhow::Result<String> {
    if wanted == Registry::Environment && context.is_local() {
        return Ok(context.platform.local.registry());
    }
    let repositories = images
        .iter()
        .map(|image| context.platform.images[image].repository.clone())
        .collect();
    let login = aws::call(context, LogIn { repositories }).read()?;
    Cmd::new("docker")
        .args(["login", "--username", &login.username, "--password-stdin"])
        .arg(&login.registry)
        .stdin(login.password.into_revealed())
        .timeout(Duration::from_secs(60))
        .read()
        .failure(|| {
            Failure::new(
                Code::Service,
                format!("failed to log the engine in to {}", login.registry),
            )
            .hint("cargo xtask preflight")
        })?;
    Ok(login.registry)
}

/// References to all images for a template that is made before they are built. Everything in them
/// is right but the digest.
#[must_use]
pub fn unbuilt(context: &Context) -> BTreeMap<String, String> {
    let registry = match &context.environment().account {
        Some(account) => names::registry_host(account.get_ref(), &context.platform.region),
        None => context.platform.local.registry(),
    };
    let reference = |image: &Image| {
        let repository = Repository::new(&registry, &image.repository);
        repository.pinned(&format!("sha256:{}", "0".repeat(64)))
    };
    context
        .platform
        .images
        .iter()
        .map(|(name, image)| (name.clone(), reference(image)))
        .collect()
}

/// Points a tag at an image without changing its digest: the same manifest is put under the tag. Only
/// tags that no environment has, such as those of `build --tag`, are moved without its lock.
///
/// # Errors
/// The reference is not one by digest, the lock is not ours any more, or the registry refuses.
pub fn move_tag(
    context: &Context,
    lock: Option<&EnvironmentLock<'_>>,
    reference: &str,
    tag: &str,
) -> anyhow::Result<()> {
    if let Some(lock) = lock {
        lock.still_ours()?;
    }
    let (repository, digest) = Repository::of_reference(reference)?;
    repository.put(tag, &repository.manifest(&digest)?)?;
    context
        .report
        .step(&format!("{} is {digest}", repository.tagged(tag)));
    Ok(())
}
