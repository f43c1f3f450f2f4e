//! Deliveries: the states of versions at their targets.
//!
//! A delivery is made by a job, and what it is at follows from that job until it ends: no state is written
//! twice. Whoever ends the job ends the delivery, in the same transaction.

use app_gen_contract::{DeliveryTarget, JobState};
use serde::Serialize;
use sqlx::{Any, Transaction};
use utoipa::ToSchema;

use crate::clock::now_millis;
use crate::database::record::{Columns, FromColumns};
use crate::database::row::json;
use crate::database::{Accepted, Database, NewJob, bounded, queue};

/// What became of a delivery whose job is gone, with whatever it knew.
pub(crate) const JOB_IS_GONE: &str = "its job is gone; deliver it again";

/// What a delivery is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Its job waits: for its start, for a decision, or for a limit to pass.
    Pending,
    /// Its job is at work.
    Running,
    /// The target shows the version's commit.
    Delivered,
    /// It is not there, and the error says why.
    Failed,
    /// The target shows another commit.
    Outdated,
}

/// A delivery to be accepted.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// UUID version 7, unless there is one of this version to this target.
    pub id: String,
    /// The version's commit.
    pub commit: String,
    /// Already checked.
    pub target: DeliveryTarget,
    /// Whether the target is only looked at.
    pub check_only: bool,
}

/// What became of a delivery to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptedDelivery {
    /// Its job is in the queue.
    Queued {
        /// The delivery, which may be from before.
        id: String,
    },
    /// The same is asked for already.
    Pending {
        /// The delivery.
        id: String,
    },
    /// Another version is on its way to this target.
    OtherVersion,
    /// The target is that of another project.
    OtherProject,
    /// It is to be looked at, and was never there.
    NeverDelivered,
    /// There is no job for it.
    Refused(Accepted),
}

/// A delivery as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// UUID version 7.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// Number of the version.
    pub version: i64,
    /// The version's commit.
    pub commit: String,
    /// Where to; nothing if only a newer version knows it.
    pub target: Option<DeliveryTarget>,
    /// What it is at.
    pub state: DeliveryState,
    /// How often it was asked for.
    pub attempts: i64,
    /// The job of the last time.
    pub job_id: String,
    /// State of that job, if it is still there.
    pub job_state: Option<String>,
    /// Whether that job only looks.
    pub check_only: bool,
    /// Where people find it.
    pub url: Option<String>,
    /// The commit that was seen there last.
    pub shown_commit: Option<String>,
    /// Why it failed, or is outdated.
    pub error: Option<String>,
    /// When it was asked for the first time.
    pub created_at: i64,
    /// When it was asked for the last time, or ended.
    pub updated_at: i64,
}

impl FromColumns for Delivery {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        let job_state: Option<String> = row.try_get("job_state")?;
        let has_ended = row.try_get::<Option<i64>, _>("job_finished_at")?.is_some();
        let stored: String = row.try_get("state")?;
        let state = match stored.as_str() {
            "delivered" => DeliveryState::Delivered,
            "outdated" => DeliveryState::Outdated,
            "pending" => at(job_state.as_deref(), has_ended),
            _ => DeliveryState::Failed,
        };
        let mut error: Option<String> = row.try_get("error")?;
        if stored == "pending" && state == DeliveryState::Failed {
            // The version before ended the job, and knows nothing of deliveries.
            error = row
                .try_get::<Option<String>, _>("job_reason")?
                .or_else(|| Some(JOB_IS_GONE.to_owned()));
        }
        Ok(Self {
            id: row.try_get("id")?,
            project_id: row.try_get("project_id")?,
            version: row.try_get("version")?,
            commit: row.try_get("commit_id")?,
            target: json(row, "target")?,
            state,
            attempts: row.try_get("attempts")?,
            job_id: row.try_get("job_id")?,
            job_state,
            check_only: row.try_get::<i64, _>("check_only")? != 0,
            url: row.try_get("url")?,
            shown_commit: row.try_get("shown_commit")?,
            error,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// What a delivery is at whose job has not told its end.
fn at(job_state: Option<&str>, has_ended: bool) -> DeliveryState {
    match job_state {
        None => DeliveryState::Failed,
        Some(_) if has_ended => DeliveryState::Failed,
        Some("queued" | "waiting_approval" | "waiting_limit") => DeliveryState::Pending,
        Some(_) => DeliveryState::Running,
    }
}

/// Deliveries with what is known of their jobs, for `WHERE`.
macro_rules! select_deliveries {
    () => {
        "SELECT deliveries.id AS id, deliveries.project_id AS project_id, deliveries.version AS version, \
         commit_id, target, deliveries.state AS state, attempts, job_id, check_only, url, shown_commit, \
         error, deliveries.created_at AS created_at, updated_at, jobs.state AS job_state, \
         jobs.reason AS job_reason, jobs.finished_at AS job_finished_at \
         FROM deliveries LEFT JOIN jobs ON jobs.id = deliveries.job_id "
    };
}

/// Keeps what the generator saw at the target.
pub(super) async fn show(
    transaction: &mut Transaction<'_, Any>,
    job_id: &str,
    shown: &Shown,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE deliveries SET url = $1, shown_commit = $2 WHERE job_id = $3 AND state = 'pending'",
    )
    .bind(&shown.url)
    .bind(shown.commit.as_deref())
    .bind(job_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// What the generator saw at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where people find it.
    pub url: String,
    /// The commit that is there, if one is.
    pub commit: Option<String>,
}

/// Ends the delivery of a job that ends, if it has one: the versions that were at the same target are not there
/// any more.
pub(super) async fn end(
    transaction: &mut Transaction<'_, Any>,
    job_id: &str,
    job_state: JobState,
    reason: Option<&str>,
    now: i64,
) -> sqlx::Result<()> {
    let has_succeeded = i64::from(job_state == JobState::Succeeded);
    let reason = match job_state {
        JobState::Succeeded => None,
        other => Some(reason.map_or_else(|| other.to_string(), str::to_owned)),
    };
    let ended: Option<(String, String, String, String)> = sqlx::query_as(
        "UPDATE deliveries SET updated_at = $1, error = $2, state = CASE WHEN $3 = 0 THEN 'failed' \
         WHEN shown_commit = commit_id THEN 'delivered' ELSE 'outdated' END \
         WHERE job_id = $4 AND state = 'pending' RETURNING state, project_id, place, commit_id",
    )
    .bind(now)
    .bind(reason)
    .bind(has_succeeded)
    .bind(job_id)
    .fetch_optional(&mut **transaction)
    .await?;
    let Some((state, project_id, place, commit)) = ended else {
        return Ok(());
    };
    if state == "delivered" {
        // A version that goes back to an earlier one has its commit.
        sqlx::query(
            "UPDATE deliveries SET state = 'outdated', updated_at = $1 WHERE project_id = $2 \
             AND place = $3 AND state = 'delivered' AND commit_id <> $4",
        )
        .bind(now)
        .bind(project_id)
        .bind(place)
        .bind(commit)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

impl Database {
    /// Accepts a delivery with its job. What is asked for already is not asked for twice.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_delivery(
        &self,
        delivery: &NewDelivery,
        (project_id, version): (&str, i64),
        job: &NewJob,
        queue: u32,
    ) -> sqlx::Result<AcceptedDelivery> {
        let accepted = self.try_insert_delivery(delivery, (project_id, version), job, queue);
        match bounded(accepted).await {
            // Another project was faster by a moment: deliveries of one project wait for each other.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Ok(AcceptedDelivery::OtherProject)
            }
            accepted => accepted,
        }
    }

    async fn try_insert_delivery(
        &self,
        delivery: &NewDelivery,
        (project_id, version): (&str, i64),
        job: &NewJob,
        queue: u32,
    ) -> sqlx::Result<AcceptedDelivery> {
        let now = now_millis();
        let place = delivery.target.place(project_id);
        let target = serde_json::to_string(&delivery.target)
            .map_err(|error| sqlx::Error::Encode(error.into()))?;
        let mut transaction = self.pool.begin().await?;
        if !queue::hold_project(&mut transaction, &job.tenant, project_id).await? {
            return Ok(AcceptedDelivery::Refused(Accepted::NoProject));
        }
        // One whose job ended without it would keep its target for ever.
        sqlx::query(
            "UPDATE deliveries SET state = 'failed', error = $1, updated_at = $2 \
             WHERE place = $3 AND state = 'pending' AND NOT EXISTS \
             (SELECT 1 FROM jobs WHERE jobs.id = deliveries.job_id AND jobs.finished_at IS NULL)",
        )
        .bind(JOB_IS_GONE)
        .bind(now)
        .bind(&place)
        .execute(&mut *transaction)
        .await?;
        let others: Vec<(String, String, i64, String, Option<String>)> = sqlx::query_as(
            "SELECT id, project_id, version, state, url FROM deliveries WHERE place = $1",
        )
        .bind(&place)
        .fetch_all(&mut *transaction)
        .await?;
        if others.iter().any(|other| other.1 != project_id) {
            return Ok(AcceptedDelivery::OtherProject);
        }
        if let Some((id, _, pending, ..)) = others.iter().find(|other| other.3 == "pending") {
            let (id, is_same) = (id.clone(), *pending == version);
            return Ok(match is_same {
                true => AcceptedDelivery::Pending { id },
                false => AcceptedDelivery::OtherVersion,
            });
        }
        let was_there = |other: &(String, String, i64, String, Option<String>)| {
            other.2 == version && other.4.is_some()
        };
        if delivery.check_only && !others.iter().any(was_there) {
            return Ok(AcceptedDelivery::NeverDelivered);
        }
        match queue::insert(&mut transaction, job, queue, now).await? {
            Accepted::Queued => {}
            refused => return Ok(AcceptedDelivery::Refused(refused)),
        }
        let id: String = sqlx::query_scalar(
            "INSERT INTO deliveries (id, project_id, version, commit_id, target, place, state, \
             attempts, job_id, check_only, created_at, updated_at, tenant_id) \
             VALUES ($1, $2, $3, $4, $5, $6, 'pending', 1, $7, $8, $9, $9, $10) \
             ON CONFLICT (project_id, version, place) DO UPDATE SET state = 'pending', \
             target = excluded.target, attempts = deliveries.attempts + 1, \
             job_id = excluded.job_id, check_only = excluded.check_only, shown_commit = NULL, \
             error = NULL, updated_at = excluded.updated_at RETURNING id",
        )
        .bind(&delivery.id)
        .bind(project_id)
        .bind(version)
        .bind(&delivery.commit)
        .bind(target)
        .bind(&place)
        .bind(&job.id)
        .bind(i64::from(delivery.check_only))
        .bind(now)
        .bind(&job.tenant)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(AcceptedDelivery::Queued { id })
    }

    /// A delivery of a project, if there is one with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery(&self, project_id: &str, id: &str) -> sqlx::Result<Option<Delivery>> {
        bounded(async {
            sqlx::query_as(concat!(
                select_deliveries!(),
                "WHERE deliveries.id = $1 AND deliveries.project_id = $2"
            ))
            .bind(id)
            .bind(project_id)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// The delivery that a job makes, if it makes one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery_of_job(&self, job_id: &str) -> sqlx::Result<Option<Delivery>> {
        bounded(async {
            sqlx::query_as(concat!(
                select_deliveries!(),
                "WHERE deliveries.job_id = $1"
            ))
            .bind(job_id)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Up to `limit` deliveries of a project, or of one of its versions: what was asked for last comes first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries(
        &self,
        project_id: &str,
        version: Option<i64>,
        limit: i64,
    ) -> sqlx::Result<Vec<Delivery>> {
        bounded(async {
            // 0 is no version: the count begins with 1.
            sqlx::query_as(concat!(
                select_deliveries!(),
                "WHERE deliveries.project_id = $1 AND ($2 = 0 OR deliveries.version = $2) \
                 ORDER BY updated_at DESC, deliveries.id DESC LIMIT $3"
            ))
            .bind(project_id)
            .bind(version.unwrap_or(0))
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_where_its_job_is() {
        for (job_state, has_ended, state) in [
            (Some("queued"), false, DeliveryState::Pending),
            (Some("waiting_approval"), false, DeliveryState::Pending),
            (Some("starting"), false, DeliveryState::Running),
            (Some("running"), false, DeliveryState::Running),
            (Some("of a newer version"), false, DeliveryState::Running),
            (Some("succeeded"), true, DeliveryState::Failed),
            (Some("cancelled"), true, DeliveryState::Failed),
            (None, false, DeliveryState::Failed),
        ] {
            assert_eq!(at(job_state, has_ended), state, "{job_state:?}");
        }
    }
}
