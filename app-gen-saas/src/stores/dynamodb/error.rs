//! Errors of AWS as those of a store.

use anyhow::anyhow;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::stores::error::StoreError;

/// What says that there were too many requests at the moment, after the client has repeated them.
const BUSY: [&str; 6] = [
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionInProgressException",
    "ServiceUnavailable",
];

/// An error with its causes, and what it kept from being done.
pub(super) fn failed<E, R>(error: SdkError<E, R>, what: &str) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    let is_busy = match &error {
        SdkError::ServiceError(context) => BUSY.contains(&context.err().code().unwrap_or_default()),
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            true
        }
        _ => false,
    };
    let error = anyhow!("failed to {what}: {}", DisplayErrorContext(&error));
    match is_busy {
        true => StoreError::Unavailable(error),
        false => StoreError::Failed(error),
    }
}

/// An item that is not what this version, or any other, writes.
pub(super) fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(anyhow!("the table holds {what}; restore it from a backup"))
}
