//! Which registry images go to, and logging the engine in to it.

use app_gen_infra::Image;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_docker::registry::Repository;
use xtask_machine::aws;

/// A registry as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// The registry of the environment: on loopback for `local`, else ECR
    Environment,
    /// ECR; with `--env local` the local cloud's
    Ecr,
}

/// What `xtask-aws ecr login` answers.
#[derive(Deserialize)]
struct Login {
    registry: String,
    username: String,
    password: String,
}

/// The registry's address. For ECR, repositories are made sure of and the
/// engine is logged in with a fresh token. The registry of this machine may not run: see
/// [`reach`].
///
/// # Errors
/// ECR cannot be reached or refuses us.
pub fn registry(context: &Context, wanted: Registry, images: &[String]) -> anyhow::Result<String> {
    if context.is_local() && wanted == Registry::Ecr {
        xtask_machine::ministack::require(context)?;
    }
    address(context, wanted, images)
}

/// Starts the registry of this machine where it does not run. A build that finds its images in the
/// registry need not ask first whether it runs.
///
/// # Errors
/// It is not installed, or does not start.
pub fn reach(context: &Context, wanted: Registry) -> anyhow::Result<()> {
    if context.is_local() && wanted == Registry::Environment {
        xtask_machine::registry::require(context)?;
    }
    Ok(())
}

/// The registry's address where nothing is to be pushed: nothing is started and no
/// repository made. For ECR the engine is logged in, because a question needs that too.
///
/// # Errors
/// ECR cannot be reached or refuses us.
pub fn asked(context: &Context, wanted: Registry) -> anyhow::Result<String> {
    address(context, wanted, &[])
}

fn address(context: &Context, wanted: Registry, images: &[String]) -> anyhow::Result<String> {
    if wanted == Registry::Environment && context.is_local() {
        return Ok(context.platform.local.registry());
    }
    let mut arguments = vec!["ecr".to_owned(), "login".to_owned()];
    for image in images {
        arguments.push("--repository".to_owned());
        arguments.push(context.platform.images[image].repository.clone());
    }
    let login: Login = aws::call(context, arguments).read()?;
    Cmd::new("docker")
        .args(["login", "--username", &login.username, "--password-stdin"])
        .arg(&login.registry)
        .stdin(login.password)
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

/// The image by digest, as a template names it before it is built: right in all but the digest.
#[must_use]
pub fn unbuilt(context: &Context) -> BTreeMap<String, String> {
    let registry = match &context.environment().account {
        Some(account) => format!(
            "{}.dkr.ecr.{}.amazonaws.com",
            account.get_ref(),
            context.platform.region
        ),
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

/// Puts the exact manifest of an image by digest under a tag too, so that its digest stays.
///
/// # Errors
/// The reference is none by digest, or the registry refuses.
pub fn move_tag(context: &Context, reference: &str, tag: &str) -> anyhow::Result<()> {
    let (repository, digest) = Repository::of_reference(reference)?;
    repository.put(tag, &repository.manifest(digest)?)?;
    context
        .report
        .step(&format!("{} is {digest}", repository.tagged(tag)));
    Ok(())
}
