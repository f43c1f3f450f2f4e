//! The writes of a follower about its job. `None` and `false` mean that the job is no longer its own.

use app_gen_contract::JobState;
use serde_json::Value;

use crate::clock::now_millis;
use crate::database::events::{self, EventRecord, state_event};
use crate::database::row::job_columns;
use crate::database::{Artifact, Database, Job, Lease, Stop, bounded, changed};

/// Content of a generator's last event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It says that it succeeded.
    Succeeded,
    /// It says that it failed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// An event of the generator, ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorEvent {
    /// The generator's own number.
    pub generator_sequence: i64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// Its type.
    pub kind: String,
    /// What happened.
    pub body: Value,
}

/// What one reading of the log brought, stored in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// New events, in order, without gaps.
    pub events: Vec<GeneratorEvent>,
    /// Where the next line begins.
    pub log_position: Option<String>,
    /// A result that these events name.
    pub artifact: Option<Artifact>,
    /// The content of the generator's last event, if these events hold it.
    pub outcome: Option<Outcome>,
}

impl Database {
    /// The job in its present state, if it still belongs to this owner.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn own_job(&self, lease: &Lease, id: &str) -> sqlx::Result<Option<Job>> {
        bounded(async {
            sqlx::query_as(concat!(
                "SELECT ",
                job_columns!(),
                " FROM jobs WHERE id = $1 AND owner = $2 AND finished_at IS NULL"
            ))
            .bind(id)
            .bind(&lease.owner)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Counts an attempt to start the task, before it is made; returns its number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_attempt(&self, lease: &Lease, id: &str) -> sqlx::Result<Option<i64>> {
        bounded(async {
            sqlx::query_scalar(
                "UPDATE jobs SET launch_attempt = launch_attempt + 1 \
             WHERE id = $1 AND owner = $2 AND finished_at IS NULL RETURNING launch_attempt",
            )
            .bind(id)
            .bind(&lease.owner)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Stores how the started task can be found.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_task(
        &self,
        lease: &Lease,
        id: &str,
        task: &str,
        task_handle: &str,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE jobs SET task = $1, task_handle = $2 \
             WHERE id = $3 AND owner = $4 AND finished_at IS NULL",
            )
            .bind(task)
            .bind(task_handle)
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// `starting` becomes `running`; any other state stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_running(&self, lease: &Lease, id: &str) -> sqlx::Result<()> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            let sequence: Option<i64> = sqlx::query_scalar(
                "UPDATE jobs SET state = $1, last_sequence = last_sequence + 1 \
             WHERE id = $2 AND owner = $3 AND state = $4 RETURNING last_sequence",
            )
            .bind(JobState::Running.as_str())
            .bind(id)
            .bind(&lease.owner)
            .bind(JobState::Starting.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(sequence) = sequence {
                let event = state_event(sequence, now, JobState::Running, None);
                events::insert(&mut transaction, id, &event, None).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Stores what was read from the log. `after` is the last number of the generator that was known
    /// before: a batch that does not continue from there is not stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn store_batch(
        &self,
        lease: &Lease,
        id: &str,
        after: i64,
        batch: &Batch,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let count = i64::try_from(batch.events.len()).unwrap_or(i64::MAX);
            let artifact = batch.artifact.as_ref();
            let (outcome, outcome_text) = match &batch.outcome {
                None => (None, None),
                Some(Outcome::Succeeded) => (Some("succeeded"), None),
                Some(Outcome::Failed { reason }) => (Some("failed"), Some(reason.as_str())),
            };
            let mut transaction = self.pool.begin().await?;
            let last: Option<i64> = sqlx::query_scalar(
                "UPDATE jobs SET last_sequence = last_sequence + $1, generator_sequence = $2, \
             log_position = COALESCE($3, log_position), \
             artifact_name = COALESCE($4, artifact_name), \
             artifact_size_bytes = COALESCE($5, artifact_size_bytes), \
             artifact_sha256 = COALESCE($6, artifact_sha256), \
             artifact_e_tag = CASE WHEN $6 IS NULL THEN artifact_e_tag END, \
             outcome = COALESCE($7, outcome), outcome_text = COALESCE($8, outcome_text) \
             WHERE id = $9 AND owner = $10 AND generator_sequence = $11 AND finished_at IS NULL \
             RETURNING last_sequence",
            )
            .bind(count)
            .bind(after + count)
            .bind(batch.log_position.as_deref())
            .bind(artifact.map(|artifact| artifact.name.as_str()))
            .bind(artifact.map(|artifact| artifact.size_bytes))
            .bind(artifact.map(|artifact| artifact.sha256.as_str()))
            .bind(outcome)
            .bind(outcome_text)
            .bind(id)
            .bind(&lease.owner)
            .bind(after)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(last) = last else {
                return Ok(false);
            };
            for (sequence, event) in (last - count + 1..).zip(&batch.events) {
                let record = EventRecord {
                    sequence,
                    time: event.time.clone(),
                    kind: event.kind.clone(),
                    body: event.body.to_string(),
                };
                let generator_sequence = Some(event.generator_sequence);
                events::insert(&mut transaction, id, &record, generator_sequence).await?;
            }
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Stores why the task is stopped, before it is stopped. The first reason stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_stop(&self, lease: &Lease, id: &str, stop: &Stop) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE jobs SET stop_state = $1, stop_reason = $2 \
             WHERE id = $3 AND owner = $4 AND stop_state IS NULL AND finished_at IS NULL",
            )
            .bind(stop.state.as_str())
            .bind(&stop.reason)
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Ends the job: the state, and the last event of its stream.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_job(
        &self,
        lease: &Lease,
        id: &str,
        state: JobState,
        reason: Option<&str>,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            let sequence: Option<i64> = sqlx::query_scalar(
                "UPDATE jobs SET state = $1, reason = $2, finished_at = $3, owner = NULL, \
             last_sequence = last_sequence + 1 \
             WHERE id = $4 AND owner = $5 AND finished_at IS NULL RETURNING last_sequence",
            )
            .bind(state.as_str())
            .bind(reason)
            .bind(now)
            .bind(id)
            .bind(&lease.owner)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(sequence) = sequence else {
                return Ok(false);
            };
            let event = state_event(sequence, now, state, reason);
            events::insert(&mut transaction, id, &event, None).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }
}
