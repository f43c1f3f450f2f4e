//! Logs of what is deployed. CloudWatch keeps them, `xtask-aws` reads them.

use crate::logs::query::Query;
use std::collections::VecDeque;
use std::time::Duration;
use xtask_aws_api::calls::logs::{LogRecord, LogSource, ReadLogs};
use xtask_aws_api::calls::stream_item::StreamItem;
use xtask_aws_api::calls::tasks::Task;
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
    mut on_line: impl FnMut(LogRecord) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Task>> {
    let mut ended = None;
    let mut held = VecDeque::new();
    // `xtask-aws` does not know levels, so it cannot count the newest lines of one.
    let counted = query.newest.filter(|_| counts_here(query));
    aws::call(context, request(context, query))
        .timeout(match query.follow {
            true => FOLLOW_TIMEOUT,
            false => READ_TIMEOUT,
        })
        .stream("logs", |item| {
            match item {
                StreamItem::Line(line) if query.passes_level(&line.message) => {
                    let Some(count) = counted else {
                        return on_line(line);
                    };
                    held.push_back(line);
                    if held.len() > count {
                        held.pop_front();
                    }
                }
                StreamItem::Ended(run) => ended = Some(run.task),
                StreamItem::Line(_) | StreamItem::Failed(_) => {}
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

fn request(context: &Context, query: &Query) -> ReadLogs {
    let of = match &query.task {
        Some(task) => LogSource::Task(task.clone()),
        None if query.sources.is_empty() => LogSource::Everything,
        None => {
            let sources = query.sources.iter().cloned();
            let (services, task_kinds) =
                sources.partition(|source| context.platform.services.contains_key(source));
            LogSource::Some {
                services,
                task_kinds,
            }
        }
    };
    let counted_there = query.newest.filter(|_| !counts_here(query));
    ReadLogs {
        of,
        job: query.job.clone(),
        since_ms: query.since_ms,
        filter: query.filter.clone(),
        follow: query.follow,
        // More than the call allows is refused by it.
        tail: counted_there.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
    }
}
