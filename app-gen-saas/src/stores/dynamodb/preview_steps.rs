//! What those do who look after a preview.

use crate::clock::now_millis;
use crate::database::record::Record;
use crate::database::{Lease, Preview};
use crate::stores::dynamodb::preview::{self, PREVIEWS, is_own};
use crate::stores::dynamodb::{DynamoStore, LOOK, key};
use crate::stores::error::StoreResult;
use crate::stores::previews::PreviewSteps;

impl DynamoStore {
    /// Changes a preview that this owner looks after, if `may` says so: its item as it is then.
    async fn change_preview(
        &self,
        lease: &Lease,
        id: &str,
        may: impl Fn(&Record) -> bool + Send + Sync,
        change: impl Fn(&mut Record) + Send + Sync,
    ) -> StoreResult<Option<Record>> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let item = round.get(&key::preview(id)).await?;
            let Some(mut item) = item.filter(|item| is_own(item, lease) && may(item)) else {
                return Ok(None);
            };
            change(&mut item);
            round.put(item.clone());
            if round.commit().await? {
                return Ok(Some(item));
            }
        }
    }

    async fn claim_preview(&self, lease: &Lease, id: &str) -> StoreResult<Option<Preview>> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let item = round.get(&key::preview(id)).await?;
            let Some(mut item) = item.filter(|item| is_due(item, now)) else {
                return Ok(None);
            };
            item.set("owner", &lease.owner)
                .set("lease_expires_at", lease.end(now));
            let claimed = preview::read(&item)?;
            round.put(item);
            if round.commit().await? {
                return Ok(Some(claimed));
            }
        }
    }
}

fn is_due(preview: &Record, now: i64) -> bool {
    let is_free = !preview.has("owner") || preview.number("lease_expires_at") < now;
    !preview.has("gone_at") && preview.number("next_step_at") <= now && is_free
}

fn is_open(preview: &Record) -> bool {
    !preview.has("ended_at")
}

#[async_trait::async_trait]
impl PreviewSteps for DynamoStore {
    async fn claim_previews(&self, lease: &Lease) -> StoreResult<Vec<Preview>> {
        let now = now_millis();
        let mut claimed = Vec::new();
        for entry in self.table.work(PREVIEWS, LOOK).await? {
            if is_due(&entry, now) {
                let id = entry.text("id").unwrap_or_default();
                claimed.extend(self.claim_preview(lease, id).await?);
            }
        }
        Ok(claimed)
    }

    async fn release_preview(
        &self,
        lease: &Lease,
        preview: &Preview,
        pause_millis: i64,
    ) -> StoreResult<()> {
        let has_seen_end = preview.ended_at.is_some();
        let next = now_millis().saturating_add(pause_millis);
        let id = &preview.new.id;
        let released = self.change_preview(
            lease,
            id,
            |_| true,
            |item| {
                let next = match has_seen_end || is_open(item) {
                    true => next,
                    false => 0,
                };
                item.set("next_step_at", next).clear("owner");
            },
        );
        released.await.map(|_| ())
    }

    async fn begin_preview_try(&self, lease: &Lease, id: &str) -> StoreResult<Option<i64>> {
        let may = |item: &Record| is_open(item) && !item.has("task");
        let begun = self.change_preview(lease, id, may, |item| {
            item.add("tries", 1);
            item.set("unclear", 1);
        });
        Ok(begun.await?.map(|item| item.number("tries")))
    }

    async fn clear_preview_task(&self, lease: &Lease, id: &str, reason: &str) -> StoreResult<()> {
        let cleared = self.change_preview(lease, id, is_open, |item| {
            item.set("unclear", 0)
                .set("phase", "waiting")
                .set("reason", reason)
                .clear("task")
                .clear("task_handle")
                .clear("address")
                .clear("ready_at");
        });
        cleared.await.map(|_| ())
    }

    async fn set_preview_task(
        &self,
        lease: &Lease,
        id: &str,
        name: &str,
        handle: &str,
    ) -> StoreResult<()> {
        let now = now_millis();
        let set = self.change_preview(
            lease,
            id,
            |_| true,
            |item| {
                item.set("task", name)
                    .set("task_handle", handle)
                    .set("task_at", now)
                    .set("unclear", 0);
                if is_open(item) {
                    item.clear("reason");
                }
            },
        );
        set.await.map(|_| ())
    }

    async fn set_preview_phase(&self, lease: &Lease, id: &str, phase: &str) -> StoreResult<()> {
        let set = self.change_preview(lease, id, is_open, |item| {
            item.set("phase", phase).clear("reason");
        });
        set.await.map(|_| ())
    }

    async fn set_preview_ready(&self, lease: &Lease, id: &str, address: &str) -> StoreResult<()> {
        let now = now_millis();
        let set = self.change_preview(lease, id, is_open, |item| {
            if !item.has("ready_at") {
                item.set("ready_at", now);
            }
            item.set("address", address).clear("phase").clear("reason");
        });
        set.await.map(|_| ())
    }

    async fn end_preview(&self, lease: &Lease, id: &str, reason: &str) -> StoreResult<()> {
        let now = now_millis();
        let ended = self.change_preview(lease, id, is_open, |item| {
            preview::end(item, now, reason);
        });
        ended.await.map(|_| ())
    }

    async fn set_preview_gone(&self, lease: &Lease, id: &str) -> StoreResult<()> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let item = round.get(&key::preview(id)).await?;
            let Some(mut item) = item.filter(|item| is_own(item, lease) && !is_open(item)) else {
                return Ok(());
            };
            item.set("gone_at", now_millis()).clear("address");
            preview::place(&mut item);
            round.put(item);
            // Its place is free.
            let (places, mut taken) = preview::taken(&mut round).await?;
            taken.remove(id);
            preview::put_taken(&mut round, places, &taken)?;
            if round.commit().await? {
                return Ok(());
            }
        }
    }

    async fn release_previews(&self, owner: &str) -> StoreResult<()> {
        let lease = Lease {
            owner: owner.to_owned(),
            duration: std::time::Duration::ZERO,
        };
        for entry in self.table.work(PREVIEWS, LOOK).await? {
            if is_own(&entry, &lease) {
                let id = entry.text("id").unwrap_or_default();
                let released = self.change_preview(
                    &lease,
                    id,
                    |_| true,
                    |item| {
                        item.clear("owner");
                    },
                );
                released.await?;
            }
        }
        Ok(())
    }
}
