//! What became of services that were restarted or scaled.

use crate::commands::command::Answer;
use serde::Serialize;
use xtask_core::context::Context;
use xtask_operate::services::Settled;

/// How [`report`] ends a command with `--json`.
pub(crate) const ANSWER: Answer = Answer::Object(
    r#"`{"services":[{"service","deployment_id","was","running","desired","seconds"}]}`"#,
);

/// The result of `restart --json` and `scale --json`.
#[derive(Debug, Serialize)]
struct Changed {
    services: Vec<Settled>,
}

/// Prints what became of the services.
pub(crate) fn report(context: &Context, services: Vec<Settled>) -> anyhow::Result<()> {
    let lines: Vec<String> = services
        .iter()
        .map(|settled| {
            format!(
                "{}: {} of {} tasks run; {} ran before ({:.0} s)",
                settled.service, settled.running, settled.desired, settled.was, settled.seconds
            )
        })
        .collect();
    context
        .report
        .result(&Changed { services }, &lines.join("\n"))
}
