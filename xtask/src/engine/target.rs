//! Which registry images go to, and logging the engine in to it.

use crate::engine::build::Outcome;
use crate::engine::cloud;
use crate::engine::cmd::Cmd;
use crate::engine::context::Context;
use crate::engine::error::{Code, Failure, FailureContext as _};
use crate::engine::registry::Repository;
use serde::Deserialize;
use std::time::Duration;

/// A registry as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Registry {
    /// The registry of the environment: on loopback for `local`, else ECR
    Environment,
    /// ECR; with `--env local` the local cloud's
    Ecr,
}

/// What `xtask-cloud ecr login` answers.
#[derive(Deserialize)]
struct Login {
    registry: String,
    username: String,
    password: String,
}

/// The registry's address. For ECR, repositories are made sure of and the
/// engine is logged in with a fresh token.
///
/// # Errors
/// The registry cannot be reached or refuses us.
pub fn registry(context: &Context, wanted: Registry, images: &[String]) -> anyhow::Result<String> {
    if context.is_local() {
        match wanted {
            Registry::Environment => crate::local::registry::require(context)?,
            Registry::Ecr => crate::local::cloud::require(context)?,
        }
    }
    address(context, wanted, images)
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
    let login: Login = cloud::call(context, arguments).read()?;
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

/// Puts each image's exact manifest under another tag, so that its digest stays.
///
/// # Errors
/// The registry refuses, or the digest changed.
pub fn move_tag(
    context: &Context,
    registry: &str,
    images: &[Outcome],
    tag: &str,
) -> anyhow::Result<()> {
    for image in images {
        let repository =
            Repository::new(registry, &context.platform.images[&image.image].repository);
        repository.put(tag, &repository.manifest(&image.digest)?)?;
        context
            .report
            .step(&format!("{}: {tag} is {}", image.image, image.digest));
    }
    Ok(())
}
