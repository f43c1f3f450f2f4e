//! The wish that an attempt ends: work that can keep what it has does so, and then ends. A process
//! whose time is over ends in any case.

use std::time::Duration;

use app_gen_contract::exit;
use tokio::sync::watch;

/// How long the process may take to end in an orderly way when its lifetime is over.
pub(crate) const FORCED_EXIT_AFTER: Duration = Duration::from_secs(40);

/// Says that the attempt is to end.
#[derive(Debug, Default)]
pub(crate) struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Asks everybody who has a [`Stop`] to end.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }

    /// What the work listens to.
    pub(crate) fn listener(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

/// Notices that the attempt is to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns once the attempt is to end.
    pub(crate) async fn wanted(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|is_wanted| *is_wanted).await.is_err() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }

    /// Whether the attempt is to end.
    pub(crate) fn is_wanted(&self) -> bool {
        *self.0.borrow()
    }
}

/// Ends the process after this time, whatever its other threads do: a generator whose orchestrator is
/// gone, or cannot stop it, must not run, and cost, for ever.
pub(crate) fn exit_after(time: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        std::process::exit(exit::FAILED.into());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_listens_notices() {
        let stopper = Stopper::default();
        let (early, late) = (stopper.listener(), stopper.listener());
        assert!(!early.is_wanted());
        let waits = tokio::spawn(async move { early.wanted().await });
        stopper.stop();
        waits.await.unwrap();
        late.wanted().await;
        assert!(late.is_wanted());
    }
}
