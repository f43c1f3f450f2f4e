//! Projects: an application over time.

use sqlx::{Any, Transaction};

use crate::clock::now_millis;
use crate::database::record::{Columns, FromColumns};
use crate::database::{Database, bounded, changed};

/// A project to be made with its first job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// UUID version 7.
    pub id: String,
    /// For people.
    pub name: String,
    /// Part of addresses and names elsewhere.
    pub slug: String,
}

/// A project as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// UUID version 7: ids sort by age.
    pub id: String,
    /// For people.
    pub name: String,
    /// Part of addresses and names elsewhere; it stays when the name changes.
    pub slug: String,
    /// When its first job was accepted.
    pub created_at: i64,
    /// When it was put aside.
    pub archived_at: Option<i64>,
    /// Number of its newest version; 0 before the first.
    pub newest_version: i64,
    /// What its jobs used so far, in millionths of a US dollar, as far as prices are known.
    pub used_micro_usd: i64,
    /// What the tasks cost of attempts that have ended, likewise.
    pub used_task_micro_usd: i64,
    /// Its job that is at work, or next, if there is one. Deliveries do not count.
    pub unfinished_job: Option<String>,
}

/// Which projects to list.
#[derive(Debug, Clone, Default)]
pub struct ProjectFilter {
    /// Only those of this tenant.
    pub tenant: String,
    /// Only those whose names have this text, in lower or upper case.
    pub search: Option<String>,
    /// Those that were put aside, instead of the others.
    pub archived: bool,
    /// Only those that are older than the one with this id.
    pub before: Option<String>,
}

/// The columns of a project, and what is known of its versions and jobs.
macro_rules! project_columns {
    () => {
        "id, name, slug, created_at, archived_at, \
         (SELECT COALESCE(MAX(number), 0) FROM versions WHERE project_id = projects.id) \
         AS newest_version, \
         CAST(used_micro_usd + (SELECT COALESCE(SUM(used_micro_usd), 0) FROM jobs \
         WHERE project_id = projects.id AND finished_at IS NULL) AS BIGINT) AS used_micro_usd, \
         CAST(used_task_micro_usd + (SELECT COALESCE(SUM(used_task_micro_usd), 0) FROM jobs \
         WHERE project_id = projects.id AND finished_at IS NULL) AS BIGINT) AS used_task_micro_usd, \
         (SELECT MIN(id) FROM jobs WHERE project_id = projects.id AND finished_at IS NULL \
         AND kind <> 'deliver') AS unfinished_job"
    };
}

impl FromColumns for Project {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            slug: row.try_get("slug")?,
            created_at: row.try_get("created_at")?,
            archived_at: row.try_get("archived_at")?,
            newest_version: row.try_get("newest_version")?,
            used_micro_usd: row.try_get("used_micro_usd")?,
            used_task_micro_usd: row.try_get("used_task_micro_usd")?,
            unfinished_job: row.try_get("unfinished_job")?,
        })
    }
}

/// Makes a project; its first job follows in the same transaction.
pub(super) async fn insert(
    transaction: &mut Transaction<'_, Any>,
    project: &NewProject,
    tenant: &str,
    now: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO projects (id, name, slug, searched_name, created_at, tenant_id) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&project.id)
    .bind(&project.name)
    .bind(&project.slug)
    .bind(project.name.to_lowercase())
    .bind(now)
    .bind(tenant)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Adds what a job used that has just ended.
pub(super) async fn add_usage(
    transaction: &mut Transaction<'_, Any>,
    job_id: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE projects SET \
         used_micro_usd = used_micro_usd + (SELECT used_micro_usd FROM jobs WHERE id = $1), \
         used_task_micro_usd = used_task_micro_usd \
         + (SELECT used_task_micro_usd FROM jobs WHERE id = $1) \
         WHERE id = (SELECT project_id FROM jobs WHERE id = $1)",
    )
    .bind(job_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl Database {
    /// The project, if there is one with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn project(&self, id: &str) -> sqlx::Result<Option<Project>> {
        bounded(async {
            sqlx::query_as(concat!(
                "SELECT ",
                project_columns!(),
                " FROM projects WHERE id = $1 AND deleted_at IS NULL"
            ))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// The project of a tenant, if there is one with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn project_of(&self, tenant: &str, id: &str) -> sqlx::Result<Option<Project>> {
        bounded(async {
            sqlx::query_as(concat!(
                "SELECT ",
                project_columns!(),
                " FROM projects WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL"
            ))
            .bind(id)
            .bind(tenant)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// Up to `limit` projects of a tenant, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn projects(&self, filter: &ProjectFilter, limit: i64) -> sqlx::Result<Vec<Project>> {
        bounded(async {
            // Ids are UUIDs of version 7 in lower case; every one of them sorts before "g".
            sqlx::query_as(concat!(
                "SELECT ",
                project_columns!(),
                " FROM projects WHERE deleted_at IS NULL AND id < $1 \
                 AND searched_name LIKE $2 ESCAPE '\\' \
                 AND CASE WHEN archived_at IS NULL THEN 0 ELSE 1 END = $3 \
                 AND tenant_id = $5 ORDER BY id DESC LIMIT $4"
            ))
            .bind(filter.before.as_deref().unwrap_or("g"))
            .bind(pattern(filter.search.as_deref().unwrap_or_default()))
            .bind(i64::from(filter.archived))
            .bind(limit)
            .bind(&filter.tenant)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Gives a project another name; `false` if there is none with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rename_project(&self, id: &str, name: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE projects SET name = $1, searched_name = $2 \
                 WHERE id = $3 AND deleted_at IS NULL",
            )
            .bind(name)
            .bind(name.to_lowercase())
            .bind(id)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Puts a project aside, or takes it up again; `false` if there is none with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_archived(&self, id: &str, archived: bool) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE projects SET archived_at = CASE WHEN $1 = 1 \
                 THEN COALESCE(archived_at, $2) END WHERE id = $3 AND deleted_at IS NULL",
            )
            .bind(i64::from(archived))
            .bind(now_millis())
            .bind(id)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Hides a project for good, unless a job of it has not ended; `false` then. What belongs to it is
    /// removed after that ([`Database::deleted_projects`]).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_project(&self, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE projects SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM jobs \
                 WHERE project_id = projects.id AND finished_at IS NULL)",
            )
            .bind(now_millis())
            .bind(id)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Up to `limit` projects that were deleted, and still have something that is to be removed. A job that was
    /// accepted in the moment of the deletion ends first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deleted_projects(&self, limit: i64) -> sqlx::Result<Vec<String>> {
        bounded(async {
            sqlx::query_scalar(
                "SELECT id FROM projects WHERE deleted_at IS NOT NULL AND NOT EXISTS \
                 (SELECT 1 FROM jobs WHERE project_id = projects.id AND finished_at IS NULL) \
                 ORDER BY id LIMIT $1",
            )
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// The ids of all jobs of a project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_ids_of_project(&self, id: &str) -> sqlx::Result<Vec<String>> {
        bounded(async {
            sqlx::query_scalar("SELECT id FROM jobs WHERE project_id = $1 ORDER BY id")
                .bind(id)
                .fetch_all(&self.pool)
                .await
        })
        .await
    }

    /// Removes a deleted project with its versions; its jobs are gone already.
    ///
    /// # Errors
    /// When the database fails, or a job is still there.
    pub async fn remove_project(&self, id: &str) -> sqlx::Result<()> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            for statement in [
                "DELETE FROM versions WHERE project_id = $1",
                "DELETE FROM projects WHERE id = $1 AND deleted_at IS NOT NULL",
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

    /// Removes projects that were made before this time, never had a version, and whose jobs are gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_empty_projects(&self, millis: i64) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query(
                "DELETE FROM projects WHERE created_at < $1 \
                 AND NOT EXISTS (SELECT 1 FROM versions WHERE project_id = projects.id) \
                 AND NOT EXISTS (SELECT 1 FROM jobs WHERE project_id = projects.id)",
            )
            .bind(millis)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}

/// The pattern of `LIKE` for names that have this text.
pub(super) fn pattern(search: &str) -> String {
    let mut pattern = "%".to_owned();
    for character in search.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_search_is_a_pattern() {
        assert_eq!(pattern("50%_Ä\\"), "%50\\%\\_ä\\\\%");
        assert_eq!(pattern(""), "%%");
    }
}
