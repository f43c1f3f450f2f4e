//! Projects and their versions.

use crate::clock::now_millis;
use crate::database::record::{FromColumns as _, Record};
use crate::database::{Project, ProjectFilter, Version};
use crate::stores::dynamodb::job::ids;
use crate::stores::dynamodb::key::{self, Key, named, sortable};
use crate::stores::dynamodb::table::{LAST, List};
use crate::stores::dynamodb::{DynamoStore, LOOK};
use crate::stores::error::StoreResult;
use crate::stores::projects::Projects;

/// In a project's item: its jobs that have not ended and are done one after the other, in their order.
pub(super) const LINE: &str = "line";
/// In a project's item: its other jobs that have not ended.
pub(super) const OTHERS: &str = "others";
/// In the index: projects that were deleted.
const DELETED: &str = "DELETED_PROJECTS";
/// In the index: projects that have no version yet, the oldest first.
const NEW: &str = "NEW_PROJECTS";
/// Projects of a list that are read at once.
const PAGE: i64 = 100;

/// Whether a tenant can do something with a project.
pub(super) fn is_usable(project: &Record, tenant: &str) -> bool {
    project.is("tenant_id", tenant) && !project.has("deleted_at") && !project.has("archived_at")
}

/// Has the index say what is to be done about a project.
pub(super) fn place_project(project: &mut Record) {
    let id = project.text("id").unwrap_or_default().to_owned();
    if project.has("deleted_at") {
        project.set("work", DELETED).set("due", id);
    } else if project.number("newest_version") == 0 {
        let due = format!("{}#{id}", sortable(project.number("created_at")));
        project.set("work", NEW).set("due", due);
    } else {
        project.clear("work").clear("due");
    }
}

fn has_open_jobs(project: &Record) -> bool {
    project.has(LINE) || project.has(OTHERS)
}

impl DynamoStore {
    /// Projects with what their jobs have used that have not ended.
    async fn with_open_jobs(&self, items: Vec<Record>) -> StoreResult<Vec<Project>> {
        let open = items.iter().flat_map(|project| {
            let others = ids(project, OTHERS);
            ids(project, LINE).into_iter().chain(others).map(key::job)
        });
        let jobs = self.table.get_all(open.collect()).await?;
        let mut projects = Vec::with_capacity(items.len());
        for mut item in items {
            let mut used = (0, 0);
            for id in [LINE, OTHERS].iter().flat_map(|column| ids(&item, column)) {
                if let Some(job) = jobs.get(&key::job(id)) {
                    used.0 += job.number("used_micro_usd");
                    used.1 += job.number("used_task_micro_usd");
                }
            }
            let first = ids(&item, LINE).first().map(|id| (*id).to_owned());
            item.set_or_clear("unfinished_job", first);
            item.add("used_micro_usd", used.0);
            item.add("used_task_micro_usd", used.1);
            projects.push(Project::from_columns(&item)?);
        }
        Ok(projects)
    }

    async fn project_item(&self, id: &str) -> StoreResult<Option<Record>> {
        let item = self.table.get(&key::project(id)).await?;
        Ok(item.filter(|project| !project.has("deleted_at")))
    }

    async fn whole(&self, item: Option<Record>) -> StoreResult<Option<Project>> {
        let projects = self.with_open_jobs(item.into_iter().collect()).await?;
        Ok(projects.into_iter().next())
    }

    /// Changes a project that was not deleted; `false` if there is none, or `change` says so.
    async fn change_project(
        &self,
        id: &str,
        change: impl Fn(&mut Record) -> bool + Send + Sync,
    ) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let item = round.get(&key::project(id)).await?;
            let Some(mut project) = item.filter(|project| !project.has("deleted_at")) else {
                return Ok(false);
            };
            if !change(&mut project) {
                return Ok(false);
            }
            place_project(&mut project);
            round.put(project);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    /// Hides everything of a tenant's projects that were not deleted.
    pub(super) async fn delete_projects_of(&self, tenant: &str) -> StoreResult<()> {
        let list = List::of(key::tenant_partition(tenant), "PROJECT#");
        for entry in self.table.list(&list).await? {
            self.change_project(named(&entry), |project| {
                project.set("deleted_at", now_millis());
                true
            })
            .await?;
        }
        Ok(())
    }

    /// Removes the item of a project, its slug, and what names it.
    async fn forget_project(&self, project: &Record) -> StoreResult<bool> {
        let text = |column| project.text(column).unwrap_or_default();
        let mut round = self.table.rounds().next().await?;
        round.hold(project);
        round.delete(Key::of(project));
        round.delete(key::slug(text("slug")));
        round.delete(key::owned(text("tenant_id"), "PROJECT", text("id")));
        round.commit().await
    }
}

#[async_trait::async_trait]
impl Projects for DynamoStore {
    async fn project(&self, id: &str) -> StoreResult<Option<Project>> {
        let item = self.project_item(id).await?;
        self.whole(item).await
    }

    async fn project_of(&self, tenant: &str, id: &str) -> StoreResult<Option<Project>> {
        let item = self.project_item(id).await?;
        let own = item.filter(|project| project.is("tenant_id", tenant));
        self.whole(own).await
    }

    async fn projects(&self, filter: &ProjectFilter, limit: i64) -> StoreResult<Vec<Project>> {
        let search = filter.search.as_deref().unwrap_or_default().to_lowercase();
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut before = filter.before.clone();
        let mut found = Vec::new();
        while found.len() < limit {
            let mut list = List::of(key::tenant_partition(&filter.tenant), "PROJECT#")
                .newest_first()
                .limit(PAGE + 1);
            if let Some(before) = &before {
                list = list.to(format!("PROJECT#{before}"));
            }
            let mut entries = self.table.list(&list).await?;
            entries.retain(|entry| Some(named(entry)) != before.as_deref());
            let Some(last) = entries.last() else {
                break;
            };
            before = Some(named(last).to_owned());
            let keys: Vec<Key> = entries
                .iter()
                .map(|entry| key::project(named(entry)))
                .collect();
            let mut items = self.table.get_all(keys.clone()).await?;
            let items = keys.iter().filter_map(|key| items.remove(key));
            found.extend(items.filter(|project| {
                let name = project.text("searched_name").unwrap_or_default();
                !project.has("deleted_at")
                    && project.has("archived_at") == filter.archived
                    && name.contains(&search)
            }));
        }
        found.truncate(limit);
        self.with_open_jobs(found).await
    }

    async fn rename_project(&self, id: &str, name: &str) -> StoreResult<bool> {
        self.change_project(id, |project| {
            project
                .set("name", name)
                .set("searched_name", name.to_lowercase());
            true
        })
        .await
    }

    async fn set_archived(&self, id: &str, archived: bool) -> StoreResult<bool> {
        self.change_project(id, |project| {
            match archived {
                true if project.has("archived_at") => {}
                true => {
                    project.set("archived_at", now_millis());
                }
                false => {
                    project.clear("archived_at");
                }
            }
            true
        })
        .await
    }

    async fn delete_project(&self, id: &str) -> StoreResult<bool> {
        self.change_project(id, |project| {
            if has_open_jobs(project) {
                return false;
            }
            project.set("deleted_at", now_millis());
            true
        })
        .await
    }

    async fn deleted_projects(&self, limit: i64) -> StoreResult<Vec<String>> {
        let deleted = self.table.work(DELETED, LOOK).await?;
        let keys = deleted
            .iter()
            .filter_map(|entry| Some(key::project(entry.text("id")?)));
        let items = self.table.get_all(keys.collect()).await?;
        let mut projects: Vec<String> = items
            .values()
            .filter(|project| project.has("deleted_at") && !has_open_jobs(project))
            .filter_map(|project| Some(project.text("id")?.to_owned()))
            .collect();
        projects.sort_unstable();
        projects.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(projects)
    }

    async fn job_ids_of_project(&self, id: &str) -> StoreResult<Vec<String>> {
        let list = List::of(key::project_partition(id), "JOB#");
        let entries = self.table.list(&list).await?;
        Ok(entries
            .iter()
            .map(|entry| named(entry).to_owned())
            .collect())
    }

    async fn remove_project(&self, id: &str) -> StoreResult<()> {
        let Some(project) = self.table.get(&key::project(id)).await? else {
            return Ok(());
        };
        if !project.has("deleted_at") || has_open_jobs(&project) {
            return Ok(());
        }
        // Its item goes last: whatever ends this in between, the next one finds it.
        loop {
            let list = List::of(key::project_partition(id), "").limit(LOOK);
            let mut items = self.table.list(&list).await?;
            items.retain(|item| !item.is("sk", "PROJECT"));
            if items.is_empty() {
                break;
            }
            let places: Vec<Key> = items
                .iter()
                .filter_map(|item| Some(key::place(item.text("place")?)))
                .collect();
            let places = self.table.get_all(places).await?;
            let places = places.values().filter(|place| place.is("project_id", id));
            let keys = items.iter().chain(places).map(Key::of);
            self.table.delete_all(keys.collect()).await?;
        }
        self.forget_project(&project).await.map(|_| ())
    }

    async fn remove_empty_projects(&self, millis: i64) -> StoreResult<()> {
        let until = sortable(millis.saturating_sub(1)) + LAST;
        for entry in self.table.work_until(NEW, until, LOOK).await? {
            let id = entry.text("id").unwrap_or_default();
            let Some(project) = self.table.get(&key::project(id)).await? else {
                continue;
            };
            let jobs = List::of(key::project_partition(id), "JOB#").limit(1);
            let is_empty = project.number("newest_version") == 0
                && !has_open_jobs(&project)
                && self.table.list(&jobs).await?.is_empty();
            if is_empty {
                // A job that is accepted meanwhile changes the project, and keeps it.
                self.forget_project(&project).await?;
            }
        }
        Ok(())
    }

    async fn version(&self, project_id: &str, number: i64) -> StoreResult<Option<Version>> {
        let item = self.table.get(&key::version(project_id, number)).await?;
        Ok(item.map(|item| Version::from_columns(&item)).transpose()?)
    }

    async fn versions(
        &self,
        project_id: &str,
        before: i64,
        limit: i64,
    ) -> StoreResult<Vec<Version>> {
        let last = before.clamp(1, 9_999_999_999).saturating_sub(1);
        let last = key::version(project_id, last);
        let list = List::of(last.partition, "VERSION#")
            .to(last.sort)
            .newest_first()
            .limit(limit);
        let items = self.table.list(&list).await?;
        Ok(items
            .iter()
            .map(Version::from_columns)
            .collect::<Result<_, _>>()?)
    }

    async fn version_folders(&self, project_id: &str) -> StoreResult<Vec<String>> {
        let list = List::of(key::project_partition(project_id), "VERSION#");
        let items = self.table.list(&list).await?;
        let folders = items
            .iter()
            .filter_map(|item| Some(item.text("folder")?.to_owned()));
        let mut folders: Vec<String> = folders.collect();
        folders.sort_unstable();
        folders.dedup();
        Ok(folders)
    }

    async fn versions_of_jobs(
        &self,
        tenant: &str,
        first: &str,
        last: &str,
        project_id: Option<&str>,
    ) -> StoreResult<Vec<(String, i64)>> {
        let jobs = self.jobs_between(tenant, (first, last), project_id).await?;
        let made = jobs.iter().filter_map(|job| {
            let id = job.text("id")?.to_owned();
            Some((id, job.integer("version")?))
        });
        Ok(made.collect())
    }
}
