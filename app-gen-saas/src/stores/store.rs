//! The trait of all concerns together.

use std::fmt::Debug;

use crate::database::Database;
use crate::stores::accounts::{Entrances, Removal, Tenants};
use crate::stores::deliveries::Deliveries;
use crate::stores::duties::Duties;
use crate::stores::events::Events;
use crate::stores::following::Following;
use crate::stores::jobs::Jobs;
use crate::stores::leases::Leases;
use crate::stores::moving::Moving;
use crate::stores::previews::{PreviewSteps, Previews};
use crate::stores::projects::Projects;
use crate::stores::templates::{Templates, Uploads};

/// Everything that an orchestrator keeps.
#[async_trait::async_trait]
pub trait Store:
    Debug
    + Send
    + Sync
    + Jobs
    + Leases
    + Following
    + Events
    + Projects
    + Deliveries
    + Previews
    + PreviewSteps
    + Templates
    + Uploads
    + Tenants
    + Removal
    + Entrances
    + Moving
    + Duties
{
    /// The database of SQL that it is, for what only PostgreSQL can (`streams::news`).
    fn sql(&self) -> Option<&Database>;

    /// How often events were read so far, by whomever.
    fn event_reads(&self) -> u64;

    /// Ends its connections.
    async fn close(&self);
}

#[async_trait::async_trait]
impl Store for Database {
    fn sql(&self) -> Option<&Database> {
        Some(self)
    }

    fn event_reads(&self) -> u64 {
        Database::event_reads(self)
    }

    async fn close(&self) {
        Database::close(self).await;
    }
}
