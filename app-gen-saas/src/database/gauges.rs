//! What the jobs of all orchestrators are like at a moment, and who tells it.

use std::time::Duration;

use app_gen_contract::JobState;

use crate::clock::now_millis;
use crate::database::{Database, bounded, changed};

/// Groups of jobs that have not ended at most; nobody needs a longer list.
pub(crate) const MOST_GROUPS: i64 = 500;

/// Jobs that have not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    /// How many there are.
    pub jobs: Vec<JobGroup>,
    /// When the oldest job was accepted that was never taken up.
    pub oldest_queued: Option<i64>,
    /// When the oldest attempt began that goes on.
    pub oldest_attempt: Option<i64>,
}

/// Jobs of one state and provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobGroup {
    /// As it is stored.
    pub state: String,
    /// As it was asked for.
    pub provider: String,
    /// How many.
    pub count: i64,
}

impl From<(String, String, i64)> for JobGroup {
    fn from((state, provider, count): (String, String, i64)) -> Self {
        Self {
            state,
            provider,
            count,
        }
    }
}

impl Database {
    /// What the jobs are like now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gauges(&self) -> sqlx::Result<Gauges> {
        bounded(async {
            let jobs: Vec<(String, String, i64)> = sqlx::query_as(
                "SELECT state, provider, COUNT(*) FROM jobs WHERE finished_at IS NULL \
                 GROUP BY state, provider ORDER BY state, provider LIMIT $1",
            )
            .bind(MOST_GROUPS)
            .fetch_all(&self.pool)
            .await?;
            let oldest_queued = sqlx::query_scalar(
                "SELECT MIN(created_at) FROM jobs WHERE state = $1 AND started_at IS NULL",
            )
            .bind(JobState::Queued.as_str())
            .fetch_one(&self.pool)
            .await?;
            let oldest_attempt = sqlx::query_scalar(
                "SELECT MIN(COALESCE(attempt_started_at, started_at)) FROM jobs \
                 WHERE finished_at IS NULL AND state IN ($1, $2, $3)",
            )
            .bind(JobState::Starting.as_str())
            .bind(JobState::Running.as_str())
            .bind(JobState::Publishing.as_str())
            .fetch_one(&self.pool)
            .await?;
            Ok(Gauges {
                jobs: jobs.into_iter().map(JobGroup::from).collect(),
                oldest_queued,
                oldest_attempt,
            })
        })
        .await
    }

    /// Takes a duty of which only one orchestrator has each at a time, or keeps it; `false` if it is another's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_duty(
        &self,
        name: &str,
        owner: &str,
        duration: Duration,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let now = now_millis();
            let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            let result = sqlx::query(
                "INSERT INTO duties (name, owner, lease_expires_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE \
                 SET owner = excluded.owner, lease_expires_at = excluded.lease_expires_at \
                 WHERE duties.owner = excluded.owner OR duties.lease_expires_at < $4",
            )
            .bind(name)
            .bind(owner)
            .bind(now.saturating_add(millis))
            .bind(now)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Leaves a duty to whoever takes it next.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_duty_up(&self, name: &str, owner: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query("DELETE FROM duties WHERE name = $1 AND owner = $2")
                .bind(name)
                .bind(owner)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }
}
