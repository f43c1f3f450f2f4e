//! DynamoDB and SQS: one table for everything, and a queue that wakes who waits for jobs.
//!
//! A thing is an item with the columns that SQL has for it (`record`), and its key says where it is (`key`).
//! Lists are small items beside what they belong to, so that a list shows what was just written. What belongs
//! together changes in one round (`round`). The table alone says what is to be done: a message that is lost or
//! comes twice does no harm.

mod accept;
mod deliveries;
mod dispatch;
mod duties;
mod ending;
mod entrances;
mod error;
mod events;
mod following;
mod job;
mod jobs;
mod key;
mod leases;
mod moving;
mod preview;
mod preview_steps;
mod previews;
mod projects;
mod removal;
mod round;
pub(super) mod sdk;
mod stream;
mod table;
mod templates;
mod tenants;
mod uploads;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use aws_config::SdkConfig;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::DynamoDbConfig;
use crate::database::Database;
use crate::stores::duties::Duties as _;
use crate::stores::dynamodb::dispatch::Dispatch;
use crate::stores::dynamodb::table::Table;
use crate::stores::store::Store;

/// How many of what somebody has to look after are looked at in one go, where nobody says it.
const LOOK: i64 = 1_000;

/// A table of DynamoDB with its queue.
#[derive(Debug)]
pub(super) struct DynamoStore {
    table: Table,
    dispatch: Dispatch,
    /// When queued jobs are looked for again that no message told of.
    next_sweep: Mutex<Instant>,
    event_reads: AtomicU64,
}

impl DynamoStore {
    /// Makes the clients, and makes sure of table and queue.
    ///
    /// # Errors
    /// When the table or the queue does not answer.
    pub(super) async fn connect(
        sdk: &SdkConfig,
        config: &DynamoDbConfig,
        new_job: Arc<Notify>,
    ) -> anyhow::Result<Self> {
        let store = Self {
            table: Table {
                client: sdk::dynamodb(sdk),
                name: config.table.clone(),
            },
            dispatch: Dispatch::new(sdk::sqs(sdk), config.queue_url.clone(), new_job),
            next_sweep: Mutex::new(Instant::now()),
            event_reads: AtomicU64::new(0),
        };
        store.ping().await.with_context(|| {
            format!(
                "failed to reach table {} of DynamoDB; is it deployed, and may this role use it?",
                config.table
            )
        })?;
        store.dispatch.check().await?;
        Ok(store)
    }
}

#[async_trait::async_trait]
impl Store for DynamoStore {
    fn sql(&self) -> Option<&Database> {
        None
    }

    fn event_reads(&self) -> u64 {
        self.event_reads.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        self.dispatch.stop();
    }
}
