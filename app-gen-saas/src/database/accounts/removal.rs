//! The end of a tenant: everything that belongs to it goes, piece by piece, and its row last, by which the rest
//! is found again whatever ends this in between.

use crate::clock::now_millis;
use crate::database::{Database, bounded, changed};

/// Longer than a request takes that was let in just before the tenant was shut, and may still write.
pub(crate) const LAST_REQUEST_MILLIS: i64 = 65_000;

impl Database {
    /// Shuts a tenant: nobody gets into it any more. `false` if it is shut already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_tenant(&self, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE tenants SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL",
            )
            .bind(now_millis())
            .bind(id)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Up to `limit` tenants that were shut and are still here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deleted_tenants(&self, limit: i64) -> sqlx::Result<Vec<String>> {
        bounded(async {
            sqlx::query_scalar(
                "SELECT id FROM tenants WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT $1",
            )
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Up to `limit` jobs of a tenant that have not ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unfinished_jobs(&self, tenant: &str, limit: i64) -> sqlx::Result<Vec<String>> {
        bounded(async {
            sqlx::query_scalar(
                "SELECT id FROM jobs WHERE tenant_id = $1 AND finished_at IS NULL \
                 ORDER BY id LIMIT $2",
            )
            .bind(tenant)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Marks everything of a shut tenant for removal: what removes deleted projects, templates and old uploads finds
    /// it, and previews end with their projects.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_content(&self, tenant: &str) -> sqlx::Result<()> {
        bounded(async {
            let now = now_millis();
            for statement in [
                "UPDATE projects SET deleted_at = $1 WHERE tenant_id = $2 AND deleted_at IS NULL",
                "UPDATE templates SET deleted_at = $1 WHERE tenant_id = $2 AND deleted_at IS NULL",
                // An upload is removed by its age.
                "UPDATE uploads SET created_at = 0 WHERE created_at <= $1 AND tenant_id = $2",
                "UPDATE api_keys SET revoked_at = $1 WHERE tenant_id = $2 AND revoked_at IS NULL",
            ] {
                sqlx::query(statement)
                    .bind(now)
                    .bind(tenant)
                    .execute(&self.pool)
                    .await?;
            }
            Ok(())
        })
        .await
    }

    /// Removes a shut tenant, once nothing else of it is left and nothing more can come; `false` before that. Its members, keys, invitations
    /// and tickets go with it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_tenant(&self, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            // Previews whose task has ended are kept for those who ask why; here nobody does.
            sqlx::query("DELETE FROM previews WHERE tenant_id = $1 AND gone_at IS NOT NULL")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM stream_tickets WHERE tenant_id = $1")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            let result = sqlx::query(
                "DELETE FROM tenants WHERE id = $1 AND deleted_at < $2 \
                 AND NOT EXISTS (SELECT 1 FROM jobs WHERE tenant_id = $1) \
                 AND NOT EXISTS (SELECT 1 FROM projects WHERE tenant_id = $1) \
                 AND NOT EXISTS (SELECT 1 FROM templates WHERE tenant_id = $1) \
                 AND NOT EXISTS (SELECT 1 FROM uploads WHERE tenant_id = $1) \
                 AND NOT EXISTS (SELECT 1 FROM previews WHERE tenant_id = $1) \
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE tenant_id = $1)",
            )
            .bind(id)
            .bind(now_millis() - LAST_REQUEST_MILLIS)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(changed(&result))
        })
        .await
    }
}
