//! Turns: which job begins next.
//!
//! Tenants take turns, so that nobody waits behind what somebody else has piled up: the one of whom the fewest jobs
//! run, and among those the one whose last turn is the longest ago. Of a tenant, the oldest job begins that may.
//!
//! Turns are given one after the other: whoever gives one holds the row of the last one meanwhile. So no two
//! orchestrators count the same free place, and no limit is passed because both looked at the same moment.

use app_gen_contract::JobState;

use crate::clock::{Calendar, now_millis};
use crate::config::TenantLimits;
use crate::database::events::{self, state_event};
use crate::database::row::job_columns;
use crate::database::{Database, Job, Lease, bounded};

/// What bounds how many jobs run; 0 is no bound.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turns {
    /// Of all tenants.
    pub jobs_at_once: i64,
    /// Of each tenant for which operators say nothing else.
    pub usual: TenantLimits,
}

impl Database {
    /// Takes the queued job whose turn it is, if there is one: state `starting`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_queued(&self, lease: &Lease, turns: &Turns) -> sqlx::Result<Option<Job>> {
        bounded(async {
            // While nothing waits, nothing is written.
            let waits: Option<i64> =
                sqlx::query_scalar("SELECT created_at FROM jobs WHERE state = $1 LIMIT 1")
                    .bind(JobState::Queued.as_str())
                    .fetch_optional(&self.pool)
                    .await?;
            if waits.is_none() {
                return Ok(None);
            }
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            let turn: i64 = sqlx::query_scalar(
                "INSERT INTO turns (tenant_id, number) VALUES ('', 1) ON CONFLICT (tenant_id) \
                 DO UPDATE SET number = turns.number + 1 RETURNING number",
            )
            .fetch_one(&mut *transaction)
            .await?;
            // The jobs of a project are done one after the other, so that two changes never meet. A delivery
            // changes no version, and no two of them have the same target: it waits for nothing.
            // What asks no model goes on when the month's dollars are used up.
            // The condition on the state is repeated: the version before claims without a turn, and
            // PostgreSQL lets the second of two wait, check again, and find the job taken.
            let job: Option<Job> = sqlx::query_as(concat!(
                "UPDATE jobs SET state = $1, owner = $2, lease_expires_at = $3, \
                 started_at = COALESCE(started_at, $4), attempt_started_at = $4, \
                 last_sequence = last_sequence + 1 WHERE id = (SELECT next_id FROM \
                 (SELECT waiting.running AS running, waiting.turn AS turn, \
                 (SELECT next.id FROM jobs AS next WHERE next.state = $5 \
                 AND next.tenant_id = waiting.tenant_id \
                 AND (next.kind IN ('deliver', 'restore') OR waiting.most_usd = 0 \
                 OR waiting.used_usd < waiting.most_usd) \
                 AND (next.kind = 'deliver' OR NOT EXISTS \
                 (SELECT 1 FROM jobs AS earlier WHERE earlier.project_id = next.project_id \
                 AND earlier.id < next.id AND earlier.finished_at IS NULL \
                 AND earlier.kind <> 'deliver')) ORDER BY next.id LIMIT 1) AS next_id FROM \
                 (SELECT queued.tenant_id AS tenant_id, \
                 (SELECT COUNT(*) FROM jobs AS busy WHERE busy.state IN ($1, $6, $7) \
                 AND busy.tenant_id = queued.tenant_id) AS running, \
                 COALESCE(turns.number, 0) AS turn, \
                 COALESCE(tenant_limits.jobs_at_once, $8) AS most, \
                 COALESCE(tenant_limits.micro_usd_per_month, $9) AS most_usd, \
                 (SELECT CAST(COALESCE(SUM(micro_usd), 0) AS BIGINT) FROM usage_days \
                 WHERE usage_days.tenant_id = queued.tenant_id AND day >= $10) AS used_usd FROM \
                 (SELECT DISTINCT tenant_id FROM jobs WHERE state = $5) AS queued \
                 LEFT JOIN turns ON turns.tenant_id = queued.tenant_id \
                 LEFT JOIN tenant_limits ON tenant_limits.tenant_id = queued.tenant_id) AS waiting \
                 WHERE waiting.most = 0 OR waiting.running < waiting.most) AS candidates \
                 WHERE next_id IS NOT NULL AND ($11 = 0 OR (SELECT COUNT(*) FROM jobs \
                 WHERE state IN ($1, $6, $7)) < $11) \
                 ORDER BY running, turn, next_id LIMIT 1) AND state = $5 RETURNING ",
                job_columns!()
            ))
            .bind(JobState::Starting.as_str())
            .bind(&lease.owner)
            .bind(lease.end(now))
            .bind(now)
            .bind(JobState::Queued.as_str())
            .bind(JobState::Running.as_str())
            .bind(JobState::Publishing.as_str())
            .bind(turns.usual.jobs_at_once)
            .bind(turns.usual.micro_usd_per_month)
            .bind(Calendar::at(now).month_day)
            .bind(turns.jobs_at_once)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(job) = job else {
                return Ok(None);
            };
            sqlx::query(
                "INSERT INTO turns (tenant_id, number) VALUES ($1, $2) ON CONFLICT (tenant_id) \
                 DO UPDATE SET number = excluded.number",
            )
            .bind(&job.tenant)
            .bind(turn)
            .execute(&mut *transaction)
            .await?;
            let event = state_event(job.last_sequence, now, JobState::Starting, None);
            events::insert(&mut transaction, &job.id, &event, None).await?;
            transaction.commit().await?;
            Ok(Some(job))
        })
        .await
    }
}
