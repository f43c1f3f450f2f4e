//! `service show|follow|redefine|restart|scale|settle`: what runs, what is being rolled
//! out, the way back, and how many tasks there are.

use super::follow::{self, Followed};
use crate::config::Cloud;
use crate::ecs::Ecs;
use crate::error::{CloudError, Kind};
use crate::names::Deployed;
use crate::report::Outcome;
use crate::rollout::Rollout;
use serde_json::{Value, json};
use std::time::Duration;

/// Events of a service that are shown.
pub(super) const EVENTS: usize = 20;

/// Services
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// What runs, deployments and events
    Show {
        #[arg(long)]
        cluster: String,
        #[arg(long)]
        service: String,
    },
    /// Follow the service's next deployment to its end
    Follow(follow::Args),
    /// Go back to another revision of the task definition
    Redefine {
        #[arg(long)]
        cluster: String,
        #[arg(long)]
        service: String,
        #[arg(long)]
        definition: String,
    },
    /// Replace its tasks by new ones of the same definition
    Restart {
        /// As platform.toml calls it
        service: String,
    },
    /// Set how many tasks it runs
    Scale {
        /// As platform.toml calls it
        service: String,
        #[arg(long, value_name = "TASKS", value_parser = task_count())]
        to: i32,
    },
    /// Follow it until it runs that many tasks, and no others
    Settle {
        /// As platform.toml calls it
        service: String,
        #[arg(long, value_name = "TASKS", value_parser = task_count())]
        to: i32,
        /// Of which deployment [default: the primary one]
        #[arg(long, value_name = "ID")]
        deployment: Option<String>,
        #[arg(long, default_value_t = 600)]
        timeout_secs: u64,
    },
}

/// ECS runs up to 5,000 tasks for a service.
fn task_count() -> clap::builder::RangedI64ValueParser<i32> {
    clap::value_parser!(i32).range(0..=5_000)
}

/// How long the cloud may take to show a change that it has accepted.
const APPEAR: Duration = Duration::from_secs(30);

/// # Errors
/// A call fails, or what is followed is interrupted. A service that does not
/// exist is an answer of `show`.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let ecs = Ecs::new(cloud.sdk());
    match command {
        Command::Show { cluster, service } => show(&ecs, &cluster, &service).await,
        Command::Follow(args) => follow::run(args, cloud).await,
        Command::Redefine {
            cluster,
            service,
            definition,
        } => {
            let deployment = ecs.redefine(&cluster, &service, &definition).await?;
            Outcome::success(json!({ "deployment_id": deployment }))
        }
        Command::Restart { service } => {
            let (cluster, name) = find(&service, cloud)?;
            let deployment = ecs.restart(&cluster, &name).await?;
            Outcome::success(json!({ "deployment_id": deployment }))
        }
        Command::Scale { service, to } => scale(&ecs, &service, to, cloud).await,
        Command::Settle {
            service,
            to,
            deployment,
            timeout_secs,
        } => {
            let (cluster, name) = find(&service, cloud)?;
            let rollout = Rollout::of(&name, &cloud.environment, deployment);
            let what = Followed {
                cluster,
                service: name,
                tasks: Some(to),
                timeout: Duration::from_secs(timeout_secs),
                appear: APPEAR,
            };
            follow::follow(what, rollout, cloud).await
        }
    }
}

async fn scale(ecs: &Ecs, service: &str, to: i32, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let (cluster, name) = find(service, cloud)?;
    let Some(found) = ecs.service(&cluster, &name).await? else {
        let message = format!("service {service} is not deployed");
        return Err(CloudError::new(Kind::NotFound, message)
            .hint(format!("cargo xtask deploy --env {}", cloud.environment))
            .into());
    };
    let deployment = ecs.scale(&cluster, &name, to).await?;
    Outcome::success(json!({ "deployment_id": deployment, "was": found.desired }))
}

/// Cluster and name in ECS of a service of platform.toml.
fn find(service: &str, cloud: &Cloud) -> Result<(String, String), CloudError> {
    let deployed = Deployed::new(cloud);
    let found = deployed
        .services()
        .find(|(consumer, _)| consumer.name == service);
    if let Some((_, name)) = found {
        return Ok((deployed.cluster.clone(), name.to_owned()));
    }
    let known: Vec<&str> = deployed
        .services()
        .map(|(consumer, _)| consumer.name.as_str())
        .collect();
    let message = format!("no service `{service}` in platform.toml");
    Err(CloudError::new(Kind::Usage, message).hint(format!("choose one of: {}", known.join(", "))))
}

async fn show(ecs: &Ecs, cluster: &str, service: &str) -> anyhow::Result<Outcome> {
    let Some(mut found) = ecs.service(cluster, service).await? else {
        return Outcome::success(json!({ "service": null }));
    };
    found.events.truncate(EVENTS);
    let image = ecs.image(&found.task_definition).await?;
    let mut value: Value = serde_json::to_value(&found)?;
    let primary = found.primary();
    value["image"] = json!(image);
    value["rollout_state"] = json!(primary.and_then(|primary| primary.rollout_state.as_ref()));
    value["deployment_id"] = json!(primary.map(|primary| &primary.id));
    Outcome::success(json!({ "service": value }))
}
