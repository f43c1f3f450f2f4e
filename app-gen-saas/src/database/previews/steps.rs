//! What those do who look after a preview.
//!
//! A preview belongs to whoever looks after it at a moment, by a lease. Every write of a look names its owner, so
//! one that took too long changes nothing.

use crate::clock::now_millis;
use crate::database::previews::Preview;
use crate::database::{Database, Lease, bounded};

impl Database {
    /// Takes the previews that somebody is to look at now, and that nobody else looks at.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_previews(&self, lease: &Lease) -> sqlx::Result<Vec<Preview>> {
        bounded(async {
            let now = now_millis();
            sqlx::query_as(concat!(
                "UPDATE previews SET owner = $1, lease_expires_at = $2 \
                 WHERE gone_at IS NULL AND next_step_at <= $3 \
                 AND (owner IS NULL OR lease_expires_at < $3) RETURNING ",
                columns!()
            ))
            .bind(&lease.owner)
            .bind(lease.end(now))
            .bind(now)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Gives a preview back until somebody is to look again. What happened to it meanwhile (its end) is looked
    /// at at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_preview(
        &self,
        lease: &Lease,
        preview: &Preview,
        pause_millis: i64,
    ) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE previews SET owner = NULL, next_step_at = \
                 CASE WHEN $1 = 1 OR ended_at IS NULL THEN $2 ELSE 0 END \
                 WHERE id = $3 AND owner = $4",
            )
            .bind(i64::from(preview.ended_at.is_some()))
            .bind(now_millis().saturating_add(pause_millis))
            .bind(&preview.new.id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Counts a try to start its task before it is made, and returns its number; nothing if the preview is not
    /// ours any more, or has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_preview_try(&self, lease: &Lease, id: &str) -> sqlx::Result<Option<i64>> {
        bounded(async {
            sqlx::query_scalar(
                "UPDATE previews SET tries = tries + 1, unclear = 1 \
                 WHERE id = $1 AND owner = $2 AND ended_at IS NULL AND task IS NULL RETURNING tries",
            )
            .bind(id)
            .bind(&lease.owner)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Keeps that there is no task, and why.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_preview_task(
        &self,
        lease: &Lease,
        id: &str,
        reason: &str,
    ) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE previews SET unclear = 0, task = NULL, task_handle = NULL, address = NULL, \
                 ready_at = NULL, phase = 'waiting', reason = $1 \
                 WHERE id = $2 AND owner = $3 AND ended_at IS NULL",
            )
            .bind(reason)
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Keeps its task, also of a preview that has ended meanwhile: somebody has to stop it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_preview_task(
        &self,
        lease: &Lease,
        id: &str,
        name: &str,
        handle: &str,
    ) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE previews SET task = $1, task_handle = $2, task_at = $3, unclear = 0, \
                 reason = CASE WHEN ended_at IS NULL THEN NULL ELSE reason END \
                 WHERE id = $4 AND owner = $5",
            )
            .bind(name)
            .bind(handle)
            .bind(now_millis())
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Keeps how far its start is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_preview_phase(
        &self,
        lease: &Lease,
        id: &str,
        phase: &str,
    ) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE previews SET phase = $1, reason = NULL \
                 WHERE id = $2 AND owner = $3 AND ended_at IS NULL",
            )
            .bind(phase)
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Keeps where its application is, from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_preview_ready(
        &self,
        lease: &Lease,
        id: &str,
        address: &str,
    ) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE previews SET ready_at = COALESCE(ready_at, $1), address = $2, phase = NULL, \
                 reason = NULL WHERE id = $3 AND owner = $4 AND ended_at IS NULL",
            )
            .bind(now_millis())
            .bind(address)
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Ends a preview that its owner found to have ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_preview(&self, lease: &Lease, id: &str, reason: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE previews SET ended_at = $1, reason = $2, phase = NULL \
                 WHERE id = $3 AND owner = $4 AND ended_at IS NULL",
            )
            .bind(now_millis())
            .bind(reason)
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Keeps that nothing of a preview that has ended runs any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_preview_gone(&self, lease: &Lease, id: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "UPDATE previews SET gone_at = $1, address = NULL \
                 WHERE id = $2 AND owner = $3 AND ended_at IS NOT NULL",
            )
            .bind(now_millis())
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Gives back what this owner looks at, for another one to take it at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_previews(&self, owner: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query("UPDATE previews SET owner = NULL WHERE owner = $1")
                .bind(owner)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }
}
