//! What the host of a preview leads to. It is looked up once a second at most, so that a page with a hundred files
//! is no hundred questions to the database; an end is noticed as soon.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::database::Preview;
use crate::previews::is_label;
use crate::stores::{Store, StoreResult};

/// How long what was looked up holds.
const FRESH: Duration = Duration::from_secs(1);
/// Connections to one preview: a browser has six, and as many more for what stays open.
const CONNECTIONS: usize = 64;
/// How many are remembered.
const REMEMBERED: usize = 500;

/// The doors of this orchestrator.
#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<HashMap<String, Door>>);

#[derive(Debug, Clone)]
struct Door {
    seen: Instant,
    preview: Arc<Preview>,
    places: Arc<Semaphore>,
}

/// A preview, and whether there is a place for another connection to it.
pub(super) struct Found {
    pub(super) preview: Arc<Preview>,
    places: Arc<Semaphore>,
}

impl Found {
    /// A place, if one is left.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

impl Doors {
    /// The preview with this label.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn find(
        &self,
        database: &dyn Store,
        label: &str,
    ) -> StoreResult<Option<Found>> {
        if !is_label(label) {
            return Ok(None);
        }
        let known = self.lock().get(label).cloned();
        if let Some(door) = known.as_ref().filter(|door| door.seen.elapsed() < FRESH) {
            return Ok(Some(Found {
                preview: Arc::clone(&door.preview),
                places: Arc::clone(&door.places),
            }));
        }
        let Some(preview) = database.preview_by_label(label).await? else {
            self.forget(label);
            return Ok(None);
        };
        // Those that are open count on.
        let places =
            known.map_or_else(|| Arc::new(Semaphore::new(CONNECTIONS)), |door| door.places);
        let door = Door {
            seen: Instant::now(),
            preview: Arc::new(preview),
            places,
        };
        let found = Found {
            preview: Arc::clone(&door.preview),
            places: Arc::clone(&door.places),
        };
        let mut doors = self.lock();
        if doors.len() >= REMEMBERED {
            doors.retain(|_, door| door.seen.elapsed() < FRESH);
        }
        doors.insert(label.to_owned(), door);
        Ok(Some(found))
    }

    /// Looks it up again at the next request.
    pub(super) fn forget(&self, label: &str) {
        self.lock().remove(label);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Door>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
