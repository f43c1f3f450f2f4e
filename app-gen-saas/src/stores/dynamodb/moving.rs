//! From one store into another: rows of SQL as items, and items as rows.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::database::record::Record;
use crate::database::{Exported, Kind};
use crate::stores::dynamodb::error::{damaged, failed};
use crate::stores::dynamodb::job::{self, is_open, stands_in_line};
use crate::stores::dynamodb::key::{self, Key, sortable};
use crate::stores::dynamodb::projects::{LINE, OTHERS, place_project};
use crate::stores::dynamodb::round::Round;
use crate::stores::dynamodb::table::{Attributes, record, text};
use crate::stores::dynamodb::{DynamoStore, preview, removal, stream, templates, uploads};
use crate::stores::error::StoreResult;
use crate::stores::moving::Moving;

/// What kind of row an item is; nothing for lists, pointers and what lives for moments.
fn kind_of(item: &Record) -> Option<&'static Kind> {
    let partition = item.text("pk")?.split('#').next()?;
    let sort = item.text("sk")?;
    let name = match (partition, sort.split('#').next()?) {
        ("TENANT", "TENANT") => "tenants",
        ("TENANT", "MEMBER") => "members",
        ("TENANT", "INVITATION") => "invitations",
        ("TENANT", "KEY") => "api_keys",
        ("TEMPLATE", "TEMPLATE") => "templates",
        ("FOLDER", "FOLDER") => "template_folders",
        ("UPLOAD", "UPLOAD") => "uploads",
        ("PROJECT", "PROJECT") => "projects",
        ("JOB", "JOB") => "jobs",
        ("JOB", "ATTEMPT") => "attempts",
        ("JOB", "EVENTS") => "events",
        ("PROJECT", "VERSION") => "versions",
        ("PROJECT", "DELIVERY") => "deliveries",
        ("PREVIEW", "PREVIEW") => "previews",
        _ => return None,
    };
    Kind::of(name)
}

/// The rows that an item holds.
fn rows(mut item: Record) -> StoreResult<Vec<(&'static str, Record)>> {
    let Some(kind) = kind_of(&item) else {
        return Ok(Vec::new());
    };
    match kind.name {
        "events" => Ok(stream::rows(&item)?
            .into_iter()
            .map(|row| (kind.name, row))
            .collect()),
        "jobs" => {
            job::complete(&mut item);
            Ok(vec![(kind.name, kind.row(&item))])
        }
        _ => Ok(vec![(kind.name, kind.row(&item))]),
    }
}

/// An item of a row.
fn item(key: &Key, row: &Record) -> Record {
    let mut item = key.item();
    item.0.extend(row.0.clone());
    item
}

/// Adds an id to those of a column, in the order in which they were made.
fn add_in_order(record: &mut Record, column: &str, id: &str) {
    job::add_id(record, column, id);
    let mut all = job::ids(record, column);
    all.sort_unstable();
    let text = all.join(" ");
    record.set(column, text);
}

impl DynamoStore {
    /// Keeps one row, with the lists and pointers that lead to it.
    async fn import_row(&self, kind: &Kind, row: &Record) -> StoreResult<()> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            match kind.name {
                "tenants" | "members" | "invitations" | "api_keys" => {
                    import_account(&mut round, kind, row)
                }
                "templates" | "template_folders" => import_template(&mut round, kind, row),
                "uploads" => import_upload(&mut round, row).await?,
                "projects" => import_project(&mut round, row),
                "jobs" => import_job(&mut round, row).await?,
                "attempts" => {
                    let attempt = key::attempt(of(row, "job_id"), row.number("number"));
                    round.put(item(&attempt, row));
                }
                "versions" => import_version(&mut round, row).await?,
                "deliveries" => import_delivery(&mut round, row).await?,
                "previews" => import_preview(&mut round, row).await?,
                name => return Err(damaged(format_args!("no rows of {name}"))),
            }
            if round.commit().await? {
                return Ok(());
            }
        }
    }
}

fn of<'row>(row: &'row Record, column: &str) -> &'row str {
    row.text(column).unwrap_or_default()
}

fn import_account(round: &mut Round<'_>, kind: &Kind, row: &Record) {
    let (tenant, id) = (of(row, "tenant_id"), of(row, "id"));
    let pointer = |key: Key, expires: Option<i64>| {
        let mut pointer = key.item();
        pointer
            .set("tenant_id", tenant)
            .set("id", id)
            .set_or_clear("expires", expires);
        pointer
    };
    match kind.name {
        "tenants" => {
            let mut tenant = item(&key::tenant(id), row);
            if let Some(at) = row.integer("deleted_at") {
                tenant
                    .set("work", removal::DELETED)
                    .set("due", format!("{}#{id}", sortable(at)));
            }
            round.put(tenant);
            round.put(key::one_of_all(id).item());
        }
        "members" => {
            let user = of(row, "user_id");
            round.put(item(&key::member(tenant, user), row));
            round.put(key::tenant_of(user, tenant).item());
        }
        "invitations" => {
            let expires = row.number("expires_at") / 1000;
            let mut invitation = item(&key::invitation(tenant, id), row);
            invitation.set("expires", expires);
            round.put(invitation);
            round.put(pointer(key::invitation_of(of(row, "hash")), Some(expires)));
        }
        _ => {
            round.put(item(&key::api_key(tenant, id), row));
            round.put(pointer(key::api_key_of(of(row, "hash")), None));
        }
    }
}

fn import_template(round: &mut Round<'_>, kind: &Kind, row: &Record) {
    if kind.name == "template_folders" {
        let folder = of(row, "folder");
        let mut item = item(&key::template_folder(folder), row);
        item.set("work", templates::FOLDERS).set("due", folder);
        round.put(item);
        return;
    }
    let id = of(row, "id");
    let mut item = item(&key::template(id), row);
    if row.has("deleted_at") {
        item.set("work", templates::DELETED).set("due", id);
    }
    round.put(item);
    round.put(key::owned(of(row, "tenant_id"), "TEMPLATE", id).item());
}

async fn import_upload(round: &mut Round<'_>, row: &Record) -> StoreResult<()> {
    let id = of(row, "id");
    let mut item = item(&key::upload(id), row);
    let due = format!("{}#{id}", sortable(row.number("created_at")));
    item.set("work", uploads::UPLOADS).set("due", due);
    round.put(item);
    round.put(key::owned(of(row, "tenant_id"), "UPLOAD", id).item());
    let places = key::upload_places();
    let mut places = round.get(&places).await?.unwrap_or_else(|| places.item());
    places.add("bytes", row.number("size_bytes"));
    round.put(places);
    Ok(())
}

fn import_project(round: &mut Round<'_>, row: &Record) {
    let id = of(row, "id");
    let mut project = item(&key::project(id), row);
    project.set("newest_version", 0);
    place_project(&mut project);
    round.put(project);
    let mut slug = key::slug(of(row, "slug")).item();
    slug.set("project_id", id);
    round.put(slug);
    round.put(key::owned(of(row, "tenant_id"), "PROJECT", id).item());
}

async fn import_job(round: &mut Round<'_>, row: &Record) -> StoreResult<()> {
    let id = of(row, "id");
    let mut item = item(&key::job(id), row);
    job::complete(&mut item);
    job::place(&mut item);
    round.put(key::owned(of(row, "tenant_id"), "JOB", id).item());
    if let Some(project_id) = row.text("project_id") {
        round.put(key::job_of_project(project_id, id).item());
        if is_open(&item)
            && let Some(mut project) = round.get(&key::project(project_id)).await?
        {
            let column = match stands_in_line(&item) {
                true => LINE,
                false => OTHERS,
            };
            add_in_order(&mut project, column, id);
            round.put(project);
        }
    }
    round.put(item);
    Ok(())
}

async fn import_version(round: &mut Round<'_>, row: &Record) -> StoreResult<()> {
    let (project_id, number) = (of(row, "project_id"), row.number("number"));
    round.put(item(&key::version(project_id, number), row));
    if let Some(mut project) = round.get(&key::project(project_id)).await? {
        let newest = project.number("newest_version").max(number);
        project.set("newest_version", newest);
        place_project(&mut project);
        round.put(project);
    }
    // The job may be gone.
    if let Some(mut job) = round.get(&key::job(of(row, "job_id"))).await? {
        job.set("version", number);
        round.put(job);
    }
    Ok(())
}

async fn import_delivery(round: &mut Round<'_>, row: &Record) -> StoreResult<()> {
    let (project_id, id) = (of(row, "project_id"), of(row, "id"));
    round.put(item(&key::delivery(project_id, id), row));
    let place = key::place(of(row, "place"));
    let mut target = round.get(&place).await?.unwrap_or_else(|| place.item());
    target.set("project_id", project_id);
    if row.is("state", "pending") {
        target.set("pending", id);
    }
    round.put(target);
    if let Some(mut job) = round.get(&key::job(of(row, "job_id"))).await? {
        job.set("delivery_id", id);
        round.put(job);
    }
    Ok(())
}

async fn import_preview(round: &mut Round<'_>, row: &Record) -> StoreResult<()> {
    let (id, created) = (of(row, "id"), row.number("created_at"));
    let mut item = item(&key::preview(id), row);
    preview::place(&mut item);
    round.put(item);
    let mut label = key::label(of(row, "label")).item();
    label.set("preview_id", id);
    round.put(label);
    let listed = preview::listed(created, id);
    round.put(key::owned(of(row, "tenant_id"), "PREVIEW", &listed).item());
    let pointer = key::preview_of(of(row, "project_id"), row.number("version"));
    let mut pointer = round.get(&pointer).await?.unwrap_or_else(|| pointer.item());
    // The newest one of its version.
    if pointer.integer("created_at").is_none_or(|at| at <= created) {
        pointer.set("preview_id", id).set("created_at", created);
        round.put(pointer);
    }
    if !row.has("gone_at") {
        let (places, mut taken) = preview::taken(round).await?;
        taken.insert(id.to_owned(), row.number("expires_at"));
        preview::put_taken(round, places, &taken)?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl Moving for DynamoStore {
    async fn export(&self, place: &str) -> StoreResult<Exported> {
        let start = place
            .split_once('\n')
            .map(|(partition, sort)| -> Attributes {
                HashMap::from([
                    ("pk".to_owned(), text(partition)),
                    ("sk".to_owned(), text(sort)),
                ])
            });
        let answer = self
            .table
            .client
            .scan()
            .table_name(&self.table.name)
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failed(error, "read all items"))?;
        let mut exported = Exported::default();
        for item in answer.items.unwrap_or_default() {
            exported.rows.extend(rows(record(item)?)?);
        }
        exported.next = answer.last_evaluated_key.map(|key| {
            let part = |name| match key.get(name) {
                Some(AttributeValue::S(text)) => text.clone(),
                _ => String::new(),
            };
            format!("{}\n{}", part("pk"), part("sk"))
        });
        Ok(exported)
    }

    async fn import(&self, kind: &'static Kind, rows: &[Record]) -> StoreResult<()> {
        if kind.name == "events" {
            let mut rest = rows;
            while let Some(first) = rest.first() {
                // Those of one job that come one after the other go together.
                let job_id = of(first, "job_id");
                let same = rest
                    .iter()
                    .take_while(|row| row.is("job_id", job_id))
                    .count();
                let (events, others) = rest.split_at(same);
                for item in stream::items(job_id, events)? {
                    let mut round = self.table.rounds().next().await?;
                    round.put(item);
                    if !round.commit().await? {
                        return Err(damaged(format_args!("events of job {job_id} already")));
                    }
                }
                rest = others;
            }
            return Ok(());
        }
        for row in rows {
            self.import_row(kind, row).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_pointers_are_no_rows() {
        let name = |key: Key| kind_of(&key.item()).map(|kind| kind.name);
        assert_eq!(name(key::job("1")), Some("jobs"));
        assert_eq!(name(key::events("1", 5)), Some("events"));
        assert_eq!(name(key::version("1", 5)), Some("versions"));
        assert_eq!(name(key::member("1", "2")), Some("members"));
        for key in [
            key::job_of_project("1", "2"),
            key::owned("1", "JOB", "2"),
            key::owned("1", "PREVIEW", "5#2"),
            key::preview_of("1", 5),
            key::tenant_of("1", "2"),
            key::one_of_all("1"),
            key::api_key_of("1"),
            key::slug("a"),
            key::place("a"),
            key::turn("1"),
            key::ticket("1"),
            key::duty("a"),
            key::preview_places(),
        ] {
            assert_eq!(name(key.clone()), None, "{key:?}");
        }
    }

    #[test]
    fn a_line_is_in_the_order_of_its_ids() {
        let mut project = Record::default();
        for id in ["b", "c", "a"] {
            add_in_order(&mut project, LINE, id);
        }
        assert_eq!(job::ids(&project, LINE), ["a", "b", "c"]);
    }
}
