//! `cargo xtask secrets rotate`: a new value, and new tasks of the services that use it.

use serde::Serialize;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_machine::ministack;
use xtask_machine::ministack::database;
use xtask_operate::deploy::guards;
use xtask_operate::status::answers;
use xtask_operate::{secrets, services};

/// The result of `secrets rotate --json`.
#[derive(Debug, Serialize)]
struct Rotated<'a> {
    secret: &'a str,
    key: &'a str,
    /// Services whose tasks have the new value now.
    restarted: Vec<String>,
    seconds: f64,
}

/// Sets the key and restarts what runs with it.
///
/// # Errors
/// The environment is protected and nobody typed `--yes`, the cloud refuses, or a service does
/// not come up with the value. Its old tasks run on then, with the old value.
pub(super) fn run(context: &Context, secret: &str, key: &str) -> anyhow::Result<()> {
    guards::said_yes(context, &format!("secrets rotate {secret} {key}"))?;
    let value = crate::commands::secrets::value(context, secret, key)?;
    ministack::require_if_local(context)?;
    secrets::store(context, secret, key, value)?;
    let injected = context
        .platform
        .required_secret_keys(secret, &context.environment)
        .contains(&key)
        || database::provides(context, secret, key);
    let restarted = if injected {
        consumers(context, secret)?
    } else {
        Vec::new()
    };
    if !restarted.is_empty() {
        services::restart(context, &restarted).failure(|| {
            Failure::new(
                Code::Deploy,
                format!(
                    "{key} is set, but {} does not serve with it",
                    restarted.join(", ")
                ),
            )
            .hint(format!(
                "cargo xtask doctor --env {}; rotate again to a value that works",
                context.environment
            ))
        })?;
    }
    let name = &context.platform.secrets[secret].name;
    let then = match restarted.as_slice() {
        [] if !injected => format!("environment {} does not use it", context.environment),
        [] => "what starts from now on has it; nothing that runs uses it".to_owned(),
        services => format!("{} runs with it", services.join(", ")),
    };
    let seconds = context.report.elapsed_secs();
    context.report.result(
        &Rotated {
            secret: name,
            key,
            restarted,
            seconds,
        },
        &format!("{key} of {name} is set; {then}"),
    )
}

/// The services whose tasks were started with the secret; those of tasks of their own end
/// with their jobs.
fn consumers(context: &Context, secret: &str) -> anyhow::Result<Vec<String>> {
    let runs = answers::services(context)?.services;
    let uses = |service: &str| {
        let service = &context.platform.services[service];
        service
            .secret
            .as_ref()
            .is_some_and(|used| used.get_ref() == secret)
    };
    let mut consumers = Vec::new();
    for name in context.platform.services.keys().filter(|name| uses(name)) {
        if runs
            .iter()
            .any(|found| found.service == *name && found.desired > 0)
        {
            consumers.push(name.clone());
        }
    }
    Ok(consumers)
}
