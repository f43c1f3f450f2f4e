//! `bucket empty`: what must happen before a bucket can be removed.

use crate::config::Cloud;
use crate::report::Outcome;
use crate::s3::S3;
use serde_json::json;

/// Buckets
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Delete all objects with all their versions
    Empty { name: String },
}

/// # Errors
/// A call fails, or an object cannot be deleted. A bucket that does not exist is an empty one.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let Command::Empty { name } = command;
    let deleted = S3::new(cloud.sdk(), cloud.is_local())
        .empty_bucket(&name)
        .await?;
    Outcome::success(json!({ "deleted": deleted.unwrap_or_default() }))
}
