//! The content of a database as rows of JSON: what a backup reads, and what a restore writes.
//!
//! A backup knows databases through [`Snapshot`] and [`Refill`] alone, and a row has the same form from each of
//! them: another kind of database gives and takes the same rows, so that a backup of one can be restored into another.

mod read;
mod tables;
mod write;

use std::time::Duration;

use crate::database::{Database, migrations};

pub use read::Snapshot;
pub use tables::{NOT_COPIED, TABLES, Table};
pub use write::Refill;

/// One row: the names of its columns, each with a text, a whole number or nothing.
pub type Row = serde_json::Map<String, serde_json::Value>;

/// How long the database may take for one step: to sort a large table, or to write many rows.
const STEP_TIMEOUT: Duration = Duration::from_secs(300);

impl Database {
    /// The version of the tables of this database: the newest migration that it has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schema(&self) -> sqlx::Result<i64> {
        step(sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&self.pool))
            .await
    }
}

/// The newest version of tables that this program knows.
#[must_use]
pub fn known_schema() -> i64 {
    migrations::newest()
}

async fn step<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(STEP_TIMEOUT, work)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
