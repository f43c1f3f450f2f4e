//! A preview's item, and the places that previews take.

use std::collections::BTreeMap;

use crate::database::record::{FromColumns as _, Record};
use crate::database::{Lease, NewPreview, Preview};
use crate::stores::dynamodb::error::damaged;
use crate::stores::dynamodb::key::{self, sortable};
use crate::stores::dynamodb::round::Round;
use crate::stores::error::{StoreError, StoreResult};

/// In the index: previews that somebody looks after.
pub(super) const PREVIEWS: &str = "PREVIEWS";
/// In the index: previews of which nothing runs any more, those that were gone first.
pub(super) const GONE_PREVIEWS: &str = "GONE_PREVIEWS";

/// Previews that take a place, with the time when each ends.
pub(super) type Taken = BTreeMap<String, i64>;

/// The preview that an item holds.
pub(super) fn read(item: &Record) -> StoreResult<Preview> {
    Ok(Preview::from_columns(item)?)
}

/// A preview that begins.
pub(super) fn item(new: &NewPreview, tenant: &str, now: i64) -> Record {
    let mut item = key::preview(&new.id).item();
    item.set("id", &new.id)
        .set("project_id", &new.project_id)
        .set("version", new.version)
        .set("commit_id", &new.commit)
        .set("folder", &new.folder)
        .set("size_bytes", new.size_bytes)
        .set("sha256", &new.sha256)
        .set("label", &new.label)
        .set("created_at", now)
        .set("expires_at", new.expires_at)
        .set("tenant_id", tenant)
        .set("tries", 0)
        .set("unclear", 0)
        .set("lease_expires_at", 0)
        .set("next_step_at", 0);
    place(&mut item);
    item
}

/// Has the index say what is to be done about it.
pub(super) fn place(preview: &mut Record) {
    let id = preview.text("id").unwrap_or_default().to_owned();
    match preview.integer("gone_at") {
        None => preview.set("work", PREVIEWS).set("due", id),
        Some(millis) => {
            let due = format!("{}#{id}", sortable(millis));
            preview.set("work", GONE_PREVIEWS).set("due", due)
        }
    };
}

/// The list's name of a preview: the newest one is the last.
pub(super) fn listed(created_at: i64, id: &str) -> String {
    format!("{}#{id}", sortable(created_at))
}

/// Ends it; somebody is to look at it at once if nobody does.
pub(super) fn end(preview: &mut Record, now: i64, reason: &str) {
    preview
        .set("ended_at", now)
        .set("reason", reason)
        .clear("phase");
}

/// Whether this owner looks after it.
pub(super) fn is_own(preview: &Record, lease: &Lease) -> bool {
    preview.is("owner", &lease.owner)
}

/// The places that are taken, with their item.
pub(super) async fn taken(round: &mut Round<'_>) -> StoreResult<(Record, Taken)> {
    let key = key::preview_places();
    let item = round.get(&key).await?.unwrap_or_else(|| key.item());
    let taken = match item.text("taken") {
        None => Taken::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| damaged(format_args!("unreadable places of previews ({error})")))?,
    };
    Ok((item, taken))
}

/// Writes which places are taken.
pub(super) fn put_taken(round: &mut Round<'_>, mut item: Record, taken: &Taken) -> StoreResult<()> {
    let text = serde_json::to_string(taken).map_err(|error| StoreError::Failed(error.into()))?;
    item.set("taken", text);
    round.put(item);
    Ok(())
}
