//! Images in the engine: looking for one, and building one that cannot be pulled everywhere.

use crate::finding::Finding;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_docker::engine;

pub(crate) const BUILD_BOUND: Duration = Duration::from_secs(900);

/// The image as the engine describes it, or nothing where the engine does not have it.
pub(crate) fn inspect(image: &str) -> Result<Option<serde_json::Value>, Finding> {
    match engine::get(&format!("/images/{image}/json")) {
        Ok((200, answer)) => Ok(Some(answer)),
        Ok((404, _)) => Ok(None),
        Ok((status, answer)) => Err(Finding::missing(format!(
            "the engine answers {status}: {}",
            answer["message"].as_str().unwrap_or_default()
        ))),
        Err(error) => Err(Finding::unknown(format!("unknown: {error}"))),
    }
}

pub(crate) fn short_id(image: &serde_json::Value) -> String {
    let id = image["Id"].as_str().unwrap_or_default();
    id.strip_prefix("sha256:")
        .unwrap_or(id)
        .chars()
        .take(12)
        .collect()
}

/// A build that puts an image of this name into the engine; the caller adds the context.
pub(crate) fn build(context: &Context, tag: &str) -> Cmd {
    Cmd::new("docker")
        .args(["buildx", "build", "--load", "--progress=plain"])
        // The archive gets newer packages while the line that installs them stays the same.
        .args(["--no-cache", "--provenance=false", "--sbom=false"])
        .args(["--platform", &context.platform.platform, "--tag", tag])
        .env("SOURCE_DATE_EPOCH", "0")
        .timeout(BUILD_BOUND)
}
