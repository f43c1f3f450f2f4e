//! Logs that CloudWatch holds, as `xtask-aws` reads them.

use crate::logs::{Entry, Streamed, Wanted};
use crate::running::answers::Task;
use std::collections::VecDeque;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_machine::aws;

/// Following ends when the reader goes or says so; nobody watches for longer.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Days of a log are many pages.
const READ_TIMEOUT: Duration = Duration::from_secs(3600);

/// As [`crate::logs::read`].
pub(super) fn read(
    context: &Context,
    wanted: &Wanted,
    mut on_entry: impl FnMut(Entry) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Task>> {
    let mut ended = None;
    let mut held = VecDeque::new();
    // Which level a line has is known here alone, so the newest are counted here then.
    let counted = wanted.newest.filter(|_| counts_here(wanted));
    aws::call(context, arguments(context, wanted))
        .timeout(match wanted.follow {
            true => FOLLOW_TIMEOUT,
            false => READ_TIMEOUT,
        })
        .stream("logs", |value| {
            match Streamed::new(value)? {
                Streamed::Entry(entry) if wanted.passes_level(&entry.message) => {
                    let Some(count) = counted else {
                        return on_entry(entry);
                    };
                    held.push_back(entry);
                    if held.len() > count {
                        held.pop_front();
                    }
                }
                Streamed::Ended(task) => ended = Some(*task),
                Streamed::Entry(_) | Streamed::Failed(_) => {}
            }
            Ok(())
        })?;
    held.into_iter().try_for_each(on_entry)?;
    Ok(ended)
}

/// Following, what is there already counts as it comes.
fn counts_here(wanted: &Wanted) -> bool {
    wanted.level.is_some() && !wanted.follow
}

fn arguments(context: &Context, wanted: &Wanted) -> Vec<String> {
    let mut arguments = vec!["logs".to_owned(), "read".to_owned()];
    for source in &wanted.sources {
        let kind = match context.platform.services.contains_key(source) {
            true => "--service",
            false => "--task-kind",
        };
        arguments.extend([kind.to_owned(), source.clone()]);
    }
    let values = [
        ("--task", wanted.task.clone()),
        ("--job", wanted.job.clone()),
        ("--since-ms", wanted.since_ms.map(|since| since.to_string())),
        ("--filter", wanted.filter.clone()),
        (
            "--tail",
            wanted
                .newest
                .filter(|_| !counts_here(wanted))
                .map(|count| count.to_string()),
        ),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            // With `=`: what is looked for may begin with a dash.
            arguments.push(format!("{name}={value}"));
        }
    }
    if wanted.follow {
        arguments.push("--follow".to_owned());
    }
    arguments
}
