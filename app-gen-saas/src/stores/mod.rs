//! Stores: what an orchestrator keeps, behind one trait.
//!
//! A concern is a trait of its own, and a store keeps all of them: SQL for SQLite and PostgreSQL (`database`,
//! which has the statements), and DynamoDB with SQS (`dynamodb`) for who outgrows one database, or wants nothing
//! that AWS does not have. `docs/stores.md` has every access pattern with its index and its key. One suite of
//! tests (`tests/it/stores`) asks all three for the same behaviour.

mod accounts;
mod concern;
mod deliveries;
mod duties;
mod dynamodb;
mod error;
mod events;
mod following;
mod jobs;
mod leases;
mod moving;
mod previews;
mod projects;
mod store;
mod templates;

use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::Notify;

use crate::config::{DynamoDbConfig, StoreConfig};
use crate::database::Database;
use crate::stores::dynamodb::{DynamoStore, sdk};

pub use accounts::{Entrances, Removal, Tenants};
pub use deliveries::Deliveries;
pub use duties::Duties;
pub use error::{StoreError, StoreResult};
pub use events::Events;
pub use following::Following;
pub use jobs::Jobs;
pub use leases::Leases;
pub use moving::Moving;
pub use previews::{PreviewSteps, Previews};
pub use projects::Projects;
pub use store::Store;
pub use templates::{Templates, Uploads};

/// Connects to the store that is configured. It wakes who waits for jobs by `new_job`, if it hears of one.
///
/// # Errors
/// When it does not answer, or a database cannot be migrated.
pub async fn connect(
    config: &StoreConfig,
    new_job: &Arc<Notify>,
) -> anyhow::Result<Arc<dyn Store>> {
    match config {
        StoreConfig::Database(config) => Ok(Arc::new(Database::connect(config).await?)),
        StoreConfig::DynamoDb(config) => {
            let sdk = sdk::of_this_process().await?;
            in_dynamodb(&sdk, config, new_job).await
        }
    }
}

/// Connects to a table and a queue with clients of one's own making.
///
/// # Errors
/// When one of them does not answer.
pub async fn in_dynamodb(
    sdk: &SdkConfig,
    config: &DynamoDbConfig,
    new_job: &Arc<Notify>,
) -> anyhow::Result<Arc<dyn Store>> {
    let store = DynamoStore::connect(sdk, config, Arc::clone(new_job)).await?;
    Ok(Arc::new(store))
}
