//! Tenants, who is in them, and what belongs to whom.

mod invitations;
mod keys;
mod removal;
mod tenants;
mod tickets;

use crate::database::{Database, bounded};

pub use invitations::{Invitation, Joined};
pub use keys::ApiKey;
pub(crate) use keys::USED_MILLIS;
pub(crate) use removal::LAST_REQUEST_MILLIS;
pub use tenants::{Left, Member, Tenant, Transferred, Usage};

/// A kind of thing that belongs to a tenant and is named by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// A job.
    Job,
    /// A project, with its versions, deliveries and previews.
    Project,
    /// A template.
    Template,
}

impl Database {
    /// Whether there is such a thing, and it belongs to this tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owns(&self, tenant: &str, kind: Owned, id: &str) -> sqlx::Result<bool> {
        let query = match kind {
            Owned::Job => "SELECT id FROM jobs WHERE id = $1 AND tenant_id = $2",
            Owned::Project => "SELECT id FROM projects WHERE id = $1 AND tenant_id = $2",
            Owned::Template => "SELECT id FROM templates WHERE id = $1 AND tenant_id = $2",
        };
        bounded(async {
            let found: Option<String> = sqlx::query_scalar(query)
                .bind(id)
                .bind(tenant)
                .fetch_optional(&self.pool)
                .await?;
            Ok(found.is_some())
        })
        .await
    }
}
