//! Invitations into shared tenants.

use crate::clock::now_millis;
use crate::database::record::{Columns, FromColumns};
use crate::database::{Database, bounded, changed};

/// An invitation as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// UUID version 7.
    pub id: String,
    /// Where to.
    pub tenant: String,
    /// Who, in lower case.
    pub email: String,
    /// When it was made.
    pub created_at: i64,
    /// Until when it can be taken.
    pub expires_at: i64,
}

impl FromColumns for Invitation {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            tenant: row.try_get("tenant_id")?,
            email: row.try_get("email")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}

/// What became of an invitation that somebody took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// They are a member of this tenant.
    Member(String),
    /// There is no such invitation for them.
    Unknown,
    /// The tenant has as many members as it may have.
    Full,
}

impl Database {
    /// Keeps an invitation into a shared tenant by its hash, unless there are `most` that can be taken; `false`
    /// then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invite(
        &self,
        invitation: &Invitation,
        hash: &str,
        most: i64,
    ) -> sqlx::Result<bool> {
        bounded(async {
            let now = now_millis();
            sqlx::query(
                "DELETE FROM invitations WHERE tenant_id = $1 AND (expires_at < $2 OR email = $3)",
            )
            .bind(&invitation.tenant)
            .bind(now)
            .bind(&invitation.email)
            .execute(&self.pool)
            .await?;
            let result = sqlx::query(
                "INSERT INTO invitations (id, tenant_id, email, hash, created_at, expires_at) \
                 SELECT $1, $2, $3, $4, $5, $6 \
                 WHERE (SELECT COUNT(*) FROM invitations WHERE tenant_id = $2) < $7",
            )
            .bind(&invitation.id)
            .bind(&invitation.tenant)
            .bind(&invitation.email)
            .bind(hash)
            .bind(invitation.created_at)
            .bind(invitation.expires_at)
            .bind(most)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// The invitations into a tenant that can still be taken.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitations(&self, tenant: &str) -> sqlx::Result<Vec<Invitation>> {
        bounded(async {
            sqlx::query_as(
                "SELECT id, tenant_id, email, created_at, expires_at FROM invitations \
                 WHERE tenant_id = $1 AND expires_at >= $2 ORDER BY id DESC LIMIT 200",
            )
            .bind(tenant)
            .bind(now_millis())
            .fetch_all(&self.pool)
            .await
        })
        .await
    }

    /// Takes an invitation back; `false` if there is none with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_invitation(&self, tenant: &str, id: &str) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query("DELETE FROM invitations WHERE id = $1 AND tenant_id = $2")
                .bind(id)
                .bind(tenant)
                .execute(&self.pool)
                .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Takes an invitation for a user, whose address is in lower case. It can be taken once, and by nobody else.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn join(
        &self,
        hash: &str,
        (user_id, email): (&str, &str),
        most: i64,
    ) -> sqlx::Result<Joined> {
        bounded(async {
            let now = now_millis();
            let mut transaction = self.pool.begin().await?;
            let tenant: Option<String> = sqlx::query_scalar(
                "DELETE FROM invitations WHERE hash = $1 AND email = $2 AND expires_at >= $3 \
                 AND EXISTS (SELECT 1 FROM tenants WHERE id = invitations.tenant_id \
                 AND deleted_at IS NULL) RETURNING tenant_id",
            )
            .bind(hash)
            .bind(email)
            .bind(now)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(tenant) = tenant else {
                return Ok(Joined::Unknown);
            };
            let result = sqlx::query(
                "INSERT INTO members (tenant_id, user_id, email, role, joined_at) \
                 SELECT $1, $2, $3, 'member', $4 \
                 WHERE (SELECT COUNT(*) FROM members WHERE tenant_id = $1) < $5 \
                 ON CONFLICT (tenant_id, user_id) DO UPDATE SET email = excluded.email",
            )
            .bind(&tenant)
            .bind(user_id)
            .bind(email)
            .bind(now)
            .bind(most)
            .execute(&mut *transaction)
            .await?;
            if !changed(&result) {
                // Nothing is committed: the invitation waits until there is a place.
                return Ok(Joined::Full);
            }
            transaction.commit().await?;
            Ok(Joined::Member(tenant))
        })
        .await
    }
}
