//! Files that people uploaded, to be attached to jobs.

use app_gen_contract::Attachment;

use crate::clock::now_millis;
use crate::database::Upload;
use crate::database::record::FromColumns as _;
use crate::stores::dynamodb::DynamoStore;
use crate::stores::dynamodb::key::{self, named, sortable};
use crate::stores::dynamodb::table::{LAST, List};
use crate::stores::error::StoreResult;
use crate::stores::templates::Uploads;

/// In the index: uploads, the earliest first.
pub(super) const UPLOADS: &str = "UPLOADS";

impl DynamoStore {
    /// Has a tenant's uploads removed as if they were old.
    pub(super) async fn age_uploads_of(&self, tenant: &str, now: i64) -> StoreResult<()> {
        let list = List::of(key::tenant_partition(tenant), "UPLOAD#");
        for entry in self.table.list(&list).await? {
            let mut rounds = self.table.rounds();
            loop {
                let mut round = rounds.next().await?;
                let item = round.get(&key::upload(named(&entry))).await?;
                let Some(mut item) = item.filter(|item| item.number("created_at") <= now) else {
                    break;
                };
                let due = format!("{}#{}", sortable(0), named(&entry));
                item.set("created_at", 0).set("due", due);
                round.put(item);
                if round.commit().await? {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Uploads for DynamoStore {
    async fn insert_upload(
        &self,
        tenant: &str,
        upload: &Upload,
        max_bytes: u64,
    ) -> StoreResult<bool> {
        let Upload { id, attachment } = upload;
        let Attachment {
            name,
            media_type,
            size_bytes,
            sha256,
        } = attachment;
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let places = key::upload_places();
            let mut places = round.get(&places).await?.unwrap_or_else(|| places.item());
            if places.add("bytes", number(*size_bytes)) > number(max_bytes) {
                return Ok(false);
            }
            let mut item = key::upload(id).item();
            item.set("id", id)
                .set("name", name)
                .set("media_type", media_type.as_str())
                .set("size_bytes", number(*size_bytes))
                .set("sha256", sha256)
                .set("created_at", now)
                .set("tenant_id", tenant)
                .set("work", UPLOADS)
                .set("due", format!("{}#{id}", sortable(now)));
            round.put(places);
            round.put(item);
            round.put(key::owned(tenant, "UPLOAD", id).item());
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn upload(&self, tenant: &str, id: &str) -> StoreResult<Option<Upload>> {
        let item = self.table.get(&key::upload(id)).await?;
        let own = item.filter(|item| item.is("tenant_id", tenant));
        Ok(own.map(|item| Upload::from_columns(&item)).transpose()?)
    }

    async fn uploads_before(&self, millis: i64, limit: i64) -> StoreResult<Vec<String>> {
        let until = sortable(millis.saturating_sub(1)) + LAST;
        let items = self.table.work_until(UPLOADS, until, limit).await?;
        let ids = items
            .iter()
            .filter_map(|item| Some(item.text("id")?.to_owned()));
        Ok(ids.collect())
    }

    async fn remove_upload(&self, id: &str) -> StoreResult<()> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(item) = round.get(&key::upload(id)).await? else {
                return Ok(());
            };
            let places = key::upload_places();
            let mut places = round.get(&places).await?.unwrap_or_else(|| places.item());
            places.add("bytes", -item.number("size_bytes"));
            let tenant = item.text("tenant_id").unwrap_or_default();
            round.put(places);
            round.delete(key::owned(tenant, "UPLOAD", id));
            round.delete(key::upload(id));
            if round.commit().await? {
                return Ok(());
            }
        }
    }
}
