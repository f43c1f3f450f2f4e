//! `tasks`: what runs in a cluster and what stopped lately;
//! running ones first, then the latest start.

use crate::config::Cloud;
use crate::ecs::Ecs;
use crate::report::Outcome;
use serde_json::json;
use std::cmp::Reverse;

/// Tasks of a cluster
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    cluster: String,
}

/// # Errors
/// There is no such cluster, or a call fails.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let ecs = Ecs::new(cloud.sdk());
    let ids = ecs.list_tasks(&args.cluster, None).await?;
    let mut tasks = ecs.describe_tasks(&args.cluster, &ids).await?;
    tasks.sort_by_key(|task| Reverse((!task.is_stopped(), task.started_at.clone())));
    Outcome::success(json!({ "tasks": tasks }))
}
