//! `cargo xtask open`: where users find what serves.

use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_operate::deploy::{health, release};

/// Runs the command.
///
/// # Errors
/// [`Code::Deploy`]: nothing was deployed, or it does not answer.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    if context.is_local() {
        xtask_machine::ministack::require(context)?;
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
    if !health::is_served(context, &base_url, &app.key) {
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
