//! Versions: the commits of a project that its jobs ended well with.

use sqlx::{Any, Transaction};

use crate::database::record::{Columns, FromColumns};
use crate::database::row::json;
use crate::database::{Database, JobKind, Lease, bounded};

/// What a check of a version came to: the body of its last event.
pub type Check = serde_json::Value;

/// A version to be made of the result of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    /// Its commit.
    pub commit: String,
    /// The folder of its files below that of the project.
    pub folder: String,
    /// Size of the zip file of its files.
    pub size_bytes: i64,
    /// SHA-256 of the zip file in lower-case hexadecimal.
    pub sha256: String,
    /// What the checks of its files came to.
    pub checks: Vec<Check>,
}

/// A version as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its project.
    pub project_id: String,
    /// From 1, without gaps.
    pub number: i64,
    /// The version that it was made from.
    pub parent: Option<i64>,
    /// The job that made it a version.
    pub job_id: String,
    /// What that job did.
    pub kind: JobKind,
    /// What it was asked.
    pub description: String,
    /// Who did it.
    pub provider: String,
    /// When that job ended.
    pub created_at: i64,
    /// The rest.
    pub content: NewVersion,
}

impl FromColumns for Version {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            project_id: row.try_get("project_id")?,
            number: row.try_get("number")?,
            parent: row.try_get("parent")?,
            job_id: row.try_get("job_id")?,
            kind: JobKind::of(row.try_get("kind")?),
            description: row.try_get("description")?,
            provider: row.try_get("provider")?,
            created_at: row.try_get("created_at")?,
            content: NewVersion {
                commit: row.try_get("commit_id")?,
                folder: row.try_get("folder")?,
                size_bytes: row.try_get("size_bytes")?,
                sha256: row.try_get("sha256")?,
                checks: json(row, "checks")?.unwrap_or_default(),
            },
        })
    }
}

/// Adds the version that a job has made, whose row says the rest. No other job of the project can be at
/// this: they are done one after the other.
pub(super) async fn insert(
    transaction: &mut Transaction<'_, Any>,
    job_id: &str,
    version: &NewVersion,
    now: i64,
) -> sqlx::Result<()> {
    let checks = serde_json::to_string(&version.checks)
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "INSERT INTO versions (project_id, number, parent, commit_id, folder, job_id, kind, \
         description, provider, created_at, size_bytes, sha256, checks) \
         SELECT project_id, (SELECT COALESCE(MAX(number), 0) + 1 FROM versions \
         WHERE project_id = jobs.project_id), start_version, $1, $2, id, kind, description, \
         provider, $3, $4, $5, $6 FROM jobs WHERE id = $7",
    )
    .bind(&version.commit)
    .bind(&version.folder)
    .bind(now)
    .bind(version.size_bytes)
    .bind(&version.sha256)
    .bind(checks)
    .bind(job_id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl Database {
    /// A version of a project, if there is one with this number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version(&self, project_id: &str, number: i64) -> sqlx::Result<Option<Version>> {
        let versions = self
            .versions(project_id, number.saturating_add(1), 1)
            .await?
            .into_iter();
        Ok(versions.last().filter(|version| version.number == number))
    }

    /// Up to `limit` versions of a project, newest first, from those whose number is less than `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn versions(
        &self,
        project_id: &str,
        before: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<Version>> {
        bounded(async {
            sqlx::query_as(
                "SELECT project_id, number, parent, commit_id, folder, job_id, kind, description, \
                 provider, created_at, size_bytes, sha256, checks \
                 FROM versions WHERE project_id = $1 AND number < $2 \
                 ORDER BY number DESC LIMIT $3",
            )
            .bind(project_id)
            .bind(before)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// The folders of all versions of a project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version_folders(&self, project_id: &str) -> sqlx::Result<Vec<String>> {
        bounded(async {
            sqlx::query_scalar("SELECT DISTINCT folder FROM versions WHERE project_id = $1")
                .bind(project_id)
                .fetch_all(&self.pool)
                .await
        })
        .await
    }

    /// The numbers of the versions that jobs of a tenant have made, from `first` to `last` in the order of their
    /// ids: of one project, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn versions_of_jobs(
        &self,
        tenant: &str,
        first: &str,
        last: &str,
        project_id: Option<&str>,
    ) -> sqlx::Result<Vec<(String, i64)>> {
        const OF_ALL: &str = "SELECT job_id, number FROM versions \
                              WHERE job_id >= $1 AND job_id <= $2 AND project_id IN \
                              (SELECT id FROM projects WHERE tenant_id = $3)";
        const OF_ONE: &str = "SELECT job_id, number FROM versions \
                              WHERE job_id >= $1 AND job_id <= $2 AND project_id = $4 AND project_id IN \
                              (SELECT id FROM projects WHERE tenant_id = $3)";
        bounded(async {
            let query = match project_id {
                None => sqlx::query_as(OF_ALL).bind(first).bind(last).bind(tenant),
                Some(id) => {
                    let query = sqlx::query_as(OF_ONE).bind(first).bind(last);
                    query.bind(tenant).bind(id)
                }
            };
            query.fetch_all(&self.pool).await
        })
        .await
    }

    /// The number of the version that a change begins with: the newest one at the time of its first start.
    /// `None` if there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_change(&self, lease: &Lease, job_id: &str) -> sqlx::Result<Option<i64>> {
        bounded(async {
            let number: Option<Option<i64>> = sqlx::query_scalar(
                "UPDATE jobs SET start_version = COALESCE(start_version, (SELECT MAX(number) \
                 FROM versions WHERE project_id = jobs.project_id)) \
                 WHERE id = $1 AND owner = $2 RETURNING start_version",
            )
            .bind(job_id)
            .bind(&lease.owner)
            .fetch_optional(&self.pool)
            .await?;
            Ok(number.flatten())
        })
        .await
    }

    /// What the checks of a job came to, each at its last run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn checks_of_job(&self, job_id: &str) -> sqlx::Result<Vec<Check>> {
        /// More than any job has runs of checks; the newest count.
        const MAX_EVENTS: i64 = 2_000;
        let bodies: Vec<String> = bounded(async {
            sqlx::query_scalar(
                "SELECT body FROM events WHERE job_id = $1 AND type = 'check' \
                 ORDER BY sequence DESC LIMIT $2",
            )
            .bind(job_id)
            .bind(MAX_EVENTS)
            .fetch_all(&self.pool)
            .await
        })
        .await?;
        Ok(last_of_each(&bodies))
    }
}

/// The first of each name, in the order in which they ran.
pub(crate) fn last_of_each(newest_first: &[String]) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for body in newest_first {
        let Ok(check) = serde_json::from_str::<Check>(body) else {
            continue;
        };
        if check["name"].is_string() && !checks.iter().any(|known| known["name"] == check["name"]) {
            checks.push(check);
        }
    }
    checks.reverse();
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_run_of_a_check_counts() {
        let check = |name: &str, outcome: &str| json!({ "name": name, "outcome": outcome });
        let bodies = [
            check("serve", "passed"),
            check("install", "passed"),
            json!({ "uri": "s3://lost" }),
            check("serve", "failed"),
            check("install", "passed"),
        ];
        assert_eq!(
            last_of_each(&bodies.map(|body| body.to_string())),
            [check("install", "passed"), check("serve", "passed")]
        );
    }
}
