//! Templates that people made of versions.

use crate::clock::now_millis;
use crate::database::Template;
use crate::database::record::{FromColumns as _, Record};
use crate::stores::dynamodb::key::{self, Key, named};
use crate::stores::dynamodb::table::List;
use crate::stores::dynamodb::{DynamoStore, LOOK};
use crate::stores::error::StoreResult;
use crate::stores::templates::Templates;

/// In the index: folders of templates.
pub(super) const FOLDERS: &str = "TEMPLATE_FOLDERS";
/// In the index: templates that were removed.
pub(super) const DELETED: &str = "DELETED_TEMPLATES";

/// Writes what a template is.
fn write(item: &mut Record, template: &Template) {
    item.set("id", &template.id)
        .set("tenant_id", &template.tenant)
        .set("name", &template.name)
        .set("searched_text", template.searched_text())
        .set("description", &template.description)
        .set("project_id", &template.project_id)
        .set("version", template.version)
        .set("commit_id", &template.commit)
        .set("folder", &template.folder)
        .set("created_at", template.created_at)
        .set("updated_at", template.updated_at);
}

fn is_there(item: &Record) -> bool {
    !item.has("deleted_at")
}

impl DynamoStore {
    /// The items of a tenant's templates, those that were removed too: newest first.
    async fn templates_of(&self, tenant: &str) -> StoreResult<Vec<Record>> {
        let list = List::of(key::tenant_partition(tenant), "TEMPLATE#").newest_first();
        let entries = self.table.list(&list).await?;
        let keys: Vec<Key> = entries
            .iter()
            .map(|entry| key::template(named(entry)))
            .collect();
        let mut found = self.table.get_all(keys.clone()).await?;
        Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
    }

    /// Hides everything of a tenant's templates.
    pub(super) async fn delete_templates_of(&self, tenant: &str) -> StoreResult<()> {
        for item in self.templates_of(tenant).await? {
            self.delete_template(item.text("id").unwrap_or_default())
                .await?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Templates for DynamoStore {
    async fn insert_template(&self, template: &Template, most: i64) -> StoreResult<bool> {
        let most = usize::try_from(most).unwrap_or(0);
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            round.take_turn(&key::turn(&template.tenant)).await?;
            let others = self.templates_of(&template.tenant).await?;
            if others.iter().filter(|item| is_there(item)).count() >= most {
                return Ok(false);
            }
            let mut item = key::template(&template.id).item();
            write(&mut item, template);
            round.put(item);
            round.put(key::owned(&template.tenant, "TEMPLATE", &template.id).item());
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn template(&self, tenant: &str, id: &str) -> StoreResult<Option<Template>> {
        let item = self.table.get(&key::template(id)).await?;
        let own = item.filter(|item| is_there(item) && item.is("tenant_id", tenant));
        Ok(own.map(|item| Template::from_columns(&item)).transpose()?)
    }

    async fn templates(
        &self,
        tenant: &str,
        search: &str,
        before: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<Template>> {
        let search = search.to_lowercase();
        let items = self.templates_of(tenant).await?;
        let found = items.iter().filter(|item| {
            let text = item.text("searched_text").unwrap_or_default();
            let is_before = before.is_none_or(|before| item.text("id") < Some(before));
            is_there(item) && is_before && text.contains(&search)
        });
        let found = found.take(usize::try_from(limit).unwrap_or(0));
        Ok(found
            .map(Template::from_columns)
            .collect::<Result<_, _>>()?)
    }

    async fn update_template(&self, template: &Template, seen_at: i64) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let item = round.get(&key::template(&template.id)).await?;
            let is_same = |item: &Record| item.integer("updated_at") == Some(seen_at);
            let Some(mut item) = item.filter(|item| is_there(item) && is_same(item)) else {
                return Ok(false);
            };
            write(&mut item, template);
            round.put(item);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn delete_template(&self, id: &str) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut item) = round.get(&key::template(id)).await?.filter(is_there) else {
                return Ok(false);
            };
            item.set("deleted_at", now_millis())
                .set("work", DELETED)
                .set("due", id);
            round.put(item);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn begin_template_folder(&self, id: &str, folder: &str) -> StoreResult<()> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let key = key::template_folder(folder);
            let mut item = round.get(&key).await?.unwrap_or_else(|| key.item());
            item.set("folder", folder)
                .set("template_id", id)
                .set("created_at", now_millis())
                .set("work", FOLDERS)
                .set("due", folder);
            round.put(item);
            if round.commit().await? {
                return Ok(());
            }
        }
    }

    async fn idle_template_folders(
        &self,
        millis: i64,
        limit: i64,
    ) -> StoreResult<Vec<(String, String)>> {
        let folders = self.table.work(FOLDERS, i64::MAX).await?;
        let keys = folders
            .iter()
            .filter_map(|item| Some(key::template(item.text("template_id")?)));
        let templates = self.table.get_all(keys.collect()).await?;
        let idle = folders.iter().filter_map(|item| {
            let (id, folder) = (item.text("template_id")?, item.text("folder")?);
            let template = templates.get(&key::template(id));
            let is_had = template.is_some_and(|item| is_there(item) && item.is("folder", folder));
            let is_removed = template.is_some_and(|item| !is_there(item));
            let is_old = item.number("created_at") < millis;
            let is_idle = !is_had && (is_old || is_removed);
            is_idle.then(|| (id.to_owned(), folder.to_owned()))
        });
        Ok(idle.take(usize::try_from(limit).unwrap_or(0)).collect())
    }

    async fn forget_template_folder(&self, folder: &str) -> StoreResult<()> {
        self.table
            .delete_all(vec![key::template_folder(folder)])
            .await
    }

    async fn forget_deleted_templates(&self) -> StoreResult<()> {
        let deleted = self.table.work(DELETED, LOOK).await?;
        if deleted.is_empty() {
            return Ok(());
        }
        let folders = self.table.work(FOLDERS, i64::MAX).await?;
        for entry in &deleted {
            let id = entry.text("id").unwrap_or_default();
            if folders.iter().any(|folder| folder.is("template_id", id)) {
                continue;
            }
            let tenant = entry.text("tenant_id").unwrap_or_default();
            let pointer = key::owned(tenant, "TEMPLATE", id);
            self.table
                .delete_all(vec![key::template(id), pointer])
                .await?;
        }
        Ok(())
    }
}
