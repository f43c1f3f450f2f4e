//! Why a store did not do what it was asked.

/// A store failed. What it was asked may have been done all the same: who follows a job reads it again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or not in time.
    #[error("{0:#}")]
    Unavailable(anyhow::Error),
    /// It answered that it cannot.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

/// What a store answers.
pub type StoreResult<T> = Result<T, StoreError>;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Self::Unavailable(error.into())
            }
            other => Self::Failed(other.into()),
        }
    }
}
