//! A table of tasks.

use crate::commands::shown::age::age;
use xtask_aws_api::calls::tasks::Task;
use xtask_core::report::table;

/// A table of tasks.
pub(crate) fn table_of<'a>(tasks: impl Iterator<Item = &'a Task>) -> String {
    let rows: Vec<Vec<String>> = tasks
        .map(|task| {
            let state = &task.state;
            let capacity = state.capacity.as_deref().map(|capacity| match capacity {
                "FARGATE_SPOT" => "spot",
                _ => "on demand",
            });
            vec![
                task.id.clone(),
                task.kind.clone(),
                state.status.to_lowercase(),
                capacity.unwrap_or("—").to_owned(),
                age(state.stopped_at.or(state.started_at)),
                state.job.clone().unwrap_or_else(|| "—".to_owned()),
                task.why(),
            ]
        })
        .collect();
    let heading = ["task", "kind", "state", "capacity", "since", "job", "why"];
    table(&heading, &rows)
}
