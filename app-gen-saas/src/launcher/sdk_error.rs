//! Errors of the AWS SDK as text.

use anyhow::anyhow;
use aws_sdk_ecs::error::DisplayErrorContext;

/// The error with its causes as one text: the SDK's own text contains only the outermost error.
pub(super) fn described<E>(error: E, what: &str) -> anyhow::Error
where
    E: std::error::Error,
{
    anyhow!("{what}: {}", DisplayErrorContext(&error))
}
