//! Asks `xtask-aws` about services, tasks and alarms.

use xtask_aws_api::calls::status::{GetStatus, Status};
use xtask_aws_api::calls::tasks::{ListTasks, Task, WhichTasks};
use xtask_core::context::Context;
use xtask_machine::aws;

/// Tasks that run, and stopped ones that ECS still remembers.
///
/// # Errors
/// The cloud does not answer.
pub fn tasks(context: &Context) -> anyhow::Result<Vec<Task>> {
    list(context, WhichTasks::Deployed)
}

/// Tasks that failed since a time (milliseconds since 1970), from the log that records them, the
/// newest first.
///
/// # Errors
/// The cloud does not answer, or does not record which tasks fail.
pub fn failed_tasks(context: &Context, since_ms: i64) -> anyhow::Result<Vec<Task>> {
    list(context, WhichTasks::FailedSinceMs(since_ms))
}

fn list(context: &Context, which: WhichTasks) -> anyhow::Result<Vec<Task>> {
    let request = ListTasks {
        which,
        log_lines: None,
    };
    Ok(aws::call(context, request).read()?.tasks)
}

/// The services of the manifest with their tasks and alarms.
///
/// # Errors
/// The cloud does not answer.
pub fn services(context: &Context) -> anyhow::Result<Status> {
    aws::call(context, GetStatus {}).read()
}
