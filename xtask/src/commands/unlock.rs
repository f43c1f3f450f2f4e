//! `cargo xtask unlock`: releases the lock of an environment, whoever holds it.

use crate::commands::command::{Answer, Changes, Command};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::printable;
use xtask_operate::deploy::{environment_lock, guards};

/// Release the lock of an environment, whoever holds it
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"released":{"id","owner","host","command","taken_at","expires_at"}}`; `released` is `null`
        where nobody held the lock"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "unlock")?;
        if context.is_local() {
            xtask_machine::ministack::require(context)?;
        }
        let Some(holder) = environment_lock::holder(context)? else {
            context.report.result(
                &serde_json::json!({ "released": null }),
                &format!("environment {} is not locked", context.environment),
            )?;
            return Ok(ExitCode::SUCCESS);
        };
        guards::confirm(
            context,
            &format!(
                "`{}` of {} on {} has worked on {} since {}; without its lock, another command could change the same stacks",
                holder.command, holder.owner, holder.host, context.environment, holder.taken_at
            ),
        )?;
        environment_lock::force_release(context, &holder)?;
        context.report.result(
            &serde_json::json!({ "released": holder }),
            &format!(
                "environment {} is no longer locked by {}",
                context.environment,
                printable(&holder.owner)
            ),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
