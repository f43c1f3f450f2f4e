//! What the tests share: databases, scripted generators, an orchestrator in this process or as the built
//! binary, and a client.

pub mod binary;
pub mod client;
pub mod database;
pub mod fake_ecs;
pub mod generator;
pub mod hostile;
pub mod orchestrator;
pub mod random;
pub mod release_before;

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

/// Runs one test on each database.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::database::TestDatabase::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::database::TestDatabase::postgres().await).await;
            })+
        }
    };
}
