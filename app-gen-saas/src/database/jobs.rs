//! Operations of the API on jobs.

use app_gen_contract::JobState;

use crate::clock::now_millis;
use crate::database::events::{self, state_event};
use crate::database::row::job_columns;
use crate::database::{Database, Job, bounded, changed};

/// A job to be accepted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// UUID version 7.
    pub id: String,
    /// Already checked.
    pub description: String,
    /// Already checked.
    pub provider: String,
    /// The launcher that will start it.
    pub launcher: &'static str,
}

/// What a cancel request found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The job had not started and is cancelled now.
    AtOnce,
    /// The job's task will be stopped by the orchestrator that follows it.
    Requested,
    /// Nothing to do: the job has ended or is being stopped already.
    Nothing,
}

impl Database {
    /// Accepts a job: state `queued`, first event written. `false` when `queue` jobs wait already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_job(&self, job: &NewJob, queue: u32) -> sqlx::Result<bool> {
        bounded(async {
        let now = now_millis();
        let mut transaction = self.pool.begin().await?;
        let result = sqlx::query(
            "INSERT INTO jobs (id, description, provider, state, launcher, created_at, last_sequence) \
             SELECT $1, $2, $3, $4, $5, $6, 1 \
             WHERE (SELECT COUNT(*) FROM jobs WHERE state = $4) < $7",
        )
        .bind(&job.id)
        .bind(&job.description)
        .bind(&job.provider)
        .bind(JobState::Queued.as_str())
        .bind(job.launcher)
        .bind(now)
        .bind(i64::from(queue))
        .execute(&mut *transaction)
        .await?;
        if !changed(&result) {
            return Ok(false);
        }
        let event = state_event(1, now, JobState::Queued, None);
        events::insert(&mut transaction, &job.id, &event, None).await?;
        transaction.commit().await?;
        Ok(true)
        })
        .await
    }

    /// The job, if there is one with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job(&self, id: &str) -> sqlx::Result<Option<Job>> {
        bounded(async {
            sqlx::query_as(concat!(
                "SELECT ",
                job_columns!(),
                " FROM jobs WHERE id = $1"
            ))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Up to `limit` jobs, newest first, older than the job `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(&self, before: Option<&str>, limit: i64) -> sqlx::Result<Vec<Job>> {
        bounded(async {
            // Ids are UUIDs of version 7 in lower case; every one of them sorts before "g".
            sqlx::query_as(concat!(
                "SELECT ",
                job_columns!(),
                " FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2"
            ))
            .bind(before.unwrap_or("g"))
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Cancels a job that has not started; requests the stop of one that has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_job(&self, id: &str) -> sqlx::Result<Cancelled> {
        bounded(async {
        let now = now_millis();
        let reason = "cancelled before it started";
        let mut transaction = self.pool.begin().await?;
        let sequence: Option<i64> = sqlx::query_scalar(
            "UPDATE jobs SET state = $1, reason = $2, finished_at = $3, last_sequence = last_sequence + 1 \
             WHERE id = $4 AND state = $5 RETURNING last_sequence",
        )
        .bind(JobState::Cancelled.as_str())
        .bind(reason)
        .bind(now)
        .bind(id)
        .bind(JobState::Queued.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(sequence) = sequence {
            let event = state_event(sequence, now, JobState::Cancelled, Some(reason));
            events::insert(&mut transaction, id, &event, None).await?;
            transaction.commit().await?;
            return Ok(Cancelled::AtOnce);
        }
        // The job's follower reads this before it starts anything, and every second after that.
        let result = sqlx::query(
            "UPDATE jobs SET stop_state = $1, stop_reason = $2 \
             WHERE id = $3 AND stop_state IS NULL AND finished_at IS NULL",
        )
        .bind(JobState::Cancelled.as_str())
        .bind("cancelled on request")
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(if changed(&result) {
            Cancelled::Requested
        } else {
            Cancelled::Nothing
        })
        })
        .await
    }
}
