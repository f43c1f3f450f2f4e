//! What the tests share: databases, scripted generators, an orchestrator in this process or as the built
//! binary, and a client.

pub mod alarms;
pub mod binary;
pub mod client;
pub mod database;
pub mod fake_ecs;
pub mod generator;
pub mod hostile;
pub mod local_cloud;
pub mod orchestrator;
pub mod previews;
pub mod random;
pub mod release_before;
pub mod throttle;
mod waiting;

pub use waiting::{PATIENCE, eventually};

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
