//! Logs of what is deployed. CloudWatch keeps them, `xtask-aws` reads them.

use crate::logs::query::Query;
use crate::logs::raw_line::RawLine;
use crate::logs::streamed::Streamed;
use crate::status::answers::Task;
use std::collections::VecDeque;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_machine::aws;

/// Following ends when the reader is gone or interrupts it; nobody follows for longer than this.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Several days of a log are many pages.
const READ_TIMEOUT: Duration = Duration::from_secs(3600);

/// As [`crate::logs::read`].
pub(super) fn read(
    context: &Context,
    query: &Query,
    mut on_line: impl FnMut(RawLine) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Task>> {
    let mut ended = None;
    let mut held = VecDeque::new();
    // `xtask-aws` does not know levels, so it cannot count the newest lines of one.
    let counted = query.newest.filter(|_| counts_here(query));
    aws::call(context, arguments(context, query))
        .timeout(match query.follow {
            true => FOLLOW_TIMEOUT,
            false => READ_TIMEOUT,
        })
        .stream("logs", |value| {
            match Streamed::new(value)? {
                Streamed::Line(line) if query.passes_level(&line.message) => {
                    let Some(count) = counted else {
                        return on_line(line);
                    };
                    held.push_back(line);
                    if held.len() > count {
                        held.pop_front();
                    }
                }
                Streamed::Ended(task) => ended = Some(*task),
                Streamed::Line(_) | Streamed::Failed(_) => {}
            }
            Ok(())
        })?;
    held.into_iter().try_for_each(on_line)?;
    Ok(ended)
}

/// Whether the newest lines are counted on this side. Where they are followed, `xtask-aws` counts
/// them, whatever their level is.
fn counts_here(query: &Query) -> bool {
    query.level.is_some() && !query.follow
}

fn arguments(context: &Context, query: &Query) -> Vec<String> {
    let mut arguments = vec!["logs".to_owned(), "read".to_owned()];
    for source in &query.sources {
        let kind = match context.platform.services.contains_key(source) {
            true => "--service",
            false => "--task-kind",
        };
        arguments.extend([kind.to_owned(), source.clone()]);
    }
    let values = [
        ("--task", query.task.clone()),
        ("--job", query.job.clone()),
        ("--since-ms", query.since_ms.map(|since| since.to_string())),
        ("--filter", query.filter.clone()),
        (
            "--tail",
            query
                .newest
                .filter(|_| !counts_here(query))
                .map(|count| count.to_string()),
        ),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            // With `=`, because the text of a filter may begin with a dash.
            arguments.push(format!("{name}={value}"));
        }
    }
    if query.follow {
        arguments.push("--follow".to_owned());
    }
    arguments
}
