//! Previews: which there are, where they are, and who looks after each.
//!
//! What everybody may do with them is here. What only those do who look after one is in `steps`.

use crate::clock::now_millis;
use crate::database::record::{Columns, FromColumns};
use crate::database::{Database, bounded, changed};

macro_rules! columns {
    () => {
        "id, project_id, version, commit_id, folder, size_bytes, sha256, label, created_at, \
         expires_at, phase, reason, ready_at, ended_at, gone_at, tries, unclear, task, task_handle, task_at, address"
    };
}

// The macro is known to what follows it.
mod steps;

/// A preview that is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPreview {
    /// UUID version 7.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// Number of the version.
    pub version: i64,
    /// Its commit.
    pub commit: String,
    /// The folder of its zip file below that of the project.
    pub folder: String,
    /// Size of the zip file.
    pub size_bytes: i64,
    /// SHA-256 of the zip file in lower-case hexadecimal.
    pub sha256: String,
    /// The first label of the name of its host.
    pub label: String,
    /// When it ends.
    pub expires_at: i64,
}

/// A preview as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// What it was begun with.
    pub new: NewPreview,
    /// When that was.
    pub created_at: i64,
    /// How far its start is.
    pub phase: Option<String>,
    /// Why it ended, or what its start waits for.
    pub reason: Option<String>,
    /// When its application first listened.
    pub ready_at: Option<i64>,
    /// Since when nobody gets to it any more.
    pub ended_at: Option<i64>,
    /// When its task had ended, too.
    pub gone_at: Option<i64>,
    /// How often a task was started, or may have been.
    pub tries: i64,
    /// Whether the outcome of the last try was not kept.
    pub is_unclear: bool,
    /// The task's name.
    pub task: Option<String>,
    /// The handle by which the launcher finds it.
    pub task_handle: Option<String>,
    /// When that was started.
    pub task_at: Option<i64>,
    /// Where the application is.
    pub address: Option<String>,
}

/// What became of the wish for a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It begins.
    New(Preview),
    /// The version has one.
    Known(Preview),
    /// There are too many; the first of them ends at this time.
    Full {
        /// Milliseconds since 1970.
        free_at: i64,
    },
}

impl FromColumns for Preview {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            new: NewPreview {
                id: row.try_get("id")?,
                project_id: row.try_get("project_id")?,
                version: row.try_get("version")?,
                commit: row.try_get("commit_id")?,
                folder: row.try_get("folder")?,
                size_bytes: row.try_get("size_bytes")?,
                sha256: row.try_get("sha256")?,
                label: row.try_get("label")?,
                expires_at: row.try_get("expires_at")?,
            },
            created_at: row.try_get("created_at")?,
            phase: row.try_get("phase")?,
            reason: row.try_get("reason")?,
            ready_at: row.try_get("ready_at")?,
            ended_at: row.try_get("ended_at")?,
            gone_at: row.try_get("gone_at")?,
            tries: row.try_get("tries")?,
            is_unclear: row.try_get::<i64, _>("unclear")? != 0,
            task: row.try_get("task")?,
            task_handle: row.try_get("task_handle")?,
            task_at: row.try_get("task_at")?,
            address: row.try_get("address")?,
        })
    }
}

impl Database {
    /// Begins a preview of a version, unless it has one or there are `max` already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_preview(&self, new: &NewPreview, max: u32) -> sqlx::Result<Begun> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            // Two that count at the same time would both find the last place.
            sqlx::query(
                "INSERT INTO preview_turns (id, number) VALUES (1, 1) \
                 ON CONFLICT (id) DO UPDATE SET number = preview_turns.number + 1",
            )
            .execute(&mut *transaction)
            .await?;
            let known: Option<Preview> = sqlx::query_as(concat!(
                "SELECT ",
                columns!(),
                " FROM previews WHERE project_id = $1 AND version = $2 AND ended_at IS NULL \
                 ORDER BY created_at DESC LIMIT 1"
            ))
            .bind(&new.project_id)
            .bind(new.version)
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(known) = known {
                return Ok(Begun::Known(known));
            }
            let (taken, free_at): (i64, Option<i64>) = sqlx::query_as(
                "SELECT COUNT(*), MIN(expires_at) FROM previews WHERE gone_at IS NULL",
            )
            .fetch_one(&mut *transaction)
            .await?;
            let now = now_millis();
            if taken >= i64::from(max) {
                let free_at = free_at.unwrap_or(now);
                return Ok(Begun::Full { free_at });
            }
            let preview: Preview = sqlx::query_as(concat!(
                "INSERT INTO previews (id, project_id, version, commit_id, folder, size_bytes, sha256, \
                 label, created_at, expires_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
                 COALESCE((SELECT tenant_id FROM projects WHERE id = $2), 'local')) RETURNING ",
                columns!()
            ))
            .bind(&new.id)
            .bind(&new.project_id)
            .bind(new.version)
            .bind(&new.commit)
            .bind(&new.folder)
            .bind(new.size_bytes)
            .bind(&new.sha256)
            .bind(&new.label)
            .bind(now)
            .bind(new.expires_at)
            .fetch_one(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(Begun::New(preview))
        })
        .await
    }

    /// The newest preview of a version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn preview_of(
        &self,
        project_id: &str,
        version: i64,
    ) -> sqlx::Result<Option<Preview>> {
        bounded(async {
            sqlx::query_as(concat!(
                "SELECT ",
                columns!(),
                " FROM previews WHERE project_id = $1 AND version = $2 \
                 ORDER BY created_at DESC, id DESC LIMIT 1"
            ))
            .bind(project_id)
            .bind(version)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// The preview with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn preview(&self, id: &str) -> sqlx::Result<Option<Preview>> {
        bounded(async {
            sqlx::query_as(concat!(
                "SELECT ",
                columns!(),
                " FROM previews WHERE id = $1"
            ))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// The preview whose host begins with this label.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn preview_by_label(&self, label: &str) -> sqlx::Result<Option<Preview>> {
        bounded(async {
            sqlx::query_as(concat!(
                "SELECT ",
                columns!(),
                " FROM previews WHERE label = $1"
            ))
            .bind(label)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// All previews of a tenant that have not ended, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn previews(&self, tenant: &str) -> sqlx::Result<Vec<Preview>> {
        /// More than `max_previews` of the manifest may be.
        const LIMIT: i64 = 200;
        bounded(async {
            sqlx::query_as(concat!(
                "SELECT ",
                columns!(),
                " FROM previews WHERE ended_at IS NULL AND tenant_id = $2 \
                 ORDER BY created_at DESC LIMIT $1"
            ))
            .bind(LIMIT)
            .bind(tenant)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Whether there is anything to look after.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_previews(&self) -> sqlx::Result<bool> {
        bounded(async {
            let one: Option<String> =
                sqlx::query_scalar("SELECT id FROM previews WHERE gone_at IS NULL LIMIT 1")
                    .fetch_optional(&self.pool)
                    .await?;
            Ok(one.is_some())
        })
        .await
    }

    /// Ends the preview of a version; false if it has none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_preview_of(
        &self,
        project_id: &str,
        version: i64,
        reason: &str,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE previews SET ended_at = $1, reason = $2, phase = NULL, next_step_at = 0 \
                 WHERE project_id = $3 AND version = $4 AND ended_at IS NULL",
            )
            .bind(now_millis())
            .bind(reason)
            .bind(project_id)
            .bind(version)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Ends previews whose time is over, or whose project was deleted, and forgets those that were gone before
    /// `forgotten_before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_due_previews(&self, forgotten_before: i64) -> sqlx::Result<()> {
        bounded(async {
            let now = now_millis();
            sqlx::query(
                "UPDATE previews SET ended_at = $1, reason = 'its time is over', phase = NULL, \
                 next_step_at = 0 WHERE ended_at IS NULL AND expires_at <= $1",
            )
            .bind(now)
            .execute(&self.pool)
            .await?;
            sqlx::query(
                "UPDATE previews SET ended_at = $1, reason = 'its project was deleted', \
                 phase = NULL, next_step_at = 0 WHERE ended_at IS NULL AND NOT EXISTS \
                 (SELECT 1 FROM projects WHERE projects.id = previews.project_id \
                 AND projects.deleted_at IS NULL)",
            )
            .bind(now)
            .execute(&self.pool)
            .await?;
            sqlx::query("DELETE FROM previews WHERE gone_at < $1")
                .bind(forgotten_before)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }
}
