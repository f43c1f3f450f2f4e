//! Stores: one suite that asks SQLite, PostgreSQL and DynamoDB for the same behaviour.
//!
//! What only a race shows is asked with many tasks at once. A claim is asked for again until it is there: DynamoDB
//! learns of jobs by messages. The table is in the local cloud of the tests; `APP_GEN_TEST_DYNAMODB`, an address
//! such as `http://127.0.0.1:5000`, has another implementation of DynamoDB and SQS asked instead.

mod accounts;
mod attempts;
mod deliveries;
mod duties;
mod events;
mod jobs;
mod leases;
mod moving;
mod previews;
mod samples;
mod templates;
mod test_store;
mod versions;

/// Runs one test on each store.
macro_rules! on_all_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::stores::test_store::TestStore::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::stores::test_store::TestStore::postgres().await).await;
            })+
        }
        mod dynamodb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::stores::test_store::TestStore::dynamodb().await).await;
            })+
        }
    };
}
use on_all_stores;
