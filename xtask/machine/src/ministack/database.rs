//! PostgreSQL for what is deployed to the local cloud. An AWS environment has a secret that names a
//! database; on this machine, nobody needs to provide one.

use crate::aws;
use crate::net;
use crate::postgres_image;
use app_gen_infra::StorageMode;
use std::time::Duration;
use xtask_aws_api::calls::secrets::SetSecret;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::wait;
use xtask_docker::engine;

/// The key of the orchestrator's secret that has the address of the database.
const KEY: &str = "DATABASE_URL";
const DATA: &str = "/var/lib/postgresql/data";
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(100);

/// Makes sure that the orchestrator's secret names a database. If it names no database or ours, ours
/// is started. Any other database is left alone. Where everything is kept in DynamoDB, there is nothing to be done.
///
/// # Errors
/// The engine or the local cloud refuses, or the database does not answer in time.
pub fn ensure(context: &Context) -> anyhow::Result<()> {
    if !is_used(context) {
        return Ok(());
    }
    let Some(secret) = &context.platform.orchestrator().secret else {
        return Ok(());
    };
    let secret = secret.get_ref().as_str();
    let stored = aws::secret_values(context, secret)?;
    let ours = url(context);
    match stored.get(KEY) {
        Some(address) if address.reveal() != ours => return Ok(()),
        Some(_) => start(context)?,
        None => {
            start(context)?;
            aws::call(
                context,
                SetSecret {
                    secret: secret.to_owned(),
                    key: KEY.to_owned(),
                    value: ours.into(),
                },
            )
            .read()?;
        }
    }
    Ok(())
}

/// Whether [`ensure`] gives this key to the orchestrator that is deployed here. The manifest requires
/// it only in other environments.
#[must_use]
pub fn provides(context: &Context, secret: &str, key: &str) -> bool {
    let used = context.platform.orchestrator().secret.as_ref();
    context.is_local()
        && is_used(context)
        && key == KEY
        && used.is_some_and(|used| used.get_ref() == secret)
}

/// Whether the orchestrator that is deployed here keeps anything in a database.
fn is_used(context: &Context) -> bool {
    context.platform.storage_mode(&context.environment) == StorageMode::Database
}

/// Removes the container and, without `keep_data`, its volume. Returns what was removed.
///
/// # Errors
/// The engine refuses.
pub fn remove(context: &Context, keep_data: bool) -> anyhow::Result<Vec<String>> {
    let name = name(context);
    let mut removed = Vec::new();
    if state(&name)?.is_some() {
        Cmd::new("docker")
            .args(["rm", "--force", &name])
            .survives_interrupt()
            .read()?;
        removed.push(format!("container {name}"));
    }
    let volumes = Cmd::new("docker")
        .args(["volume", "ls", "--quiet", "--filter"])
        .arg(format!("name=^{name}$"))
        .survives_interrupt()
        .read()?;
    if !keep_data && !volumes.is_empty() {
        Cmd::new("docker")
            .args(["volume", "rm", &name])
            .survives_interrupt()
            .read()?;
        removed.push(format!("volume {name}"));
    }
    Ok(removed)
}

/// The name of its container, and the engine's word for the state of that; nothing where there is
/// no container.
///
/// # Errors
/// The engine does not answer.
pub fn container(context: &Context) -> anyhow::Result<Option<(String, String)>> {
    let name = name(context);
    let (status, found) = engine::get(&format!("/containers/{name}/json"))?;
    let state = found["State"]["Status"].as_str().unwrap_or("unknown");
    Ok((status == 200).then(|| (name, state.to_owned())))
}

/// The name of the container and of the volume. Each local cloud has its own.
fn name(context: &Context) -> String {
    format!(
        "app-gen-database-{}",
        context.platform.local.cloud_port.get_ref()
    )
}

/// The address as tasks use it, which are containers themselves. The database has no password,
/// because it listens only on the docker bridge.
fn url(context: &Context) -> String {
    format!(
        "postgres://app@host.docker.internal:{}/app",
        context.platform.local.database_port.get_ref()
    )
}

fn start(context: &Context) -> anyhow::Result<()> {
    let name = name(context);
    match state(&name)?.as_deref() {
        Some("running") => return Ok(()),
        Some(_) => {
            // It was made for an address that may have changed. Its data is in the volume.
            remove(context, true)?;
        }
        None => {}
    }
    context.report.step("start PostgreSQL for the local cloud");
    let port = *context.platform.local.database_port.get_ref();
    let bridge = engine::bridge_address()?;
    let key = context.platform.local.key("database_port");
    net::require_free(bridge.into(), port, &key)?;
    Cmd::new("docker")
        .args(["run", "--detach", "--name", &name])
        .arg(format!("--publish={bridge}:{port}:5432"))
        .arg(format!("--volume={name}:{DATA}"))
        .arg(postgres_image::NAME)
        .read()
        .failure(|| {
            Failure::new(Code::Service, "failed to start PostgreSQL").hint("cargo xtask setup")
        })?;
    let is_ready = || {
        let ready = Cmd::new("docker")
            .args(["exec", &name, "pg_isready", "--quiet"])
            .args(["--username", "app", "--host", "127.0.0.1"])
            .output()?;
        Ok(ready.status.success())
    };
    wait::until(READY_TIMEOUT, READY_POLL, is_ready, |late| {
        Failure::new(Code::Service, format!("PostgreSQL did not answer {late}"))
            .hint(format!("docker logs {name}"))
    })
}

/// The engine's word for the state of the container; nothing where there is none.
fn state(name: &str) -> anyhow::Result<Option<String>> {
    let found = Cmd::new("docker")
        .args(["ps", "--all", "--format", "{{.State}}", "--filter"])
        .arg(format!("name=^/{name}$"))
        .survives_interrupt()
        .read()?;
    Ok(found.lines().next().map(str::to_owned))
}
