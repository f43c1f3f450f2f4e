//! Tenants and their members.

use crate::clock::now_millis;
use crate::database::record::{Columns, FromColumns};
use crate::database::{Database, bounded, changed};

/// A tenant as one of its members sees it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// UUID; of a personal one that of its user.
    pub id: String,
    /// For people.
    pub name: String,
    /// `personal` or `shared`.
    pub kind: String,
    /// `owner` or `member`.
    pub role: String,
    /// When it was made.
    pub created_at: i64,
}

/// A member of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user_id: String,
    /// As the login knew it when the user came in.
    pub email: String,
    /// `owner` or `member`.
    pub role: String,
    /// When the user came in, in milliseconds since 1970.
    pub joined_at: i64,
}

/// What a tenant uses: numbers, and nothing that it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Its id.
    pub tenant: String,
    /// `personal`, `shared` or `local`.
    pub kind: String,
    /// Its members.
    pub members: i64,
    /// Its projects.
    pub projects: i64,
    /// Jobs that are kept.
    pub jobs: i64,
    /// Those of them that have not ended.
    pub unfinished_jobs: i64,
    /// Previews that take a place.
    pub previews: i64,
    /// Millionths of a US dollar for models.
    pub micro_usd: i64,
    /// Millionths of a US dollar for tasks.
    pub task_micro_usd: i64,
}

/// What became of the wish to leave a tenant, or to have somebody leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// They are out, and their keys open nothing.
    Out,
    /// There is no such member.
    NoMember,
    /// They own it.
    Owner,
}

/// What became of the wish to hand a tenant over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transferred {
    /// The other one owns it.
    Done,
    /// The other one is no member.
    NoMember,
}

impl FromColumns for Tenant {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            kind: row.try_get("kind")?,
            role: row.try_get("role")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl FromColumns for Member {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            user_id: row.try_get("user_id")?,
            email: row.try_get("email")?,
            role: row.try_get("role")?,
            joined_at: row.try_get("joined_at")?,
        })
    }
}

impl FromColumns for Usage {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            tenant: row.try_get("id")?,
            kind: row.try_get("kind")?,
            members: row.try_get("members")?,
            projects: row.try_get("projects")?,
            jobs: row.try_get("jobs")?,
            unfinished_jobs: row.try_get("unfinished_jobs")?,
            previews: row.try_get("previews")?,
            micro_usd: row.try_get("micro_usd")?,
            task_micro_usd: row.try_get("task_micro_usd")?,
        })
    }
}

impl Database {
    /// Makes a tenant with its owner. One that is there already stays as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_tenant(
        &self,
        (id, name, kind): (&str, &str, &str),
        (user_id, email): (&str, &str),
    ) -> sqlx::Result<()> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            let result = sqlx::query(
                "INSERT INTO tenants (id, name, kind, created_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(id)
            .bind(name)
            .bind(kind)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
            if !changed(&result) {
                return Ok(());
            }
            sqlx::query(
                "INSERT INTO members (tenant_id, user_id, email, role, joined_at) \
                 VALUES ($1, $2, $3, 'owner', $4)",
            )
            .bind(id)
            .bind(user_id)
            .bind(email)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        })
        .await
    }

    /// A tenant that the user is in, if there is one with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenant_of(&self, user_id: &str, id: &str) -> sqlx::Result<Option<Tenant>> {
        bounded(async {
            sqlx::query_as(
                "SELECT tenants.id, name, kind, role, created_at FROM members \
                 JOIN tenants ON tenants.id = members.tenant_id \
                 WHERE members.tenant_id = $1 AND members.user_id = $2 AND deleted_at IS NULL",
            )
            .bind(id)
            .bind(user_id)
            .fetch_optional(&self.pool)
            .await
        })
        .await
    }

    /// The tenants that a user is in, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenants_of(&self, user_id: &str) -> sqlx::Result<Vec<Tenant>> {
        bounded(async {
            sqlx::query_as(
                "SELECT tenants.id, name, kind, role, created_at FROM members \
                 JOIN tenants ON tenants.id = members.tenant_id \
                 WHERE members.user_id = $1 AND deleted_at IS NULL \
                 ORDER BY created_at, tenants.id LIMIT 200",
            )
            .bind(user_id)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// The members of a tenant, the first one first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn members(&self, tenant: &str) -> sqlx::Result<Vec<Member>> {
        bounded(async {
            sqlx::query_as(
                "SELECT user_id, email, role, joined_at FROM members WHERE tenant_id = $1 \
                 ORDER BY joined_at, user_id LIMIT 200",
            )
            .bind(tenant)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Takes a member out of a tenant, and revokes the keys that they made for it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn leave(&self, tenant: &str, user_id: &str) -> sqlx::Result<Left> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            let result = sqlx::query(
                "DELETE FROM members WHERE tenant_id = $1 AND user_id = $2 AND role <> 'owner'",
            )
            .bind(tenant)
            .bind(user_id)
            .execute(&mut *transaction)
            .await?;
            if !changed(&result) {
                let owner: Option<String> = sqlx::query_scalar(
                    "SELECT user_id FROM members WHERE tenant_id = $1 AND user_id = $2",
                )
                .bind(tenant)
                .bind(user_id)
                .fetch_optional(&mut *transaction)
                .await?;
                return Ok(match owner {
                    Some(_) => Left::Owner,
                    None => Left::NoMember,
                });
            }
            sqlx::query(
                "UPDATE api_keys SET revoked_at = $1 \
                 WHERE tenant_id = $2 AND user_id = $3 AND revoked_at IS NULL",
            )
            .bind(now_millis())
            .bind(tenant)
            .bind(user_id)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(Left::Out)
        })
        .await
    }

    /// Makes another member the owner; the owner stays as a member.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn transfer(&self, tenant: &str, from: &str, to: &str) -> sqlx::Result<Transferred> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            // Both in one statement each, and only together: there is one owner at any time.
            let left = sqlx::query(
                "UPDATE members SET role = 'member' \
                 WHERE tenant_id = $1 AND user_id = $2 AND role = 'owner'",
            )
            .bind(tenant)
            .bind(from)
            .execute(&mut *transaction)
            .await?;
            let taken = sqlx::query(
                "UPDATE members SET role = 'owner' \
                 WHERE tenant_id = $1 AND user_id = $2 AND role = 'member'",
            )
            .bind(tenant)
            .bind(to)
            .execute(&mut *transaction)
            .await?;
            if !changed(&left) || !changed(&taken) {
                return Ok(Transferred::NoMember);
            }
            transaction.commit().await?;
            Ok(Transferred::Done)
        })
        .await
    }

    /// What tenants use, up to `limit` of them in the order of their ids, after the one with the id `after`. Rows
    /// from before there were tenants are those of `local`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage(&self, after: &str, limit: i64) -> sqlx::Result<Vec<Usage>> {
        bounded(async {
            sqlx::query_as(
                "SELECT id, kind, \
                 (SELECT COUNT(*) FROM members WHERE tenant_id = owners.id) AS members, \
                 (SELECT COUNT(*) FROM projects WHERE tenant_id = owners.id \
                 AND deleted_at IS NULL) AS projects, \
                 (SELECT COUNT(*) FROM jobs WHERE tenant_id = owners.id) AS jobs, \
                 (SELECT COUNT(*) FROM jobs WHERE tenant_id = owners.id \
                 AND finished_at IS NULL) AS unfinished_jobs, \
                 (SELECT COUNT(*) FROM previews WHERE tenant_id = owners.id \
                 AND gone_at IS NULL) AS previews, \
                 CAST((SELECT COALESCE(SUM(used_micro_usd), 0) FROM projects \
                 WHERE tenant_id = owners.id) + (SELECT COALESCE(SUM(used_micro_usd), 0) FROM jobs \
                 WHERE tenant_id = owners.id AND finished_at IS NULL) AS BIGINT) AS micro_usd, \
                 CAST((SELECT COALESCE(SUM(used_task_micro_usd), 0) FROM projects \
                 WHERE tenant_id = owners.id) + (SELECT COALESCE(SUM(used_task_micro_usd), 0) \
                 FROM jobs WHERE tenant_id = owners.id AND finished_at IS NULL) AS BIGINT) \
                 AS task_micro_usd FROM \
                 (SELECT id, kind FROM tenants UNION ALL SELECT 'local', 'local') AS owners \
                 WHERE id > $1 ORDER BY id LIMIT $2",
            )
            .bind(after)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }
}
