//! Leases: which orchestrator follows which job, until when.
//!
//! A job belongs to its owner until the lease ends; the owner renews it while it lives. Every write of a
//! follower names the owner, so a follower that lost its lease without noticing changes nothing.

use std::time::Duration;

use crate::clock::now_millis;
use crate::database::row::job_columns;
use crate::database::{Database, Job, bounded, changed};

/// Who follows a job, for how long at a time.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Names one process of one machine.
    pub owner: String,
    /// How long the owner may be silent.
    pub duration: Duration,
}

impl Lease {
    pub(in crate::database) fn end(&self, now: i64) -> i64 {
        now.saturating_add(i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Database {
    /// Takes over the oldest started job whose lease has ended, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_orphan(&self, lease: &Lease) -> sqlx::Result<Option<Job>> {
        bounded(async {
            let now = now_millis();
            sqlx::query_as(concat!(
                "UPDATE jobs SET owner = $1, lease_expires_at = $2 \
             WHERE id = (SELECT id FROM jobs WHERE started_at IS NOT NULL AND finished_at IS NULL \
                         AND lease_expires_at < $3 ORDER BY id LIMIT 1) \
             AND finished_at IS NULL AND lease_expires_at < $3 RETURNING ",
                job_columns!()
            ))
            .bind(&lease.owner)
            .bind(lease.end(now))
            .bind(now)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Extends the lease of a job; `false` when the job is no longer the owner's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_lease(&self, lease: &Lease, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE jobs SET lease_expires_at = $1 \
             WHERE id = $2 AND owner = $3 AND finished_at IS NULL",
            )
            .bind(lease.end(now_millis()))
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Ends the leases of an owner that is known to be gone or is about to go.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_leases(&self, owner: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE jobs SET lease_expires_at = 0 WHERE owner = $1 AND finished_at IS NULL",
            )
            .bind(owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// All owners of jobs that have not ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owners(&self) -> sqlx::Result<Vec<String>> {
        bounded(async {
            sqlx::query_scalar(
                "SELECT DISTINCT owner FROM jobs \
             WHERE owner IS NOT NULL AND started_at IS NOT NULL AND finished_at IS NULL",
            )
            .fetch_all(&self.pool)
            .await
        })
        .await
    }
}
