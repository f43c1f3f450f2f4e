//! `cargo xtask unlock`: take the environment's lock from whoever holds it.

use xtask_core::context::Context;
use xtask_operate::deploy::{environment_lock, guards};

/// Runs the command.
///
/// # Errors
/// The answer was no, or the cloud does not answer.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    guards::said_yes(context, "unlock")?;
    if context.is_local() {
        xtask_machine::ministack::require(context)?;
    }
    let Some(holder) = environment_lock::holder(context)? else {
        return context.report.result(
            &serde_json::json!({ "released": null }),
            &format!("environment {} is not locked", context.environment),
        );
    };
    guards::confirm(
        context,
        &format!(
            "`{}` of {} on {} works on {} since {}; without its lock another could change the same stacks",
            holder.command, holder.owner, holder.host, context.environment, holder.taken_at
        ),
    )?;
    environment_lock::force_release(context, &holder)?;
    context.report.result(
        &serde_json::json!({ "released": holder }),
        &format!(
            "environment {} is no longer locked by {}",
            context.environment, holder.owner
        ),
    )
}
