//! The database: one pool and one SQL text for SQLite and PostgreSQL, with a set of migrations for each.
//!
//! Statements are written for both: `$1` placeholders, integers and text only, and every transaction
//! begins with the statement that writes, so that SQLite takes its lock while it can still wait for it.
//! No transaction stays open while anything but the database is waited for.

mod accounts;
mod attempts;
mod batch;
mod deliveries;
mod events;
mod gauges;
mod jobs;
mod kind;
mod lease;
mod migrations;
mod moving;
mod previews;
mod progress;
mod projects;
mod queue;
pub mod record;
mod retention;
mod row;
mod templates;
mod uploads;
mod versions;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;

use crate::config::{DatabaseConfig, DatabaseKind};

pub use accounts::{ApiKey, Invitation, Joined, Left, Member, Owned, Tenant, Transferred, Usage};
pub use attempts::{PastAttempt, Pause};
pub use batch::{Batch, GeneratorEvent, Outcome};
pub use deliveries::{AcceptedDelivery, Delivery, DeliveryState, NewDelivery, Shown};
pub use events::{EventRecord, Page, Progress};
pub use gauges::{Gauges, JobGroup};
pub use jobs::Cancelled;
pub use kind::JobKind;
pub use lease::Lease;
pub use moving::{Exported, KINDS, Kind};
pub use previews::{Begun, NewPreview, Preview};
pub use projects::{NewProject, Project, ProjectFilter};
pub use queue::{Accepted, JobProject, NewJob};
pub use row::{Artifact, BeganWith, Job, Resources, Stop, Used, Wishes};
pub use templates::Template;
pub use uploads::Upload;
pub use versions::{Check, NewVersion, Version};

// What other stores say and bound as SQL does.
pub(crate) use accounts::{LAST_REQUEST_MILLIS, USED_MILLIS};
pub(crate) use deliveries::JOB_IS_GONE;
pub(crate) use events::{MAX_PAGE, state_event};
pub(crate) use gauges::MOST_GROUPS;
pub(crate) use jobs::{NOT_STARTED, WAITED};
pub(crate) use versions::last_of_each;

/// How long the start waits for a database that is still starting itself.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a query waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long anything waits for the database, a whole transaction included.
const WORK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long `/health` waits for an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Tenants, projects, jobs, events, templates and uploads.
#[derive(Debug, Clone)]
pub struct Database {
    pool: AnyPool,
    event_reads: Arc<AtomicU64>,
}

impl Database {
    /// Connects and migrates; waits up to 30 s for a server that has not started yet.
    ///
    /// # Errors
    /// When the database does not answer in time, or a migration fails.
    pub async fn connect(config: &DatabaseConfig) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let url = connection_url(config)?;
        let pool = AnyPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(Duration::from_secs(60))
            .after_connect({
                let kind = config.kind;
                move |connection, _| {
                    Box::pin(async move {
                        if kind == DatabaseKind::Sqlite {
                            // Readers never wait for the writer; a commit survives the death of the process.
                            let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                                           PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;";
                            sqlx::raw_sql(pragmas).execute(connection).await?;
                        }
                        Ok(())
                    })
                }
            })
            .connect_lazy(&url)
            .context("failed to read DATABASE_URL")?;
        wait_until_reachable(&pool).await?;
        let mut migrations = migrations::of(config.kind);
        // A newer version only adds (see `migrations`), so that this one goes on working beside it and
        // after it: that is what a rollback needs.
        migrations.set_ignore_missing(true);
        migrations
            .run(&pool)
            .await
            .context("failed to migrate the database")?;
        Ok(Self {
            pool,
            event_reads: Arc::default(),
        })
    }

    /// Asks for an answer within 2 s.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn ping(&self) -> sqlx::Result<()> {
        let query = sqlx::query("SELECT 1").execute(&self.pool);
        match tokio::time::timeout(PING_TIMEOUT, query).await {
            Ok(result) => result.map(|_| ()),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// The URL with the option that lets SQLite create a missing file.
fn connection_url(config: &DatabaseConfig) -> anyhow::Result<String> {
    if config.kind == DatabaseKind::Postgres {
        return Ok(config.url.clone());
    }
    let (path, options) = config.url.split_once('?').unwrap_or((&config.url, ""));
    let file = std::path::Path::new(path.trim_start_matches("sqlite:").trim_start_matches("//"));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
    }
    if options.contains("mode=") {
        return Ok(config.url.clone());
    }
    let separator = if options.is_empty() { "" } else { "&" };
    Ok(format!("{path}?{options}{separator}mode=rwc"))
}

async fn wait_until_reachable(pool: &AnyPool) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + CONNECT_TIMEOUT;
    loop {
        match pool.acquire().await {
            Ok(_) => return Ok(()),
            // Waiting helps only with a server that has not started yet.
            Err(
                error @ (sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Database(_)),
            ) if tokio::time::Instant::now() < deadline => {
                tracing::warn!(%error, "database does not answer yet");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(error).context("failed to connect to the database"),
        }
    }
}

/// Gives up on a database that has fallen silent: the connection may look alive for a long time. It is
/// not known what was written by then; followers read their job again after any error.
async fn bounded<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(WORK_TIMEOUT, work)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Whether the expected row was still there to be changed.
fn changed(result: &sqlx::any::AnyQueryResult) -> bool {
    result.rows_affected() > 0
}
