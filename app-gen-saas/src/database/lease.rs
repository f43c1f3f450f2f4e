//! Leases: which orchestrator follows which job, until when.
//!
//! A job belongs to its owner until the lease ends; the owner renews it while it lives. Every write of a
//! follower names the owner, so a follower that lost its lease without noticing changes nothing.

use std::time::Duration;

use app_gen_contract::JobState;

use crate::clock::now_millis;
use crate::database::events::{self, state_event};
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
    pub(crate) fn end(&self, now: i64) -> i64 {
        now.saturating_add(i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Database {
    /// Takes the oldest queued job, if there is one: state `starting`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_queued(&self, lease: &Lease) -> sqlx::Result<Option<Job>> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            // The jobs of a project are done one after the other, so that two changes never meet. A delivery
            // changes no version, and no two of them have the same target: it waits for nothing.
            // The condition on the state is repeated: of two orchestrators that pick the same row,
            // PostgreSQL lets the second wait, check again, and find it taken.
            let job: Option<Job> = sqlx::query_as(concat!(
                "UPDATE jobs SET state = $1, owner = $2, lease_expires_at = $3, \
             started_at = COALESCE(started_at, $4), attempt_started_at = $4, \
             last_sequence = last_sequence + 1 \
             WHERE id = (SELECT id FROM jobs AS next WHERE state = $5 \
             AND (next.kind = 'deliver' OR NOT EXISTS \
             (SELECT 1 FROM jobs AS earlier WHERE earlier.project_id = next.project_id \
             AND earlier.id < next.id AND earlier.finished_at IS NULL \
             AND earlier.kind <> 'deliver')) \
             ORDER BY id LIMIT 1) AND state = $5 \
             RETURNING ",
                job_columns!()
            ))
            .bind(JobState::Starting.as_str())
            .bind(&lease.owner)
            .bind(lease.end(now))
            .bind(now)
            .bind(JobState::Queued.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(job) = &job {
                let event = state_event(job.last_sequence, now, JobState::Starting, None);
                events::insert(&mut transaction, &job.id, &event, None).await?;
            }
            transaction.commit().await?;
            Ok(job)
        })
        .await
    }

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
