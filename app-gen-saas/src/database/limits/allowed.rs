//! What operators allow single tenants in place of what the configuration says.

use sqlx::any::AnyRow;
use sqlx::{Any, Executor, Row as _};

use crate::clock::now_millis;
use crate::config::TenantLimits;
use crate::database::{Database, OnceKey, bounded};

/// What operators allow a tenant. Nothing is what the configuration says, 0 is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Jobs that run side by side.
    pub jobs_at_once: Option<i64>,
    /// Jobs that are accepted on a day.
    pub jobs_per_day: Option<i64>,
    /// Millionths of a US dollar that models cost in a month.
    pub micro_usd_per_month: Option<i64>,
    /// Bytes of versions and uploads.
    pub storage_bytes: Option<i64>,
}

/// What a job to be accepted must pass.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'a> {
    /// How many jobs of a tenant may wait.
    pub queue: u32,
    /// What tenants may use for which operators say nothing else.
    pub usual: TenantLimits,
    /// By what the request is known if it is repeated.
    pub once: Option<&'a OnceKey>,
}

impl<'row> sqlx::FromRow<'row, AnyRow> for Overrides {
    fn from_row(row: &'row AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            jobs_at_once: row.try_get("jobs_at_once")?,
            jobs_per_day: row.try_get("jobs_per_day")?,
            micro_usd_per_month: row.try_get("micro_usd_per_month")?,
            storage_bytes: row.try_get("storage_bytes")?,
        })
    }
}

impl Overrides {
    /// What the tenant may use.
    #[must_use]
    pub fn of(&self, usual: TenantLimits) -> TenantLimits {
        TenantLimits {
            jobs_at_once: self.jobs_at_once.unwrap_or(usual.jobs_at_once),
            jobs_per_day: self.jobs_per_day.unwrap_or(usual.jobs_per_day),
            micro_usd_per_month: self
                .micro_usd_per_month
                .unwrap_or(usual.micro_usd_per_month),
            storage_bytes: self.storage_bytes.unwrap_or(usual.storage_bytes),
        }
    }
}

/// What operators allow this tenant.
pub(super) async fn overrides<'e>(
    executor: impl Executor<'e, Database = Any>,
    tenant: &str,
) -> sqlx::Result<Overrides> {
    let found: Option<Overrides> = sqlx::query_as(
        "SELECT jobs_at_once, jobs_per_day, micro_usd_per_month, storage_bytes \
         FROM tenant_limits WHERE tenant_id = $1",
    )
    .bind(tenant)
    .fetch_optional(executor)
    .await?;
    Ok(found.unwrap_or_default())
}

impl Database {
    /// What operators allow a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenant_limits(&self, tenant: &str) -> sqlx::Result<Overrides> {
        bounded(overrides(&self.pool, tenant)).await
    }

    /// Allows a tenant this, whatever it was before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_tenant_limits(&self, tenant: &str, limits: &Overrides) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "INSERT INTO tenant_limits (tenant_id, jobs_at_once, jobs_per_day, \
                 micro_usd_per_month, storage_bytes, updated_at) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (tenant_id) DO UPDATE SET jobs_at_once = excluded.jobs_at_once, \
                 jobs_per_day = excluded.jobs_per_day, \
                 micro_usd_per_month = excluded.micro_usd_per_month, \
                 storage_bytes = excluded.storage_bytes, updated_at = excluded.updated_at",
            )
            .bind(tenant)
            .bind(limits.jobs_at_once)
            .bind(limits.jobs_per_day)
            .bind(limits.micro_usd_per_month)
            .bind(limits.storage_bytes)
            .bind(now_millis())
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Whether there is a tenant with this id that is not shut.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_tenant(&self, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let found: Option<String> =
                sqlx::query_scalar("SELECT id FROM tenants WHERE id = $1 AND deleted_at IS NULL")
                    .bind(id)
                    .fetch_optional(&self.pool)
                    .await?;
            Ok(found.is_some())
        })
        .await
    }
}
