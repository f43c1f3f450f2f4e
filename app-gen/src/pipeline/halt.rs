//! Why a stage does not go on.

use crate::ending::Ending;
use crate::failure::Failure;

/// Why a stage does not go on.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The attempt was asked to end.
    Stopped,
    /// The attempt ends in this way: somebody must decide, or a limit must pass.
    Ending(Ending),
    /// The job fails.
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<anyhow::Error> for Halt {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error.into())
    }
}
