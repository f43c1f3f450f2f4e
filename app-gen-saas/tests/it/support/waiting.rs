//! Waiting for what others do, within bounds.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer; panics with `what` when there is none in time.
pub async fn eventually<T, Answer>(what: &str, mut ask: impl FnMut() -> Answer) -> T
where
    Answer: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        sleep(Duration::from_millis(25)).await;
    }
}
