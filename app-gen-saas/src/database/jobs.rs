//! Operations of the API on jobs.

use std::collections::HashMap;

use app_gen_contract::JobState;
use sqlx::{Any, Transaction};

use crate::clock::now_millis;
use crate::database::events::{self, state_event};
use crate::database::row::job_columns;
use crate::database::{
    Database, Job, JobKind, NewProject, Wishes, bounded, changed, deliveries, projects,
};

/// Why a job was cancelled that nobody followed.
const NOT_STARTED: &str = "cancelled before it started";
const WAITED: &str = "cancelled while it waited";

/// The project of a job to be accepted.
#[derive(Debug, Clone)]
pub enum JobProject {
    /// A new one, whose first version the job makes.
    New(NewProject),
    /// One that exists, by its id. `start_version` is the version to begin with; without it, that is the
    /// newest one once the job starts.
    Existing {
        /// UUID.
        id: String,
        /// Any but `create`.
        kind: JobKind,
        /// Known to exist.
        start_version: Option<i64>,
    },
}

/// A job to be accepted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// UUID version 7.
    pub id: String,
    /// Its project.
    pub project: JobProject,
    /// Already checked.
    pub description: String,
    /// Already checked.
    pub provider: String,
    /// The launcher that will start it.
    pub launcher: &'static str,
    /// Already checked.
    pub wishes: Wishes,
}

/// What became of a job to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the queue.
    Queued,
    /// The queue is full.
    QueueFull,
    /// Its project is gone, or was put aside.
    NoProject,
}

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

/// Keeps a project from being deleted or put aside until the end of the transaction; `false` if it was. Whoever
/// deletes it waits, and sees then what was added.
pub(super) async fn hold_project(
    transaction: &mut Transaction<'_, Any>,
    id: &str,
) -> sqlx::Result<bool> {
    let result = sqlx::query(
        "UPDATE projects SET name = name \
         WHERE id = $1 AND deleted_at IS NULL AND archived_at IS NULL",
    )
    .bind(id)
    .execute(&mut **transaction)
    .await?;
    Ok(changed(&result))
}

/// Puts a job into the queue, with its project if that is new, unless `queue` jobs wait there.
pub(super) async fn insert(
    transaction: &mut Transaction<'_, Any>,
    job: &NewJob,
    queue: u32,
    now: i64,
) -> sqlx::Result<Accepted> {
    let wishes =
        serde_json::to_string(&job.wishes).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let (project_id, kind, start_version) = match &job.project {
        JobProject::New(project) => {
            projects::insert(transaction, project, now).await?;
            (&project.id, JobKind::Create, None)
        }
        JobProject::Existing {
            id,
            kind,
            start_version,
        } => {
            if !hold_project(transaction, id).await? {
                return Ok(Accepted::NoProject);
            }
            (id, *kind, *start_version)
        }
    };
    let result = sqlx::query(
        "INSERT INTO jobs (id, description, provider, state, launcher, created_at, last_sequence, \
         wishes, project_id, kind, start_version) \
         SELECT $1, $2, $3, $4, $5, $6, 1, $8, $9, $10, $11 \
         WHERE (SELECT COUNT(*) FROM jobs WHERE state = $4) < $7",
    )
    .bind(&job.id)
    .bind(&job.description)
    .bind(&job.provider)
    .bind(JobState::Queued.as_str())
    .bind(job.launcher)
    .bind(now)
    .bind(i64::from(queue))
    .bind(wishes)
    .bind(project_id)
    .bind(kind.as_str())
    .bind(start_version)
    .execute(&mut **transaction)
    .await?;
    if !changed(&result) {
        return Ok(Accepted::QueueFull);
    }
    let event = state_event(1, now, JobState::Queued, None);
    events::insert(transaction, &job.id, &event, None).await?;
    Ok(Accepted::Queued)
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
            let accepted = insert(&mut transaction, job, queue, now_millis()).await?;
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

    /// Up to `limit` jobs, newest first, older than the job `before`: of one project, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(
        &self,
        project_id: Option<&str>,
        before: Option<&str>,
        limit: i64,
    ) -> sqlx::Result<Vec<Job>> {
        bounded(async {
            let query = match project_id {
                None => sqlx::query_as(concat!(
                    "SELECT ",
                    job_columns!(),
                    " FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2"
                )),
                Some(_) => sqlx::query_as(concat!(
                    "SELECT ",
                    job_columns!(),
                    " FROM jobs WHERE id < $1 AND project_id = $3 ORDER BY id DESC LIMIT $2"
                )),
            };
            // Ids are UUIDs of version 7 in lower case; every one of them sorts before "g".
            let query = query.bind(before.unwrap_or("g")).bind(limit);
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
