//! Previews, as everybody sees them.

use crate::clock::now_millis;
use crate::database::record::Record;
use crate::database::{Begun, NewPreview, Preview};
use crate::stores::dynamodb::key::{self, named, sortable};
use crate::stores::dynamodb::preview::{self, GONE_PREVIEWS, PREVIEWS, listed};
use crate::stores::dynamodb::table::{LAST, List};
use crate::stores::dynamodb::{DynamoStore, LOOK};
use crate::stores::error::StoreResult;
use crate::stores::previews::Previews;

/// More than `max_previews` of the manifest may be.
const MOST: usize = 200;

impl DynamoStore {
    /// Ends a preview if it has not, and `is_due` says so now.
    async fn end_if(
        &self,
        id: &str,
        reason: &str,
        is_due: impl Fn(&Record, i64) -> bool + Send + Sync,
    ) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let item = round.get(&key::preview(id)).await?;
            let Some(mut item) = item.filter(|item| !item.has("ended_at") && is_due(item, now))
            else {
                return Ok(false);
            };
            preview::end(&mut item, now, reason);
            item.set("next_step_at", 0);
            round.put(item);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn forget_preview(&self, id: &str) -> StoreResult<()> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(item) = round.get(&key::preview(id)).await? else {
                return Ok(());
            };
            let text = |column| item.text(column).unwrap_or_default();
            let project = text("project_id");
            let pointer = key::preview_of(project, item.number("version"));
            if round
                .get(&pointer)
                .await?
                .is_some_and(|newest| newest.is("preview_id", id))
            {
                round.delete(pointer);
            }
            let listed = listed(item.number("created_at"), id);
            round.delete(key::owned(text("tenant_id"), "PREVIEW", &listed));
            round.delete(key::label(text("label")));
            round.delete(key::preview(id));
            if round.commit().await? {
                return Ok(());
            }
        }
    }

    /// The items of a tenant's previews, those that are gone too: newest first.
    async fn previews_of(&self, tenant: &str) -> StoreResult<Vec<Record>> {
        let list = List::of(key::tenant_partition(tenant), "PREVIEW#").newest_first();
        let entries = self.table.list(&list).await?;
        let keys = entries.iter().map(|entry| key::preview(named(entry)));
        let mut found = self.table.get_all(keys.collect()).await?;
        let items = entries
            .iter()
            .filter_map(|entry| found.remove(&key::preview(named(entry))));
        Ok(items.collect())
    }

    /// Forgets a tenant's previews of which nothing runs any more; whether any is left.
    pub(super) async fn forget_previews_of(&self, tenant: &str) -> StoreResult<bool> {
        let mut is_one_left = false;
        for item in self.previews_of(tenant).await? {
            match item.has("gone_at") {
                true => {
                    self.forget_preview(item.text("id").unwrap_or_default())
                        .await?
                }
                false => is_one_left = true,
            }
        }
        Ok(is_one_left)
    }
}

#[async_trait::async_trait]
impl Previews for DynamoStore {
    async fn begin_preview(&self, new: &NewPreview, max: u32) -> StoreResult<Begun> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            // Whoever begins one changes the places: two that count at the same time do not both find the last one.
            let (places, mut taken) = preview::taken(&mut round).await?;
            let pointer_key = key::preview_of(&new.project_id, new.version);
            let pointer = round.get(&pointer_key).await?;
            if let Some(id) = pointer
                .as_ref()
                .and_then(|pointer| pointer.text("preview_id"))
                && let Some(known) = round.get(&key::preview(id)).await?
                && !known.has("ended_at")
            {
                return Ok(Begun::Known(preview::read(&known)?));
            }
            let now = now_millis();
            if taken.len() >= max {
                let free_at = taken.values().min().copied().unwrap_or(now);
                return Ok(Begun::Full { free_at });
            }
            let project = round.get(&key::project(&new.project_id)).await?;
            let tenant = project
                .as_ref()
                .and_then(|project| project.text("tenant_id"));
            let tenant = tenant.unwrap_or("local").to_owned();
            let item = preview::item(new, &tenant, now);
            let begun = preview::read(&item)?;
            let mut pointer = pointer.unwrap_or_else(|| pointer_key.item());
            pointer.set("preview_id", &new.id);
            let mut label = key::label(&new.label).item();
            label.set("preview_id", &new.id);
            taken.insert(new.id.clone(), new.expires_at);
            preview::put_taken(&mut round, places, &taken)?;
            round.put(pointer);
            round.put(label);
            round.put(key::owned(&tenant, "PREVIEW", &listed(now, &new.id)).item());
            round.put(item);
            if round.commit().await? {
                return Ok(Begun::New(begun));
            }
        }
    }

    async fn preview_of(&self, project_id: &str, version: i64) -> StoreResult<Option<Preview>> {
        let pointer = self
            .table
            .get(&key::preview_of(project_id, version))
            .await?;
        match pointer
            .as_ref()
            .and_then(|pointer| pointer.text("preview_id"))
        {
            Some(id) => self.preview(id).await,
            None => Ok(None),
        }
    }

    async fn preview(&self, id: &str) -> StoreResult<Option<Preview>> {
        let item = self.table.get(&key::preview(id)).await?;
        item.as_ref().map(preview::read).transpose()
    }

    async fn preview_by_label(&self, label: &str) -> StoreResult<Option<Preview>> {
        let pointer = self.table.get(&key::label(label)).await?;
        match pointer
            .as_ref()
            .and_then(|pointer| pointer.text("preview_id"))
        {
            Some(id) => self.preview(id).await,
            None => Ok(None),
        }
    }

    async fn previews(&self, tenant: &str) -> StoreResult<Vec<Preview>> {
        let items = self.previews_of(tenant).await?;
        let open = items.iter().filter(|item| !item.has("ended_at"));
        open.take(MOST).map(preview::read).collect()
    }

    async fn has_previews(&self) -> StoreResult<bool> {
        Ok(!self.table.work(PREVIEWS, 1).await?.is_empty())
    }

    async fn end_preview_of(
        &self,
        project_id: &str,
        version: i64,
        reason: &str,
    ) -> StoreResult<bool> {
        let pointer = self
            .table
            .get(&key::preview_of(project_id, version))
            .await?;
        match pointer
            .as_ref()
            .and_then(|pointer| pointer.text("preview_id"))
        {
            Some(id) => self.end_if(id, reason, |_, _| true).await,
            None => Ok(false),
        }
    }

    async fn end_due_previews(&self, forgotten_before: i64) -> StoreResult<()> {
        let now = now_millis();
        for entry in self.table.work(PREVIEWS, LOOK).await? {
            let id = entry.text("id").unwrap_or_default();
            if entry.has("ended_at") {
                continue;
            }
            if entry.number("expires_at") <= now {
                let is_over = |item: &Record, now| item.number("expires_at") <= now;
                self.end_if(id, "its time is over", is_over).await?;
                continue;
            }
            let project = key::project(entry.text("project_id").unwrap_or_default());
            let project = self.table.get(&project).await?;
            if project.is_none_or(|project| project.has("deleted_at")) {
                self.end_if(id, "its project was deleted", |_, _| true)
                    .await?;
            }
        }
        let until = sortable(forgotten_before.saturating_sub(1)) + LAST;
        for gone in self.table.work_until(GONE_PREVIEWS, until, LOOK).await? {
            self.forget_preview(gone.text("id").unwrap_or_default())
                .await?;
        }
        Ok(())
    }
}
