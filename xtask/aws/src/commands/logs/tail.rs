//! `logs tail`: the last lines of one log stream.

use crate::config::Cloud;
use crate::logs::Logs;
use crate::report::Outcome;
use serde_json::json;

/// The last lines of a log stream
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    group: String,
    /// prefix/container/task id
    #[arg(long)]
    stream: String,
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lines: u32,
}

/// # Errors
/// The call fails. A stream that does not exist yet is an empty one.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let lines = Logs::new(cloud.sdk())
        .tail(&args.group, &args.stream, args.lines)
        .await?;
    Outcome::success(json!({ "lines": lines }))
}
