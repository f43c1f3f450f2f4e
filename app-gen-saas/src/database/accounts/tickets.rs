//! Tickets for live streams.

use crate::clock::now_millis;
use crate::database::{Database, bounded};

impl Database {
    /// Keeps a ticket, and forgets those whose time is over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_ticket(
        &self,
        hash: &str,
        tenant: &str,
        job_id: &str,
        expires_at: i64,
    ) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query("DELETE FROM stream_tickets WHERE expires_at < $1")
                .bind(now_millis())
                .execute(&self.pool)
                .await?;
            sqlx::query(
                "INSERT INTO stream_tickets (hash, tenant_id, job_id, expires_at) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(hash)
            .bind(tenant)
            .bind(job_id)
            .bind(expires_at)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Takes a ticket whose time is not over: its tenant and its job. Of two who show it, one gets it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_ticket(&self, hash: &str) -> sqlx::Result<Option<(String, String)>> {
        bounded(async {
            sqlx::query_as(
                "DELETE FROM stream_tickets WHERE hash = $1 AND expires_at >= $2 \
                 RETURNING tenant_id, job_id",
            )
            .bind(hash)
            .bind(now_millis())
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }
}
