//! `cargo xtask open`: where users find what serves.

use crate::engine::context::Context;
use crate::engine::deploy::{probe, release};
use crate::engine::error::{Code, Failure};
use crate::local;

/// Runs the command.
///
/// # Errors
/// [`Code::Deploy`]: nothing was deployed, or it does not answer.
pub fn run(context: &Context) -> anyhow::Result<()> {
    if context.is_local() {
        local::cloud::require(context)?;
    }
    let name = &context.environment;
    let releases = release::list(context)?;
    let Some(current) = release::current(&releases) else {
        return Err(Failure::new(
            Code::Deploy,
            format!("nothing serves in environment {name}: nothing was deployed"),
        )
        .hint(format!("cargo xtask deploy --env {name}"))
        .into());
    };
    let (url, base_url) = current.service.addresses(context)?;
    let app = current.image(context.platform.orchestrator().image.get_ref())?;
    if !probe::is_served(context, &base_url, &app.key) {
        return Err(Failure::new(
            Code::Deploy,
            format!("release {} does not answer at {url}", current.id),
        )
        .hint(format!("cargo xtask deploy --env {name}"))
        .into());
    }
    context
        .report
        .result(&serde_json::json!({ "url": url }), &url)
}
