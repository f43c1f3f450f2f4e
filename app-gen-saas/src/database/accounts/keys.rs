//! Keys of the API, for programs.

use crate::clock::now_millis;
use crate::database::record::{Columns, FromColumns};
use crate::database::{Database, bounded, changed};

/// The use of a key is written down once in this time.
pub(crate) const USED_MILLIS: i64 = 60_000;

/// A key as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// UUID version 7.
    pub id: String,
    /// What it opens.
    pub tenant: String,
    /// Who made it.
    pub user_id: String,
    /// For people.
    pub name: String,
    /// How the key begins.
    pub prefix: String,
    /// What it may, names with spaces between them.
    pub scopes: String,
    /// When it was made.
    pub created_at: i64,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<i64>,
    /// Since when it opens nothing.
    pub revoked_at: Option<i64>,
}

impl FromColumns for ApiKey {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            tenant: row.try_get("tenant_id")?,
            user_id: row.try_get("user_id")?,
            name: row.try_get("name")?,
            prefix: row.try_get("prefix")?,
            scopes: row.try_get("scopes")?,
            created_at: row.try_get("created_at")?,
            last_used_at: row.try_get("last_used_at")?,
            revoked_at: row.try_get("revoked_at")?,
        })
    }
}

impl Database {
    /// Keeps a key by its hash, unless the tenant has `most` that are not revoked; `false` then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_key(&self, key: &ApiKey, hash: &str, most: i64) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "INSERT INTO api_keys (id, tenant_id, user_id, name, prefix, hash, scopes, created_at) \
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE (SELECT COUNT(*) FROM api_keys \
                 WHERE tenant_id = $2 AND revoked_at IS NULL) < $9",
            )
            .bind(&key.id)
            .bind(&key.tenant)
            .bind(&key.user_id)
            .bind(&key.name)
            .bind(&key.prefix)
            .bind(hash)
            .bind(&key.scopes)
            .bind(key.created_at)
            .bind(most)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// The newest keys of a tenant, those that were revoked too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keys(&self, tenant: &str) -> sqlx::Result<Vec<ApiKey>> {
        bounded(async {
            sqlx::query_as(
                "SELECT id, tenant_id, user_id, name, prefix, scopes, created_at, last_used_at, \
                 revoked_at FROM api_keys WHERE tenant_id = $1 ORDER BY id DESC LIMIT 200",
            )
            .bind(tenant)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Revokes a key of a tenant: of this user, or of anybody. `false` if there is none that opens anything.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_key(
        &self,
        tenant: &str,
        id: &str,
        user_id: Option<&str>,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND tenant_id = $3 \
                 AND revoked_at IS NULL AND ($5 = 1 OR user_id = $4)",
            )
            .bind(now_millis())
            .bind(id)
            .bind(tenant)
            .bind(user_id.unwrap_or_default())
            .bind(i64::from(user_id.is_none()))
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// The key with this hash, if it opens anything; writes down that it was used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn use_key(&self, hash: &str) -> sqlx::Result<Option<ApiKey>> {
        bounded(async {
            let key: Option<ApiKey> = sqlx::query_as(
                "SELECT id, tenant_id, user_id, name, prefix, scopes, created_at, last_used_at, \
                 revoked_at FROM api_keys WHERE hash = $1 AND revoked_at IS NULL AND EXISTS \
                 (SELECT 1 FROM tenants WHERE id = api_keys.tenant_id AND deleted_at IS NULL)",
            )
            .bind(hash)
            .fetch_optional(&self.pool)
            .await?;
            let now = now_millis();
            if let Some(key) = &key
                && key.last_used_at.is_none_or(|at| at < now - USED_MILLIS)
            {
                sqlx::query("UPDATE api_keys SET last_used_at = $1 WHERE id = $2")
                    .bind(now)
                    .bind(&key.id)
                    .execute(&self.pool)
                    .await?;
            }
            Ok(key)
        })
        .await
    }
}
