//! Keys of items: what is where in the table. `docs/stores.md` has the whole list.

use crate::database::record::Record;

/// Names one item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// What belongs together.
    pub(super) partition: String,
    /// What it is, in the order of lists.
    pub(super) sort: String,
}

impl Key {
    pub(super) fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self {
            partition: partition.into(),
            sort: sort.into(),
        }
    }

    /// The key of an item that was read.
    pub(super) fn of(record: &Record) -> Self {
        let text = |column| record.text(column).unwrap_or_default();
        Self::new(text("pk"), text("sk"))
    }

    /// A new item with this key.
    pub(super) fn item(&self) -> Record {
        let mut record = Record::default();
        record.set("pk", &self.partition).set("sk", &self.sort);
        record
    }
}

/// The last part of a list's key: the id of what it names.
pub(super) fn named(record: &Record) -> &str {
    let sort = record.text("sk").unwrap_or_default();
    sort.rsplit('#').next().unwrap_or_default()
}

/// A time in the order of texts.
pub(super) fn sortable(millis: i64) -> String {
    format!("{:016}", millis.max(0))
}

pub(super) fn job_partition(id: &str) -> String {
    format!("JOB#{id}")
}

pub(super) fn job(id: &str) -> Key {
    Key::new(job_partition(id), "JOB")
}

pub(super) fn attempt(job_id: &str, number: i64) -> Key {
    Key::new(job_partition(job_id), format!("ATTEMPT#{number:010}"))
}

/// Events that were written together, by the number of the last one: what is after a number begins there.
pub(super) fn events(job_id: &str, last: i64) -> Key {
    Key::new(job_partition(job_id), format!("EVENTS#{last:012}"))
}

pub(super) fn project_partition(id: &str) -> String {
    format!("PROJECT#{id}")
}

pub(super) fn project(id: &str) -> Key {
    Key::new(project_partition(id), "PROJECT")
}

pub(super) fn version(project_id: &str, number: i64) -> Key {
    Key::new(
        project_partition(project_id),
        format!("VERSION#{number:010}"),
    )
}

pub(super) fn delivery(project_id: &str, id: &str) -> Key {
    Key::new(project_partition(project_id), format!("DELIVERY#{id}"))
}

/// Which job belongs to a project.
pub(super) fn job_of_project(project_id: &str, id: &str) -> Key {
    Key::new(project_partition(project_id), format!("JOB#{id}"))
}

/// The newest preview of a version.
pub(super) fn preview_of(project_id: &str, version: i64) -> Key {
    Key::new(
        project_partition(project_id),
        format!("PREVIEW#{version:010}"),
    )
}

/// Keeps a project's slug from others.
pub(super) fn slug(slug: &str) -> Key {
    Key::new(format!("SLUG#{slug}"), "SLUG")
}

/// Keeps a target from other projects, and from a second delivery at a time.
pub(super) fn place(place: &str) -> Key {
    Key::new(format!("PLACE#{place}"), "PLACE")
}

pub(super) fn preview(id: &str) -> Key {
    Key::new(format!("PREVIEW#{id}"), "PREVIEW")
}

pub(super) fn label(label: &str) -> Key {
    Key::new(format!("LABEL#{label}"), "LABEL")
}

/// What previews take of the places that there are.
pub(super) fn preview_places() -> Key {
    Key::new("PLACES", "PREVIEWS")
}

pub(super) fn template(id: &str) -> Key {
    Key::new(format!("TEMPLATE#{id}"), "TEMPLATE")
}

pub(super) fn template_folder(folder: &str) -> Key {
    Key::new(format!("FOLDER#{folder}"), "FOLDER")
}

pub(super) fn upload(id: &str) -> Key {
    Key::new(format!("UPLOAD#{id}"), "UPLOAD")
}

/// What uploads take of the bytes that they may have.
pub(super) fn upload_places() -> Key {
    Key::new("PLACES", "UPLOADS")
}

pub(super) fn tenant_partition(id: &str) -> String {
    format!("TENANT#{id}")
}

pub(super) fn tenant(id: &str) -> Key {
    Key::new(tenant_partition(id), "TENANT")
}

/// What a tenant has: `JOB`, `PROJECT`, `TEMPLATE`, `UPLOAD` or `PREVIEW`.
pub(super) fn owned(tenant: &str, kind: &str, id: &str) -> Key {
    Key::new(tenant_partition(tenant), format!("{kind}#{id}"))
}

/// Whoever counts what a tenant has before more is added takes a turn.
pub(super) fn turn(tenant: &str) -> Key {
    Key::new(tenant_partition(tenant), "TURN")
}

pub(super) fn member(tenant: &str, user_id: &str) -> Key {
    Key::new(tenant_partition(tenant), format!("MEMBER#{user_id}"))
}

pub(super) fn user_partition(user_id: &str) -> String {
    format!("USER#{user_id}")
}

/// Which tenant a user is in.
pub(super) fn tenant_of(user_id: &str, tenant: &str) -> Key {
    Key::new(user_partition(user_id), format!("TENANT#{tenant}"))
}

/// One of all tenants.
pub(super) fn one_of_all(tenant: &str) -> Key {
    Key::new("TENANTS", format!("TENANT#{tenant}"))
}

pub(super) fn invitation(tenant: &str, id: &str) -> Key {
    Key::new(tenant_partition(tenant), format!("INVITATION#{id}"))
}

pub(super) fn invitation_of(hash: &str) -> Key {
    Key::new(format!("HASH#{hash}"), "INVITATION")
}

pub(super) fn api_key(tenant: &str, id: &str) -> Key {
    Key::new(tenant_partition(tenant), format!("KEY#{id}"))
}

pub(super) fn api_key_of(hash: &str) -> Key {
    Key::new(format!("HASH#{hash}"), "KEY")
}

pub(super) fn ticket(hash: &str) -> Key {
    Key::new(format!("HASH#{hash}"), "TICKET")
}

pub(super) fn duty(name: &str) -> Key {
    Key::new(format!("DUTY#{name}"), "DUTY")
}
