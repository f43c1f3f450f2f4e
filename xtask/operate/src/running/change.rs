//! Starts services anew and scales them, and follows that to its end as a deploy does: under
//! the environment's lock, until as many tasks as wanted run, and until users are answered.

use crate::deploy::environment_lock::EnvironmentLock;
use crate::deploy::{health, release};
use crate::running::answers;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::aws;

/// How long a service may take to come to the wanted state …
const SETTLE_SECS: u64 = 900;
/// … and its call: what is found out at the end is said, too.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(SETTLE_SECS + 60);

/// A service that has come to the wanted state.
#[derive(Debug, Serialize)]
pub struct Settled {
    /// As the manifest names it.
    pub service: String,
    /// The deployment that brought it there.
    pub deployment_id: Option<String>,
    /// Tasks that were to run before.
    pub was: u32,
    /// Tasks that run.
    pub running: u32,
    /// Tasks that should run.
    pub desired: u32,
    /// From the change to the end.
    pub seconds: f64,
}

/// What is to happen to each service.
#[derive(Debug, Clone, Copy)]
enum Change {
    Restart,
    Scale(Option<u32>),
}

#[derive(Deserialize)]
struct Begun {
    deployment_id: Option<String>,
}

#[derive(Deserialize)]
struct Reached {
    running: u32,
    desired: u32,
    seconds: f64,
}

/// Replaces the tasks of services by new ones, which read secrets and start anew.
///
/// # Errors
/// The lock is held, a service is not deployed or runs no task, or its new tasks do not serve.
pub fn restart(context: &Context, services: &[String]) -> anyhow::Result<Vec<Settled>> {
    change(context, services, "restart", Change::Restart)
}

/// Lets services run so many tasks, or as many as the manifest says.
///
/// # Errors
/// The lock is held, a service is not deployed, or does not come to run them.
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
    let _lock = EnvironmentLock::take(context, command)?;
    let known = answers::services(context)?.services;
    let mut goals = Vec::new();
    // All of them, before anything is changed.
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
                    format!("service {service} is scaled to zero: there is nothing to restart"),
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
        settled.push(bring(context, service, change, found, goal)?);
    }
    if settled.iter().any(|settled| settled.desired > 0) {
        until_served(context)?;
    }
    Ok(settled)
}

/// Changes one service and follows it.
fn bring(
    context: &Context,
    service: &str,
    change: Change,
    found: &answers::Service,
    goal: u32,
) -> anyhow::Result<Settled> {
    let to = goal.to_string();
    let (what, arguments) = match change {
        Change::Restart => (
            format!("restart {service}"),
            vec!["service", "restart", service],
        ),
        Change::Scale(_) => (
            format!("scale {service} from {} to {goal} tasks", found.desired),
            vec!["service", "scale", service, "--to", &to],
        ),
    };
    context.report.step(&what);
    let begun: Begun = aws::call(context, arguments).read()?;
    let bound = SETTLE_SECS.to_string();
    let mut arguments = vec!["service", "settle", service, "--to", &to];
    arguments.extend(["--timeout-secs", &bound]);
    if let Some(deployment) = &begun.deployment_id {
        arguments.extend(["--deployment", deployment]);
    }
    let reached: Reached = aws::call(context, arguments)
        .timeout(SETTLE_TIMEOUT)
        .start("service")?
        .read()?;
    Ok(Settled {
        service: service.to_owned(),
        deployment_id: begun.deployment_id,
        was: found.desired,
        running: reached.running,
        desired: reached.desired,
        seconds: reached.seconds,
    })
}

/// Asks through the load balancer, where what runs is what a release deployed.
fn until_served(context: &Context) -> anyhow::Result<()> {
    let releases = release::list(context)?;
    let Some(current) = release::current(&releases) else {
        return Ok(());
    };
    let now = current.service.definition(context)?;
    if now != current.task_definition {
        context.report.step(
            "what runs is not what the last release deployed: which key should answer is not known",
        );
        return Ok(());
    }
    let image = current.image(context.platform.orchestrator().image.get_ref())?;
    let (_, base_url) = current.service.addresses(context)?;
    health::until_served(context, &base_url, &image.key)
}
