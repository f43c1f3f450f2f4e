//! Files that people uploaded, to be attached to jobs.

use app_gen_contract::{Attachment, MediaType};

use crate::clock::now_millis;
use crate::database::record::{Columns, FromColumns};
use crate::database::{Database, bounded, changed};

/// An upload as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// UUID version 7.
    pub id: String,
    /// What a job takes along.
    pub attachment: Attachment,
}

impl FromColumns for Upload {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        let media_type: String = row.try_get("media_type")?;
        Ok(Self {
            id: row.try_get("id")?,
            attachment: Attachment {
                name: row.try_get("name")?,
                // A newer version may know others. What it took for text stays text.
                media_type: MediaType::named(&media_type).unwrap_or(MediaType::Text),
                size_bytes: row.try_get::<i64, _>("size_bytes")?.unsigned_abs(),
                sha256: row.try_get("sha256")?,
            },
        })
    }
}

impl Database {
    /// Keeps what is known of an upload; `false` when all of them together would have more than `max_bytes`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_upload(
        &self,
        tenant: &str,
        upload: &Upload,
        max_bytes: u64,
    ) -> sqlx::Result<bool> {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let Upload { id, attachment } = upload;
        bounded(async {
            let result = sqlx::query(
                "INSERT INTO uploads (id, name, media_type, size_bytes, sha256, created_at, tenant_id) \
                 SELECT $1, $2, $3, $4, $5, $6, $8 \
                 WHERE (SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM uploads) <= $7",
            )
            .bind(id)
            .bind(&attachment.name)
            .bind(attachment.media_type.as_str())
            .bind(number(attachment.size_bytes))
            .bind(&attachment.sha256)
            .bind(now_millis())
            .bind(number(max_bytes.saturating_sub(attachment.size_bytes)))
            .bind(tenant)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// The upload of a tenant, if there is one with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn upload(&self, tenant: &str, id: &str) -> sqlx::Result<Option<Upload>> {
        bounded(async {
            sqlx::query_as(
                "SELECT id, name, media_type, size_bytes, sha256 FROM uploads \
                 WHERE id = $1 AND tenant_id = $2",
            )
            .bind(id)
            .bind(tenant)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Up to `limit` uploads from before this time, the earliest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn uploads_before(&self, millis: i64, limit: i64) -> sqlx::Result<Vec<String>> {
        bounded(async {
            sqlx::query_scalar(
                "SELECT id FROM uploads WHERE created_at < $1 ORDER BY created_at LIMIT $2",
            )
            .bind(millis)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Forgets an upload.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_upload(&self, id: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query("DELETE FROM uploads WHERE id = $1")
                .bind(id)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }
}
