//! `cargo xtask secrets rotate`: sets a new value and restarts the services that use it.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::secrets::{Key, check_name, set};
use serde::Serialize;
use std::process::ExitCode;
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
    /// Services whose tasks have the new value.
    restarted: Vec<String>,
    needs_deploy: bool,
    seconds: f64,
}

/// Set a key as `set` does, and restart the services that use it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    key: Key,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"secret","key","restarted":[SERVICE],"needs_deploy":BOOL,"seconds"}`; the `restarted`
        services run with the new value; where `needs_deploy`, tasks get the key from the next
        `deploy` on"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let Key { secret, key } = &self.key;
        check_name(context, secret, Some(key))?;
        run(context, secret, key)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Sets the key and restarts the services that use it. A service that does not serve with the
/// new value keeps its old tasks, which have the old value.
fn run(context: &Context, secret: &str, key: &str) -> anyhow::Result<()> {
    guards::said_yes(context, &format!("secrets rotate {secret} {key}"))?;
    let value = set::value(context, secret, key)?;
    ministack::require_if_local(context)?;
    let store = || secrets::store(context, secret, key, value);
    let needs_deploy = secrets::needs_deploy(context, store)?;
    let (platform, environment) = (&context.platform, &context.environment);
    let injected = platform
        .required_secret_keys(secret, environment)
        .contains(&key)
        || platform
            .optional_secret_keys(secret, environment)
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
                "cargo xtask doctor --env {}, then rotate to a value that works",
                context.environment
            ))
        })?;
    }
    let name = &context.platform.secrets[secret].name;
    let then = match restarted.as_slice() {
        [] if !injected => format!("environment {} does not use it", context.environment),
        [] if needs_deploy => format!("cargo xtask deploy --env {environment} hands it to tasks"),
        [] => "tasks that start from now on have it, and no running task uses it".to_owned(),
        services => format!("restarted {} with it", services.join(", ")),
    };
    let seconds = context.report.elapsed_secs();
    context.report.result(
        &Rotated {
            secret: name,
            key,
            restarted,
            needs_deploy,
            seconds,
        },
        &format!("{key} of {name} is set; {then}"),
    )
}

/// The running services that use the secret. Generators do not restart: they end with their jobs.
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
