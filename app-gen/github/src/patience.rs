//! What is told about a delivery while it lasts, and how long it waits for rate limits.

use crate::error::Error;
use crate::settings::Step;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Waits for rate limits, all of them together within one bound, and says what is being done.
pub(crate) struct Patience<'call> {
    progress: &'call (dyn Fn(Step) + Send + Sync),
    left: Mutex<Duration>,
}

impl fmt::Debug for Patience<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Patience")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<'call> Patience<'call> {
    pub(crate) const fn new(progress: &'call (dyn Fn(Step) + Send + Sync), left: Duration) -> Self {
        Self {
            progress,
            left: Mutex::new(left),
        }
    }

    pub(crate) fn step(&self, step: Step) {
        (self.progress)(step);
    }

    /// Waits for a rate limit.
    ///
    /// # Errors
    /// It lasts longer than is left.
    pub(crate) async fn wait(&self, wait: Duration) -> Result<(), Error> {
        self.take(wait)?;
        self.step(Step::Wait { duration: wait });
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn take(&self, wait: Duration) -> Result<(), Error> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.checked_sub(wait) {
            Some(rest) => {
                *left = rest;
                Ok(())
            }
            None => Err(Error::RateLimited { wait }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_waits_together_have_one_bound() {
        let silent = |_: Step| {};
        let patience = Patience::new(&silent, Duration::from_secs(10));
        patience.take(Duration::from_secs(6)).unwrap();
        let wait = Duration::from_secs(5);
        assert_eq!(patience.take(wait), Err(Error::RateLimited { wait }));
        patience.take(Duration::from_secs(4)).unwrap();
    }
}
