//! `s3 get`: one object into a file.

use crate::config::Cloud;
use crate::report::Outcome;
use crate::s3::{ObjectUri, S3};
use serde_json::json;
use std::path::PathBuf;

/// Objects
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write an object to a file
    Get {
        /// `s3://BUCKET/KEY`
        #[arg(long)]
        uri: ObjectUri,
        #[arg(long, value_name = "PATH")]
        to: PathBuf,
    },
}

/// # Errors
/// There is no such object, or the file cannot be written.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let Command::Get { uri, to } = command;
    let size_bytes = S3::new(cloud.sdk(), cloud.is_local())
        .download(&uri, &to)
        .await?;
    Outcome::success(json!({ "path": to, "size_bytes": size_bytes }))
}
