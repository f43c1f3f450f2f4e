//! `tasks`: what runs and what stopped lately, or what failed since a time, with the meaning
//! of failures.

use crate::config::Cloud;
use crate::report::Outcome;
use crate::tasks;
use serde_json::json;

/// Tasks
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Another cluster than the platform's own
    #[arg(long)]
    cluster: Option<String>,
    /// Those that failed since then, also those that ECS has forgotten, instead; milliseconds
    /// since 1970
    #[arg(long, value_name = "TIME", conflicts_with = "cluster")]
    failed_since_ms: Option<i64>,
    /// So many of the last lines that each failed task wrote
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=1000))]
    log_lines: Option<u32>,
}

/// # Errors
/// There is no such cluster, failures are not recorded, or a call fails. A platform that is not
/// deployed has no tasks.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let tasks = match (&args.cluster, args.failed_since_ms) {
        (_, Some(since_ms)) => tasks::list_failed(cloud, since_ms, args.log_lines).await?,
        (Some(cluster), None) => tasks::list(cloud, cluster, args.log_lines).await?,
        (None, None) => tasks::list_deployed(cloud, args.log_lines).await?,
    };
    Outcome::success(json!({ "tasks": tasks }))
}
