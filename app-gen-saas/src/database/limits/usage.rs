//! What tenants used: counted as it is used, by day, so that it stays when jobs and projects are removed.

use sqlx::{Any, Executor, Transaction};

use crate::clock::{Calendar, now_millis};
use crate::config::TenantLimits;
use crate::database::limits::allowed::overrides;
use crate::database::{Database, JobKind, bounded, changed};
use crate::limits::{LimitName, LimitReached};

/// The bytes of the versions and uploads of the tenant `$1`. A version that was restored has the files of the one
/// before, which are there once; what was deleted is about to go.
macro_rules! stored_bytes {
    () => {
        "CAST((SELECT COALESCE(SUM(size_bytes), 0) FROM uploads WHERE tenant_id = $1) \
         + (SELECT COALESCE(SUM(size_bytes), 0) FROM (SELECT DISTINCT project_id, folder, \
         size_bytes FROM versions WHERE project_id IN (SELECT id FROM projects \
         WHERE tenant_id = $1 AND deleted_at IS NULL)) AS folders) AS BIGINT)"
    };
}

/// How long days are kept, in days.
const KEPT_DAYS: i64 = 400;

/// What a tenant used on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageDay {
    /// UTC, days since 1970.
    pub day: i64,
    /// Jobs that were accepted.
    pub jobs: i64,
    /// Millionths of a US dollar for models.
    pub micro_usd: i64,
    /// Millionths of a US dollar for tasks.
    pub task_micro_usd: i64,
}

/// What a tenant uses, and what it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantUse {
    /// What it may use.
    pub limits: TenantLimits,
    /// Its jobs that run.
    pub running: i64,
    /// Its jobs that wait for their start.
    pub queued: i64,
    /// The days of this month on which it used something, the earliest first.
    pub days: Vec<UsageDay>,
    /// Bytes of its versions and uploads.
    pub storage_bytes: i64,
}

/// Counts a job to be accepted, unless a limit of its tenant is reached.
pub(in crate::database) async fn admit(
    transaction: &mut Transaction<'_, Any>,
    tenant: &str,
    kind: JobKind,
    usual: TenantLimits,
    now: i64,
) -> sqlx::Result<Option<LimitReached>> {
    let limits = overrides(&mut **transaction, tenant).await?.of(usual);
    let calendar = Calendar::at(now);
    let reached = |name, allowed, used| {
        Some(LimitReached {
            name,
            allowed,
            used,
            at: now,
        })
    };
    // What exists already costs no model to go back to or to deliver, and needs no room.
    if matches!(kind, JobKind::Create | JobKind::Change) {
        let allowed = limits.micro_usd_per_month;
        let used = match allowed {
            0 => 0,
            _ => month_micro_usd(&mut **transaction, tenant, &calendar).await?,
        };
        if allowed > 0 && used >= allowed {
            return Ok(reached(LimitName::MicroUsdPerMonth, allowed, used));
        }
        let allowed = limits.storage_bytes;
        let used = stored(transaction, tenant, allowed).await?;
        if allowed > 0 && used >= allowed {
            return Ok(reached(LimitName::StorageBytes, allowed, used));
        }
    }
    // In one statement: of two that ask for the last job of a day, one gets it.
    let counted = sqlx::query(
        "INSERT INTO usage_days (tenant_id, day, jobs) VALUES ($1, $2, 1) \
         ON CONFLICT (tenant_id, day) DO UPDATE SET jobs = usage_days.jobs + 1 \
         WHERE $3 = 0 OR usage_days.jobs < $3",
    )
    .bind(tenant)
    .bind(calendar.day)
    .bind(limits.jobs_per_day)
    .execute(&mut **transaction)
    .await?;
    if changed(&counted) {
        return Ok(None);
    }
    let used = sqlx::query_scalar("SELECT jobs FROM usage_days WHERE tenant_id = $1 AND day = $2")
        .bind(tenant)
        .bind(calendar.day)
        .fetch_one(&mut **transaction)
        .await?;
    Ok(reached(LimitName::JobsPerDay, limits.jobs_per_day, used))
}

/// Whether a tenant has more bytes than it may, with what was written in this transaction.
pub(in crate::database) async fn stores_too_much(
    transaction: &mut Transaction<'_, Any>,
    tenant: &str,
    usual: TenantLimits,
    now: i64,
) -> sqlx::Result<Option<LimitReached>> {
    let limits = overrides(&mut **transaction, tenant).await?.of(usual);
    let allowed = limits.storage_bytes;
    let used = stored(transaction, tenant, allowed).await?;
    Ok((used > allowed).then_some(LimitReached {
        name: LimitName::StorageBytes,
        allowed,
        used,
        at: now,
    }))
}

/// The bytes that a tenant has; 0 where they have no bound.
async fn stored(
    transaction: &mut Transaction<'_, Any>,
    tenant: &str,
    allowed: i64,
) -> sqlx::Result<i64> {
    if allowed == 0 {
        return Ok(0);
    }
    sqlx::query_scalar(concat!("SELECT ", stored_bytes!()))
        .bind(tenant)
        .fetch_one(&mut **transaction)
        .await
}

async fn month_micro_usd<'e>(
    executor: impl Executor<'e, Database = Any>,
    tenant: &str,
    calendar: &Calendar,
) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(micro_usd), 0) AS BIGINT) FROM usage_days \
         WHERE tenant_id = $1 AND day >= $2",
    )
    .bind(tenant)
    .bind(calendar.month_day)
    .fetch_one(executor)
    .await
}

/// Adds what a job's models cost.
pub(in crate::database) async fn spend(
    transaction: &mut Transaction<'_, Any>,
    job_id: &str,
    micro_usd: i64,
    now: i64,
) -> sqlx::Result<()> {
    if micro_usd == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO usage_days (tenant_id, day, micro_usd) \
         SELECT tenant_id, $2, $3 FROM jobs WHERE id = $1 \
         ON CONFLICT (tenant_id, day) DO UPDATE \
         SET micro_usd = usage_days.micro_usd + excluded.micro_usd",
    )
    .bind(job_id)
    .bind(Calendar::at(now).day)
    .bind(micro_usd)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Adds what the task of a job's present attempt cost, which has just been kept with its end.
pub(in crate::database) async fn spend_on_task(
    transaction: &mut Transaction<'_, Any>,
    job_id: &str,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO usage_days (tenant_id, day, task_micro_usd) \
         SELECT jobs.tenant_id, $2, jobs.task_micro_usd_per_hour \
         * (attempts.ended_at - attempts.started_at) / 3600000 FROM jobs \
         JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt \
         WHERE jobs.id = $1 AND jobs.task_micro_usd_per_hour > 0 \
         ON CONFLICT (tenant_id, day) DO UPDATE \
         SET task_micro_usd = usage_days.task_micro_usd + excluded.task_micro_usd",
    )
    .bind(job_id)
    .bind(Calendar::at(now).day)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl Database {
    /// What a tenant uses, and what it may use.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenant_use(
        &self,
        tenant: &str,
        usual: TenantLimits,
        now: i64,
    ) -> sqlx::Result<TenantUse> {
        bounded(async {
            let limits = overrides(&self.pool, tenant).await?.of(usual);
            let days: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
                "SELECT day, jobs, micro_usd, task_micro_usd FROM usage_days \
                 WHERE tenant_id = $1 AND day >= $2 ORDER BY day",
            )
            .bind(tenant)
            .bind(Calendar::at(now).month_day)
            .fetch_all(&self.pool)
            .await?;
            let (running, queued, storage_bytes): (i64, i64, i64) = sqlx::query_as(concat!(
                "SELECT (SELECT COUNT(*) FROM jobs WHERE tenant_id = $1 \
                 AND state IN ('starting', 'running', 'publishing')) AS running, \
                 (SELECT COUNT(*) FROM jobs WHERE tenant_id = $1 \
                 AND state = 'queued') AS queued, ",
                stored_bytes!(),
                " AS storage_bytes"
            ))
            .bind(tenant)
            .fetch_one(&self.pool)
            .await?;
            let day = |(day, jobs, micro_usd, task_micro_usd)| UsageDay {
                day,
                jobs,
                micro_usd,
                task_micro_usd,
            };
            Ok(TenantUse {
                limits,
                running,
                queued,
                days: days.into_iter().map(day).collect(),
                storage_bytes,
            })
        })
        .await
    }

    /// How many millionths of a US dollar a tenant's models may still cost this month; nothing if there is no bound.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn month_left(&self, tenant: &str, usual: TenantLimits) -> sqlx::Result<Option<i64>> {
        bounded(async {
            let allowed = overrides(&self.pool, tenant).await?.of(usual);
            let allowed = allowed.micro_usd_per_month;
            if allowed == 0 {
                return Ok(None);
            }
            let calendar = Calendar::at(now_millis());
            let used = month_micro_usd(&self.pool, tenant, &calendar).await?;
            Ok(Some(allowed.saturating_sub(used).max(0)))
        })
        .await
    }

    /// Forgets what was used more than a year ago.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_old_usage(&self, now: i64) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query("DELETE FROM usage_days WHERE day < $1")
                .bind(Calendar::at(now).day - KEPT_DAYS)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }
}
