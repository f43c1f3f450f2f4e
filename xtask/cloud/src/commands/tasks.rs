//! `tasks`: what runs and what stopped lately, with the meaning of failures.

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
    /// So many of the last lines that each failed task wrote
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=1000))]
    log_lines: Option<u32>,
}

/// # Errors
/// There is no such cluster, or a call fails. A platform that is not deployed has no tasks.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let tasks = match &args.cluster {
        Some(cluster) => tasks::list(cloud, cluster, args.log_lines).await?,
        None => tasks::list_deployed(cloud, args.log_lines).await?,
    };
    Outcome::success(json!({ "tasks": tasks }))
}
