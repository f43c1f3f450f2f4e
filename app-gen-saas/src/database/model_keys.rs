//! What is known of keys of model providers that tenants bring. The keys are elsewhere.

use app_gen_contract::Payer;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::database::{Database, Lease, bounded, changed};

/// A key as the database knows it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelKey {
    /// `anthropic` or `openai`.
    pub provider: String,
    /// Where generators find it.
    pub place: String,
    /// Where it is sent, if that is not the provider's own server.
    pub base_url: Option<String>,
    /// The model that tests ask for, if somebody chose one.
    pub test_model: Option<String>,
    /// Its last four characters.
    pub last_four: String,
    /// Who set it, for people.
    pub set_by: String,
    /// When it was set.
    pub set_at: i64,
    /// When it was last tested.
    pub tested_at: i64,
    /// What that came to.
    pub test_outcome: String,
}

impl<'row> sqlx::FromRow<'row, AnyRow> for ModelKey {
    fn from_row(row: &'row AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            provider: row.try_get("provider")?,
            place: row.try_get("place")?,
            base_url: row.try_get("base_url")?,
            test_model: row.try_get("test_model")?,
            last_four: row.try_get("last_four")?,
            set_by: row.try_get("set_by")?,
            set_at: row.try_get("set_at")?,
            tested_at: row.try_get("tested_at")?,
            test_outcome: row.try_get("test_outcome")?,
        })
    }
}

impl Database {
    /// The keys of a tenant, by their providers' names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn model_keys(&self, tenant: &str) -> sqlx::Result<Vec<ModelKey>> {
        bounded(async {
            sqlx::query_as(
                "SELECT provider, place, base_url, test_model, last_four, set_by, set_at, tested_at, \
                 test_outcome FROM model_keys WHERE tenant_id = $1 ORDER BY provider",
            )
            .bind(tenant)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Keeps what is known of a key, in the place of the one before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_model_key(&self, tenant: &str, key: &ModelKey) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "INSERT INTO model_keys (tenant_id, provider, place, base_url, test_model, \
                 last_four, set_by, set_at, tested_at, test_outcome) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                 ON CONFLICT (tenant_id, provider) DO UPDATE SET place = excluded.place, \
                 base_url = excluded.base_url, test_model = excluded.test_model, \
                 last_four = excluded.last_four, set_by = excluded.set_by, \
                 set_at = excluded.set_at, tested_at = excluded.tested_at, \
                 test_outcome = excluded.test_outcome",
            )
            .bind(tenant)
            .bind(&key.provider)
            .bind(&key.place)
            .bind(key.base_url.as_deref())
            .bind(key.test_model.as_deref())
            .bind(&key.last_four)
            .bind(&key.set_by)
            .bind(key.set_at)
            .bind(key.tested_at)
            .bind(&key.test_outcome)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Keeps what a test came to, unless the key was set anew meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_test(&self, tenant: &str, key: &ModelKey) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE model_keys SET tested_at = $1, test_outcome = $2 \
                 WHERE tenant_id = $3 AND provider = $4 AND set_at = $5",
            )
            .bind(key.tested_at)
            .bind(&key.test_outcome)
            .bind(tenant)
            .bind(&key.provider)
            .bind(key.set_at)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Forgets a key that was removed; `false` if there was none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_model_key(&self, tenant: &str, provider: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result =
                sqlx::query("DELETE FROM model_keys WHERE tenant_id = $1 AND provider = $2")
                    .bind(tenant)
                    .bind(provider)
                    .execute(&self.pool)
                    .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Keeps who pays the provider of a job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_payer(&self, lease: &Lease, id: &str, payer: Payer) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE jobs SET paid_by = $1 WHERE id = $2 AND owner = $3 AND finished_at IS NULL",
            )
            .bind(payer.as_str())
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}
