//! Logs, in one form wherever they are kept: in CloudWatch (`deployed`), in the containers that
//! `validate --keep` left running (`compose`), or in the files of `dev` (`files`).
//!
//! A [`LogRecord`] is what a program wrote, a [`LogLine`](log_line::LogLine) is
//! what that means, and the [`Painter`](painter::Painter) shows it to a person.

mod compose;
mod deployed;
mod files;
pub mod log_line;
pub mod painter;
pub mod query;

use crate::logs::query::Query;
use xtask_aws_api::calls::logs::LogRecord;
use xtask_aws_api::calls::tasks::Task;
use xtask_core::context::Context;

/// What wrote the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The platform that is deployed to the environment.
    Deployed,
    /// The containers that `validate --keep` left running.
    Validate,
    /// `dev` on this machine.
    Dev,
}

/// Hands the lines that are asked for to `on_line`, the oldest first. Where one task was
/// followed, returns how it ended.
///
/// # Errors
/// The place does not answer, the task does not exist, we were interrupted, or `on_line` fails.
pub fn read(
    context: &Context,
    place: Place,
    query: &Query,
    on_line: impl FnMut(LogRecord) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Task>> {
    match place {
        Place::Deployed => deployed::read(context, query, on_line),
        Place::Validate => compose::read(context, query, on_line).map(|()| None),
        Place::Dev => files::read(context, query, on_line).map(|()| None),
    }
}
