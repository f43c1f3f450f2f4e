//! `cargo xtask secrets rotate`: a new value, and new tasks of the services that use it.

use crate::engine::cloud;
use crate::engine::context::Context;
use crate::engine::deploy::environment_lock::EnvironmentLock;
use crate::engine::deploy::release::{self, Release};
use crate::engine::deploy::{guards, probe};
use crate::engine::error::{Code, Failure, FailureContext as _};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A service starts new tasks and drains the old ones.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The result of `secrets rotate --json`.
#[derive(Debug, Serialize)]
struct Rotated<'a> {
    secret: &'a str,
    key: &'a str,
    /// Services whose tasks have the new value now.
    restarted: Vec<&'a str>,
    seconds: f64,
}

#[derive(Deserialize)]
struct Restarted {
    deployment_id: String,
}

/// Sets the key and restarts what runs with it.
///
/// # Errors
/// The environment is protected and nobody typed `--yes`, another command works on it, the
/// cloud refuses, or a service does not come up with the value. Its old tasks run on then,
/// with the old value.
pub(super) fn run(context: &Context, secret: &str, key: &str) -> anyhow::Result<()> {
    guards::said_yes(context, &format!("secrets rotate {secret} {key}"))?;
    let value = super::value(context, secret, key)?;
    super::require_cloud(context)?;
    let _lock = EnvironmentLock::take(context, "secrets rotate")?;
    let releases = release::list(context)?;
    let current = release::current(&releases);
    super::store(context, secret, key, value)?;
    let injected = context
        .platform
        .required_secret_keys(secret, &context.environment)
        .contains(&key);
    let mut restarted = Vec::new();
    for (service, _) in context.platform.services.iter().filter(|(_, service)| {
        injected
            && service
                .secret
                .as_ref()
                .is_some_and(|used| used.get_ref() == secret)
    }) {
        if let Some(current) = current
            && restart(context, service, current)?
        {
            restarted.push(service.as_str());
        }
    }
    let name = &context.platform.secrets[secret].name;
    let then = match restarted.as_slice() {
        [] if !injected => format!("environment {} does not use it", context.environment),
        [] => "what starts from now on has it; nothing that runs uses it".to_owned(),
        services => format!("{} runs with it", services.join(", ")),
    };
    context.report.result(
        &Rotated {
            secret: name,
            key,
            restarted,
            seconds: context.report.elapsed_secs(),
        },
        &format!("{key} of {name} is set; {then}"),
    )
}

/// New tasks in place of all that run, until they answer; nothing to do for a service that
/// has none.
fn restart(context: &Context, service: &str, current: &Release) -> anyhow::Result<bool> {
    let Some(state) = current
        .service
        .state(context)?
        .filter(|state| state.desired > 0)
    else {
        return Ok(false);
    };
    context.report.step(&format!("restart {service}"));
    let settle = || -> anyhow::Result<()> {
        let restarted: Restarted = cloud::call(context, ["service", "restart", service]).read()?;
        let wanted = state.desired.to_string();
        let arguments = ["service", "settle", service, "--to", &wanted];
        let _: serde_json::Value = cloud::call(
            context,
            arguments
                .into_iter()
                .chain(["--deployment", &restarted.deployment_id]),
        )
        .timeout(SETTLE_TIMEOUT)
        .start("service")?
        .read()?;
        let (_, base_url) = current.service.addresses(context)?;
        let app = current.image(context.platform.orchestrator().image.get_ref())?;
        probe::until_served(context, &base_url, &app.key)
    };
    settle().failure(|| {
        Failure::new(
            Code::Deploy,
            format!("{service} does not come up with the new value, which is set"),
        )
        .hint("set a value that works the same way: cargo xtask secrets rotate")
    })?;
    Ok(true)
}
