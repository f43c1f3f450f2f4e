//! Operations of the API on jobs.

use std::collections::HashMap;

use app_gen_contract::JobState;

use crate::clock::now_millis;
use crate::database::events::{self, state_event};
use crate::database::row::job_columns;
use crate::database::{
    Accepted, Database, Job, NewJob, bounded, changed, deliveries, projects, queue,
};

/// Why a job was cancelled that nobody followed.
pub(crate) const NOT_STARTED: &str = "cancelled before it started";
pub(crate) const WAITED: &str = "cancelled while it waited";

/// What a cancel request found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The job had not started, or waited, and is cancelled now.
    AtOnce,
    /// The job's task will be stopped by the orchestrator that follows it.
    Requested,
    /// Nothing to do: the job has ended or is being stopped already.
    Nothing,
}

impl Database {
    /// Accepts a job, with its project if that is new: state `queued`, first event written. At most `queue`
    /// jobs wait.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_job(&self, job: &NewJob, queue: u32) -> sqlx::Result<Accepted> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            let accepted = queue::insert(&mut transaction, job, queue, now_millis()).await?;
            if accepted == Accepted::Queued {
                transaction.commit().await?;
            }
            Ok(accepted)
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

    /// Up to `limit` jobs of a tenant, newest first, older than the job `before`: of one project, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(
        &self,
        tenant: &str,
        project_id: Option<&str>,
        before: Option<&str>,
        limit: i64,
    ) -> sqlx::Result<Vec<Job>> {
        bounded(async {
            let query = match project_id {
                None => sqlx::query_as(concat!(
                    "SELECT ",
                    job_columns!(),
                    " FROM jobs WHERE id < $1 AND tenant_id = $3 ORDER BY id DESC LIMIT $2"
                )),
                Some(_) => sqlx::query_as(concat!(
                    "SELECT ",
                    job_columns!(),
                    " FROM jobs WHERE id < $1 AND tenant_id = $3 AND project_id = $4 \
                     ORDER BY id DESC LIMIT $2"
                )),
            };
            // Ids are UUIDs of version 7 in lower case; every one of them sorts before "g".
            let query = query.bind(before.unwrap_or("g")).bind(limit).bind(tenant);
            let query = match project_id {
                None => query,
                Some(id) => query.bind(id),
            };
            query.fetch_all(&self.pool).await
        })
        .await
    }

    /// The first job of each project that has not ended: the others of the project wait for its end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn first_of_projects(&self) -> sqlx::Result<HashMap<String, String>> {
        let pairs: Vec<(String, String)> = bounded(async {
            sqlx::query_as(
                "SELECT project_id, MIN(id) FROM jobs \
                 WHERE finished_at IS NULL AND project_id IS NOT NULL AND kind <> 'deliver' \
                 GROUP BY project_id",
            )
            .fetch_all(&self.pool)
            .await
        })
        .await?;
        Ok(pairs.into_iter().collect())
    }

    /// Cancels a job that has not started, or waits; requests the stop of one that runs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_job(&self, id: &str) -> sqlx::Result<Cancelled> {
        // A job that begins to wait between the two looks is met by the second round.
        for _ in 0..2 {
            if self.cancel_idle(id).await? {
                return Ok(Cancelled::AtOnce);
            }
            if self.request_stop(id).await? {
                return Ok(Cancelled::Requested);
            }
        }
        Ok(Cancelled::Nothing)
    }

    /// Ends a job that nobody follows.
    async fn cancel_idle(&self, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            let cancelled: Option<(i64, String)> = sqlx::query_as(
                "UPDATE jobs SET state = $1, finished_at = $2, waiting = NULL, resume_at = NULL, \
                 reason = CASE WHEN attempt = 1 AND state = $3 THEN $6 ELSE $7 END, \
                 last_sequence = last_sequence + 1 \
                 WHERE id = $8 AND state IN ($3, $4, $5) AND finished_at IS NULL \
                 RETURNING last_sequence, reason",
            )
            .bind(JobState::Cancelled.as_str())
            .bind(now)
            .bind(JobState::Queued.as_str())
            .bind(JobState::WaitingApproval.as_str())
            .bind(JobState::WaitingLimit.as_str())
            .bind(NOT_STARTED)
            .bind(WAITED)
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some((sequence, reason)) = cancelled else {
                return Ok(false);
            };
            let event = state_event(sequence, now, JobState::Cancelled, Some(&reason));
            events::insert(&mut transaction, id, &event, None).await?;
            let state = JobState::Cancelled;
            deliveries::end(&mut transaction, id, state, Some(&reason), now).await?;
            projects::add_usage(&mut transaction, id).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// The job's follower reads this before it starts anything, and every second after that.
    async fn request_stop(&self, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE jobs SET stop_state = $1, stop_reason = $2 \
                 WHERE id = $3 AND owner IS NOT NULL AND stop_state IS NULL AND finished_at IS NULL",
            )
            .bind(JobState::Cancelled.as_str())
            .bind("cancelled on request")
            .bind(id)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }
}
