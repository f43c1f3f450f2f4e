//! Results that were verified, and jobs that ended long ago.

use crate::database::{Database, bounded, changed};

impl Database {
    /// Keeps the store's mark of the object that was compared with the SHA-256 of the job's result,
    /// unless one is kept already; `false` then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_verified(&self, id: &str, sha256: &str, e_tag: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE jobs SET artifact_e_tag = $1 \
                 WHERE id = $2 AND artifact_sha256 = $3 AND artifact_e_tag IS NULL",
            )
            .bind(e_tag)
            .bind(id)
            .bind(sha256)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Up to `limit` jobs that ended before this time, the earliest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ended_before(&self, millis: i64, limit: i64) -> sqlx::Result<Vec<String>> {
        bounded(async {
            sqlx::query_scalar(
                "SELECT id FROM jobs WHERE finished_at < $1 ORDER BY finished_at LIMIT $2",
            )
            .bind(millis)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Removes a job that has ended, with its events.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_job(&self, id: &str) -> sqlx::Result<()> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            for statement in [
                "DELETE FROM events WHERE job_id = $1",
                "DELETE FROM jobs WHERE id = $1 AND finished_at IS NOT NULL",
            ] {
                sqlx::query(statement)
                    .bind(id)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await
        })
        .await
    }
}
