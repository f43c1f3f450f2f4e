//! Restarts and scales services. As a deploy does, it holds the lock of the environment and waits
//! until the wanted number of tasks runs and users get answers.

use crate::deploy::environment_lock::EnvironmentLock;
use crate::deploy::{health, release};
use crate::status::answers;
use serde::Serialize;
use std::time::Duration;
use xtask_aws_api::calls::services::{RestartService, ScaleService, SettleService};
use xtask_aws_api::calls::status::ServiceStatus;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::aws;

/// How long a service may take to reach the wanted state …
const SETTLE_SECS: u64 = 900;
/// … and how long its call may take, which reports at the end why that was not reached.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(SETTLE_SECS + 60);

/// A service that has reached the wanted state.
#[derive(Debug, Serialize)]
pub struct Settled {
    /// Its name in the manifest.
    pub service: String,
    /// The deployment that changed it.
    pub deployment_id: String,
    /// Tasks that should run before the change.
    pub was: u32,
    /// Tasks that run.
    pub running: u32,
    /// Tasks that should run.
    pub desired: u32,
    /// From the change to the wanted state.
    pub seconds: u64,
}

/// What happens to each service.
#[derive(Debug, Clone, Copy)]
enum Change {
    Restart,
    Scale(Option<u32>),
}

/// Replaces the tasks of services by new ones, which read their secrets again.
///
/// # Errors
/// The lock is held, a service is not deployed or runs no task, or its new tasks do not serve.
pub fn restart(context: &Context, services: &[String]) -> anyhow::Result<Vec<Settled>> {
    change(context, services, "restart", Change::Restart)
}

/// Sets how many tasks each service runs: `to`, or the number in the manifest.
///
/// # Errors
/// The lock is held, a service is not deployed, or does not reach the number.
pub fn scale(
    context: &Context,
    services: &[String],
    to: Option<u32>,
) -> anyhow::Result<Vec<Settled>> {
    change(context, services, "scale", Change::Scale(to))
}

fn change(
    context: &Context,
    services: &[String],
    command: &str,
    change: Change,
) -> anyhow::Result<Vec<Settled>> {
    let lock = EnvironmentLock::take(context, command)?;
    let known = answers::services(context)?.services;
    let mut goals = Vec::new();
    // Every service is checked before the first one is changed.
    for service in services {
        let found = known
            .iter()
            .find(|known| known.service == *service && known.exists == Some(true))
            .ok_or_else(|| {
                Failure::new(
                    Code::Deploy,
                    format!(
                        "service {service} is not deployed to {}",
                        context.environment
                    ),
                )
                .hint(format!("cargo xtask deploy --env {}", context.environment))
            })?;
        let goal = match change {
            Change::Scale(Some(to)) => to,
            Change::Scale(None) => *context.platform.services[service].desired_tasks.get_ref(),
            Change::Restart if found.desired == 0 => {
                return Err(Failure::new(
                    Code::Usage,
                    format!("service {service} is scaled to zero, so it has no task to restart"),
                )
                .hint(format!(
                    "cargo xtask scale {service} --env {}",
                    context.environment
                ))
                .into());
            }
            Change::Restart => found.desired,
        };
        goals.push((service, found, goal));
    }
    let mut settled = Vec::new();
    for (service, found, goal) in goals {
        settled.push(bring(context, &lock, service, change, found, goal)?);
    }
    if settled.iter().any(|settled| settled.desired > 0) {
        until_served(context)?;
    }
    Ok(settled)
}

/// Changes one service and waits until it has reached the wanted state.
fn bring(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    service: &str,
    change: Change,
    found: &ServiceStatus,
    goal: u32,
) -> anyhow::Result<Settled> {
    lock.still_ours()?;
    let named = service.to_owned();
    let deployment_id = match change {
        Change::Restart => {
            context.report.step(&format!("restart {service}"));
            let request = RestartService { service: named };
            aws::call(context, request).read()?.deployment_id
        }
        Change::Scale(_) => {
            context.report.step(&format!(
                "scale {service} from {} to {goal} tasks",
                found.desired
            ));
            let request = ScaleService {
                service: named,
                to: goal,
            };
            aws::call(context, request).read()?.deployment_id
        }
    };
    let request = SettleService {
        service: service.to_owned(),
        to: goal,
        deployment: Some(deployment_id.clone()),
        timeout_secs: SETTLE_SECS,
    };
    let reached = aws::call(context, request)
        .timeout(SETTLE_TIMEOUT)
        .start("service")?
        .read()?;
    Ok(Settled {
        service: service.to_owned(),
        deployment_id,
        was: found.desired,
        running: reached.running,
        desired: reached.desired,
        seconds: reached.seconds,
    })
}

/// Waits until users get answers, if the service runs what the last release deployed.
fn until_served(context: &Context) -> anyhow::Result<()> {
    let releases = release::list(context)?;
    let Some(current) = release::current(&releases) else {
        return Ok(());
    };
    let now = current.service.definition(context)?;
    if now != current.task_definition {
        context.report.step(
            "the service does not run what the last release deployed, so it is not known which key has to answer",
        );
        return Ok(());
    }
    let image = current.image(context.platform.orchestrator().image.get_ref())?;
    let (_, base_url) = current.service.addresses(context)?;
    health::until_served(context, &base_url, &image.key)
}
