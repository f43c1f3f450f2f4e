//! What each request does, in one file per subject.

mod bootstrap;
mod ecr;
mod follow;
mod identity;
mod logs;
mod prune;
mod queue;
mod rights;
mod run_task;
mod s3;
mod secrets;
mod service;
mod stack;
mod state;
mod status;
mod task;
mod tasks;
mod validate;

use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::report::Outcome;
use std::ops::RangeInclusive;
use xtask_aws_api::calls::{Call, Request, Stream};

/// A request that one object answers.
trait Handle: Call {
    /// Does what the request asks for.
    ///
    /// # Errors
    /// Whatever keeps it from its end. A failure whose answer holds more than the error is a
    /// [`DetailedFailure`](crate::error::DetailedFailure).
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Self::Answer>;
}

/// A request that many objects answer, one a line.
trait HandleStream: Stream {
    /// Does what the request asks for, and prints every item but the last one, which it returns
    /// if there is one.
    ///
    /// # Errors
    /// As [`Handle::handle`].
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Option<Self::Item>>;
}

async fn answer(request: impl Handle, cloud: &Cloud) -> anyhow::Result<Outcome> {
    Outcome::success(Some(&request.handle(cloud).await?))
}

async fn stream(request: impl HandleStream, cloud: &Cloud) -> anyhow::Result<Outcome> {
    Outcome::success(request.handle(cloud).await?.as_ref())
}

/// Does what the request asks for.
///
/// # Errors
/// Whatever keeps it from its end.
pub(crate) async fn run(request: Request, cloud: &Cloud) -> anyhow::Result<Outcome> {
    match request {
        Request::ShowBootstrap(request) => answer(request, cloud).await,
        Request::WritePolicies(request) => answer(request, cloud).await,
        Request::LogIn(request) => answer(request, cloud).await,
        Request::GetIdentity(request) => answer(request, cloud).await,
        Request::ReadLogs(request) => stream(request, cloud).await,
        Request::TailLog(request) => answer(request, cloud).await,
        Request::Prune(request) => answer(request, cloud).await,
        Request::RedriveQueue(request) => answer(request, cloud).await,
        Request::CheckRights(request) => answer(request, cloud).await,
        Request::EmptyBucket(request) => answer(request, cloud).await,
        Request::GetObject(request) => answer(request, cloud).await,
        Request::ListSecrets(request) => answer(request, cloud).await,
        Request::ReadSecret(request) => answer(request, cloud).await,
        Request::RemoveSecret(request) => answer(request, cloud).await,
        Request::SetSecret(request) => answer(request, cloud).await,
        Request::FollowService(request) => answer(request, cloud).await,
        Request::RedefineService(request) => answer(request, cloud).await,
        Request::RestartService(request) => answer(request, cloud).await,
        Request::ScaleService(request) => answer(request, cloud).await,
        Request::SettleService(request) => answer(request, cloud).await,
        Request::ShowService(request) => answer(request, cloud).await,
        Request::CancelStack(request) => answer(request, cloud).await,
        Request::DetectDrift(request) => answer(request, cloud).await,
        Request::RepairStacks(request) => answer(request, cloud).await,
        Request::ShowStacks(request) => answer(request, cloud).await,
        Request::GetRecord(request) => answer(request, cloud).await,
        Request::ListRecords(request) => answer(request, cloud).await,
        Request::PutRecord(request) => answer(request, cloud).await,
        Request::ReleaseLock(request) => answer(request, cloud).await,
        Request::RemoveRecords(request) => answer(request, cloud).await,
        Request::RenewLock(request) => answer(request, cloud).await,
        Request::ShowLock(request) => answer(request, cloud).await,
        Request::TakeLock(request) => answer(request, cloud).await,
        Request::GetStatus(request) => answer(request, cloud).await,
        Request::ListTasks(request) => answer(request, cloud).await,
        Request::OpenSession(request) => answer(request, cloud).await,
        Request::RunTask(request) => answer(request, cloud).await,
        Request::StopTask(request) => answer(request, cloud).await,
        Request::StreamTask(request) => stream(request, cloud).await,
        Request::EnsureValidation(request) => answer(request, cloud).await,
        Request::RemoveValidation(request) => answer(request, cloud).await,
        Request::StopValidation(request) => answer(request, cloud).await,
    }
}

/// Refuses a number of a request that is not in `range`.
fn require_in<T: PartialOrd + std::fmt::Display>(
    what: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), CloudError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(CloudError::new(
        Kind::Usage,
        format!(
            "`{what}` is {value}, and has to be from {} to {}",
            range.start(),
            range.end()
        ),
    ))
}

/// The refusal of a name that `platform.toml` does not have.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> CloudError {
    let known: Vec<&str> = known.collect();
    CloudError::new(
        Kind::Usage,
        format!("there is no {what} `{name}` in platform.toml"),
    )
    .hint(format!("choose one of: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_their_range_are_refused_by_name() {
        assert_eq!(require_in("lines", 50, 1..=100), Ok(()));
        let error = require_in("lines", 101, 1..=100).expect_err("too many");
        assert_eq!(error.kind, Kind::Usage);
        assert_eq!(error.message, "`lines` is 101, and has to be from 1 to 100");
    }
}
