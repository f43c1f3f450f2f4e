//! The end of a tenant: everything that belongs to it goes, piece by piece, and its item last.

use crate::clock::now_millis;
use crate::database::LAST_REQUEST_MILLIS;
use crate::stores::accounts::Removal;
use crate::stores::dynamodb::key::{self, Key, named, sortable};
use crate::stores::dynamodb::table::List;
use crate::stores::dynamodb::{DynamoStore, entrances};
use crate::stores::error::StoreResult;

/// In the index: tenants that were shut, the earliest first.
pub(super) const DELETED: &str = "DELETED_TENANTS";

#[async_trait::async_trait]
impl Removal for DynamoStore {
    async fn delete_tenant(&self, id: &str) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let item = round.get(&key::tenant(id)).await?;
            let Some(mut tenant) = item.filter(|tenant| !tenant.has("deleted_at")) else {
                return Ok(false);
            };
            let now = now_millis();
            tenant
                .set("deleted_at", now)
                .set("work", DELETED)
                .set("due", format!("{}#{id}", sortable(now)));
            round.put(tenant);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn deleted_tenants(&self, limit: i64) -> StoreResult<Vec<String>> {
        let tenants = self.table.work(DELETED, limit).await?;
        let ids = tenants
            .iter()
            .filter_map(|item| Some(item.text("id")?.to_owned()));
        Ok(ids.collect())
    }

    async fn delete_content(&self, tenant: &str) -> StoreResult<()> {
        let now = now_millis();
        self.delete_projects_of(tenant).await?;
        self.delete_templates_of(tenant).await?;
        self.age_uploads_of(tenant, now).await?;
        for item in self.keys_of(tenant).await? {
            if entrances::opens(&item) {
                self.revoke(&Key::of(&item), |_| true).await?;
            }
        }
        Ok(())
    }

    async fn remove_tenant(&self, id: &str) -> StoreResult<bool> {
        let Some(tenant) = self.table.get(&key::tenant(id)).await? else {
            return Ok(false);
        };
        let shut = tenant.integer("deleted_at");
        if shut.is_none_or(|at| at >= now_millis() - LAST_REQUEST_MILLIS) {
            return Ok(false);
        }
        // Previews whose task has ended are kept for those who ask why; here nobody does.
        if self.forget_previews_of(id).await? {
            return Ok(false);
        }
        for kind in ["JOB", "PROJECT", "TEMPLATE", "UPLOAD"] {
            if !self.list_of(id, kind).await?.is_empty() {
                return Ok(false);
            }
        }
        let items = self
            .table
            .list(&List::of(key::tenant_partition(id), ""))
            .await?;
        let mut keys = Vec::new();
        for item in &items {
            let sort = item.text("sk").unwrap_or_default();
            if sort == "TENANT" {
                continue;
            }
            keys.push(Key::of(item));
            match (sort.split('#').next(), item.text("hash")) {
                (Some("INVITATION"), Some(hash)) => keys.push(key::invitation_of(hash)),
                (Some("KEY"), Some(hash)) => keys.push(key::api_key_of(hash)),
                (Some("MEMBER"), _) => keys.push(key::tenant_of(named(item), id)),
                _ => {}
            }
        }
        self.table.delete_all(keys).await?;
        self.table
            .delete_all(vec![key::tenant(id), key::one_of_all(id)])
            .await?;
        Ok(true)
    }
}
