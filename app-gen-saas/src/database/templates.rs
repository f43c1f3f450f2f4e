//! Templates that people made of versions.

use crate::clock::now_millis;
use crate::database::projects::pattern;
use crate::database::record::{Columns, FromColumns};
use crate::database::{Database, bounded, changed};

/// A template as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// UUID version 7: ids sort by age.
    pub id: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The project of the version that it was made of. It may be gone.
    pub project_id: String,
    /// The number of that version.
    pub version: i64,
    /// Its commit.
    pub commit: String,
    /// The folder of its history below that of the template.
    pub folder: String,
    /// When it was made.
    pub created_at: i64,
    /// When it was changed last.
    pub updated_at: i64,
}

impl FromColumns for Template {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            tenant: row.try_get("tenant_id")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            project_id: row.try_get("project_id")?,
            version: row.try_get("version")?,
            commit: row.try_get("commit_id")?,
            folder: row.try_get("folder")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl Template {
    /// What a search looks into.
    pub(crate) fn searched_text(&self) -> String {
        format!("{}\n{}", self.name, self.description).to_lowercase()
    }
}

impl Database {
    /// Keeps a template; `false` when its tenant has `most` of them already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_template(&self, template: &Template, most: i64) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "INSERT INTO templates (id, name, searched_text, description, project_id, version, \
                 commit_id, folder, created_at, updated_at, tenant_id) \
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12 \
                 WHERE (SELECT COUNT(*) FROM templates \
                 WHERE deleted_at IS NULL AND tenant_id = $12) < $11",
            )
            .bind(&template.id)
            .bind(&template.name)
            .bind(template.searched_text())
            .bind(&template.description)
            .bind(&template.project_id)
            .bind(template.version)
            .bind(&template.commit)
            .bind(&template.folder)
            .bind(template.created_at)
            .bind(template.updated_at)
            .bind(most)
            .bind(&template.tenant)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// The template of a tenant, if there is one with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn template(&self, tenant: &str, id: &str) -> sqlx::Result<Option<Template>> {
        bounded(async {
            sqlx::query_as(
                "SELECT id, name, description, project_id, version, commit_id, folder, created_at, \
                 updated_at, tenant_id FROM templates \
                 WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL",
            )
            .bind(id)
            .bind(tenant)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Up to `limit` templates of a tenant whose name or description has this text, newest first, older than the one with the
    /// id `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn templates(
        &self,
        tenant: &str,
        search: &str,
        before: Option<&str>,
        limit: i64,
    ) -> sqlx::Result<Vec<Template>> {
        bounded(async {
            // Ids are UUIDs of version 7 in lower case; every one of them sorts before "g".
            sqlx::query_as(
                "SELECT id, name, description, project_id, version, commit_id, folder, created_at, \
                 updated_at, tenant_id FROM templates WHERE deleted_at IS NULL AND id < $1 \
                 AND searched_text LIKE $2 ESCAPE '\\' AND tenant_id = $4 \
                 ORDER BY id DESC LIMIT $3",
            )
            .bind(before.unwrap_or("g"))
            .bind(pattern(search))
            .bind(limit)
            .bind(tenant)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Writes what a template is now, if it is still as it was at `seen_at`; `false` otherwise.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_template(&self, template: &Template, seen_at: i64) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE templates SET name = $1, searched_text = $2, description = $3, \
                 project_id = $4, version = $5, commit_id = $6, folder = $7, updated_at = $8 \
                 WHERE id = $9 AND updated_at = $10 AND deleted_at IS NULL",
            )
            .bind(&template.name)
            .bind(template.searched_text())
            .bind(&template.description)
            .bind(&template.project_id)
            .bind(template.version)
            .bind(&template.commit)
            .bind(&template.folder)
            .bind(template.updated_at)
            .bind(&template.id)
            .bind(seen_at)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Hides a template for good; `false` if there is none with this id. Its folder is idle from then on
    /// ([`Database::idle_template_folders`]).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_template(&self, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE templates SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL",
            )
            .bind(now_millis())
            .bind(id)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Writes down that a folder of a template will have something in it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_template_folder(&self, id: &str, folder: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "INSERT INTO template_folders (folder, template_id, created_at) VALUES ($1, $2, $3)",
            )
            .bind(folder)
            .bind(id)
            .bind(now_millis())
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Up to `limit` folders, each after the id of its template, that no template has: because it was removed, or
    /// because the folder is from before this time and nobody can still be making it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn idle_template_folders(
        &self,
        millis: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<(String, String)>> {
        bounded(async {
            sqlx::query_as(
                "SELECT template_id, folder FROM template_folders WHERE NOT EXISTS \
                 (SELECT 1 FROM templates WHERE templates.folder = template_folders.folder \
                 AND templates.deleted_at IS NULL) AND (template_folders.created_at < $1 OR EXISTS \
                 (SELECT 1 FROM templates WHERE templates.id = template_folders.template_id \
                 AND templates.deleted_at IS NOT NULL)) ORDER BY folder LIMIT $2",
            )
            .bind(millis)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Forgets a folder that has nothing in it any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_template_folder(&self, folder: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query("DELETE FROM template_folders WHERE folder = $1")
                .bind(folder)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }

    /// Forgets templates that were removed and have no folder any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_deleted_templates(&self) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "DELETE FROM templates WHERE deleted_at IS NOT NULL AND NOT EXISTS \
                 (SELECT 1 FROM template_folders WHERE template_id = templates.id)",
            )
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}
