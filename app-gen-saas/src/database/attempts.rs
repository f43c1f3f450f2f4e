//! Attempts: how one ends without the job, and how the next one begins.
//!
//! A job that waits belongs to nobody. Whoever finds that its time has come (a person who decides, any
//! orchestrator once a limit has passed) puts it back into the queue with the next attempt's number, in one
//! statement, so that of two of them only one does.

use app_gen_contract::{ApprovalPoint, Decided, Decision, JobState};
use serde::{Deserialize, Serialize};

use crate::clock::now_millis;
use crate::database::events::{self, state_event};
use crate::database::record::{Columns, FromColumns};
use crate::database::row::json;
use crate::database::{Database, Lease, Resources, bounded, changed};

/// Why an attempt ended without an end of its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Pause {
    /// A person must decide.
    WaitingApproval {
        /// What comes next if the person approves.
        point: ApprovalPoint,
        /// What is to be decided.
        question: String,
    },
    /// A limit must pass.
    WaitingLimit {
        /// Of this provider.
        provider: String,
        /// When it passes, in milliseconds since 1970, if the provider said.
        until: Option<i64>,
        /// In the words of the provider or of the agent.
        detail: String,
    },
    /// Nothing must pass.
    Interrupted {
        /// What ended the attempt.
        reason: String,
    },
}

impl Pause {
    /// The type of the generator's last event.
    #[must_use]
    pub const fn ending(&self) -> &'static str {
        match self {
            Self::WaitingApproval { .. } => "waiting_approval",
            Self::WaitingLimit { .. } => "waiting_limit",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// The state in which the job waits; one that waits for nothing is in the queue.
    #[must_use]
    pub const fn state(&self) -> JobState {
        match self {
            Self::WaitingApproval { .. } => JobState::WaitingApproval,
            Self::WaitingLimit { .. } => JobState::WaitingLimit,
            Self::Interrupted { .. } => JobState::Queued,
        }
    }

    /// What it is about, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::WaitingApproval { question, .. } => question,
            Self::WaitingLimit { detail, .. } => detail,
            Self::Interrupted { reason } => reason,
        }
    }
}

/// An attempt that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAttempt {
    /// Its job.
    pub job_id: String,
    /// From 1.
    pub number: i64,
    /// When an orchestrator claimed it.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: i64,
    /// The type of its last event, or the state in which the job ended with it.
    pub ending: String,
    /// More about that, in words.
    pub detail: Option<String>,
    /// `approved`, `rejected` or `deferred`, once a person decided.
    pub decision: Option<String>,
    /// What it took of its task, if it said so.
    pub resources: Option<Resources>,
}

impl FromColumns for PastAttempt {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            job_id: row.try_get("job_id")?,
            number: row.try_get("number")?,
            started_at: row.try_get("started_at")?,
            ended_at: row.try_get("ended_at")?,
            ending: row.try_get("ending")?,
            detail: row.try_get("detail")?,
            decision: row.try_get("decision")?,
            resources: json(row, "resources")?,
        })
    }
}

/// What makes a job's row that of its next attempt, for `SET`.
macro_rules! next_attempt {
    () => {
        "attempt = attempt + 1, attempt_after_sequence = generator_sequence, \
         attempt_after_launch = launch_attempt, attempt_started_at = NULL, task = NULL, \
         task_handle = NULL, log_position = NULL, reading_deaths = 0, outcome = NULL, \
         outcome_text = NULL, waiting = NULL, resume_at = NULL, resources = NULL, \
         task_micro_usd_per_hour = NULL"
    };
}

/// Keeps the attempt that ends, as its job's row knows it; the writer counts up the number after that.
/// `$1` ending, `$2` detail, `$3` time, `$4` job, `$5` owner.
pub(super) const KEEP_ATTEMPT: &str = "INSERT INTO attempts (job_id, number, started_at, ended_at, ending, detail, resources) \
     SELECT id, attempt, COALESCE(attempt_started_at, started_at), $3, $1, $2, resources FROM jobs \
     WHERE id = $4 AND owner = $5 AND finished_at IS NULL AND started_at IS NOT NULL";

impl Database {
    /// Ends the present attempt of a job without ending the job: it waits, or is in the queue with the next
    /// attempt at once. `resume_at` is when it goes on by itself; interruptions are counted anew where the
    /// attempt `advanced` the job. `false` when the job is no longer the owner's, or when it is to stop.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pause_job(
        &self,
        lease: &Lease,
        id: &str,
        pause: &Pause,
        advanced: bool,
        resume_at: Option<i64>,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            let kept = sqlx::query(KEEP_ATTEMPT)
                .bind(pause.ending())
                .bind(pause.detail())
                .bind(now)
                .bind(id)
                .bind(&lease.owner)
                .execute(&mut *transaction)
                .await?;
            let waiting =
                serde_json::to_string(pause).map_err(|error| sqlx::Error::Encode(error.into()))?;
            let sequence: Option<i64> = sqlx::query_scalar(
                "UPDATE jobs SET state = $1, waiting = $2, resume_at = $3, owner = NULL, \
                 lease_expires_at = $4, attempt_started_at = NULL, \
                 used_millis = used_millis + $5 - COALESCE(attempt_started_at, started_at), \
                 used_task_micro_usd = used_task_micro_usd + COALESCE(task_micro_usd_per_hour, 0) \
                 * ($5 - COALESCE(attempt_started_at, started_at)) / 3600000, \
                 last_sequence = last_sequence + 1 \
                 WHERE id = $6 AND owner = $7 AND stop_state IS NULL AND finished_at IS NULL \
                 RETURNING last_sequence",
            )
            .bind(pause.state().as_str())
            .bind(waiting)
            .bind(resume_at)
            .bind(i64::MAX)
            .bind(now)
            .bind(id)
            .bind(&lease.owner)
            .fetch_optional(&mut *transaction)
            .await?;
            let (true, Some(sequence)) = (changed(&kept), sequence) else {
                return Ok(false);
            };
            if let Pause::Interrupted { .. } = pause {
                sqlx::query(concat!(
                    "UPDATE jobs SET interruptions = CASE WHEN $2 = 1 THEN 1 ELSE interruptions + 1 END, ",
                    next_attempt!(),
                    " WHERE id = $1"
                ))
                .bind(id)
                .bind(i64::from(advanced))
                .execute(&mut *transaction)
                .await?;
            }
            let event = state_event(sequence, now, pause.state(), Some(pause.detail()));
            events::insert(&mut transaction, id, &event, None).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Puts a job back into the queue whose attempt with this number asked for a decision; `false` when it
    /// does not wait for that one any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn decide(&self, id: &str, attempt: i64, decided: &Decided) -> sqlx::Result<bool> {
        bounded(async {
            let now = now_millis();
            let text = serde_json::to_string(decided)
                .map_err(|error| sqlx::Error::Encode(error.into()))?;
            let mut transaction = self.pool.begin().await?;
            let sequence: Option<i64> = sqlx::query_scalar(concat!(
                "UPDATE jobs SET state = $1, decision = $2, last_sequence = last_sequence + 1, ",
                next_attempt!(),
                " WHERE id = $3 AND state = $4 AND attempt = $5 RETURNING last_sequence"
            ))
            .bind(JobState::Queued.as_str())
            .bind(text)
            .bind(id)
            .bind(JobState::WaitingApproval.as_str())
            .bind(attempt)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(sequence) = sequence else {
                return Ok(false);
            };
            let (name, reason) = match &decided.decision {
                Decision::Approved => ("approved", "approved".to_owned()),
                Decision::Rejected { reason } => ("rejected", format!("rejected: {reason}")),
                Decision::Deferred { notes } => ("deferred", format!("deferred: {notes}")),
            };
            sqlx::query("UPDATE attempts SET decision = $1 WHERE job_id = $2 AND number = $3")
                .bind(name)
                .bind(id)
                .bind(attempt)
                .execute(&mut *transaction)
                .await?;
            let event = state_event(sequence, now, JobState::Queued, Some(&reason));
            events::insert(&mut transaction, id, &event, None).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Puts a job back into the queue whose limit has passed, and gives its id, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume_due(&self) -> sqlx::Result<Option<String>> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            let resumed: Option<(String, i64)> = sqlx::query_as(concat!(
                "UPDATE jobs SET state = $1, last_sequence = last_sequence + 1, ",
                next_attempt!(),
                " WHERE id = (SELECT id FROM jobs WHERE state = $2 AND resume_at <= $3 \
                 ORDER BY id LIMIT 1) AND state = $2 RETURNING id, last_sequence"
            ))
            .bind(JobState::Queued.as_str())
            .bind(JobState::WaitingLimit.as_str())
            .bind(now)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some((id, sequence)) = resumed else {
                return Ok(None);
            };
            let reason = "the limit has passed";
            let event = state_event(sequence, now, JobState::Queued, Some(reason));
            events::insert(&mut transaction, &id, &event, None).await?;
            transaction.commit().await?;
            Ok(Some(id))
        })
        .await
    }

    /// The attempts that have ended, of the jobs of a tenant from `first` to `last` in the order of their ids: of
    /// one project, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attempts(
        &self,
        tenant: &str,
        first: &str,
        last: &str,
        project_id: Option<&str>,
    ) -> sqlx::Result<Vec<PastAttempt>> {
        const OF_ALL: &str = "SELECT job_id, number, started_at, ended_at, ending, detail, \
                              decision, resources FROM attempts \
                              WHERE job_id IN (SELECT id FROM jobs \
                              WHERE id >= $1 AND id <= $2 AND tenant_id = $3) \
                              ORDER BY job_id, number";
        const OF_ONE: &str = "SELECT job_id, number, started_at, ended_at, ending, detail, \
                              decision, resources FROM attempts \
                              WHERE job_id IN (SELECT id FROM jobs \
                              WHERE id >= $1 AND id <= $2 AND tenant_id = $3 AND project_id = $4) \
                              ORDER BY job_id, number";
        bounded(async {
            let query = match project_id {
                None => sqlx::query_as(OF_ALL).bind(first).bind(last).bind(tenant),
                Some(id) => {
                    let query = sqlx::query_as(OF_ONE).bind(first).bind(last);
                    query.bind(tenant).bind(id)
                }
            };
            query.fetch_all(&self.pool).await
        })
        .await
    }
}
