//! `service show|follow|redefine`: what runs, what is being rolled out, and the way back.

use super::follow;
use crate::config::Cloud;
use crate::ecs::Ecs;
use crate::report::Outcome;
use serde_json::{Value, json};

/// Events of a service that are shown.
const EVENTS: usize = 20;

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
}

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
    }
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
