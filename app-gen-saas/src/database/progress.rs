//! The writes of a follower about its job. `None` and `false` mean that the job is no longer its own.

use app_gen_contract::JobState;

use crate::clock::now_millis;
use crate::database::events::{self, state_event};
use crate::database::row::job_columns;
use crate::database::{
    Database, Job, Lease, NewVersion, Stop, attempts, bounded, changed, deliveries, limits,
    projects, versions,
};

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

    /// Counts a try to start the task, before it is made; returns its number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_launch(&self, lease: &Lease, id: &str) -> sqlx::Result<Option<i64>> {
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

    /// Stores how the started task can be found, and what an hour of it costs in millionths of a US dollar.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_task(
        &self,
        lease: &Lease,
        id: &str,
        task: &str,
        task_handle: &str,
        micro_usd_per_hour: Option<i64>,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE jobs SET task = $1, task_handle = $2, task_micro_usd_per_hour = $5 \
             WHERE id = $3 AND owner = $4 AND finished_at IS NULL",
            )
            .bind(task)
            .bind(task_handle)
            .bind(id)
            .bind(&lease.owner)
            .bind(micro_usd_per_hour)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Forgets a task that never ran.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_task(&self, lease: &Lease, id: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE jobs SET task = NULL, task_handle = NULL, task_micro_usd_per_hour = NULL \
             WHERE id = $1 AND owner = $2 AND finished_at IS NULL",
            )
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
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

    /// Ends the job: the state, the last event of its stream, and the `version` that it has made, if any.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_job(
        &self,
        lease: &Lease,
        id: &str,
        state: JobState,
        reason: Option<&str>,
        version: Option<&NewVersion>,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            sqlx::query(attempts::KEEP_ATTEMPT)
                .bind(state.as_str())
                .bind(reason)
                .bind(now)
                .bind(id)
                .bind(&lease.owner)
                .execute(&mut *transaction)
                .await?;
            let sequence: Option<i64> = sqlx::query_scalar(
                "UPDATE jobs SET state = $1, reason = $2, finished_at = $3, owner = NULL, \
             used_millis = used_millis + $3 - COALESCE(attempt_started_at, started_at, $3), \
             used_task_micro_usd = used_task_micro_usd + COALESCE(task_micro_usd_per_hour, 0) \
             * ($3 - COALESCE(attempt_started_at, started_at, $3)) / 3600000, \
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
            if let Some(version) = version {
                versions::insert(&mut transaction, id, version, now).await?;
            }
            deliveries::end(&mut transaction, id, state, reason, now).await?;
            projects::add_usage(&mut transaction, id).await?;
            limits::spend_on_task(&mut transaction, id, now).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }
}
