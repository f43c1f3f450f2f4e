//! A job's item: what the columns of its row are in SQL, and what somebody has to look after.

use crate::database::Lease;
use crate::database::record::{Record, Value};
use crate::stores::dynamodb::key::sortable;

/// In the index: jobs that have not ended, by their ids.
pub(super) const OPEN_JOBS: &str = "JOBS";
/// In the index: jobs that have ended, the earliest first.
pub(super) const ENDED_JOBS: &str = "ENDED_JOBS";

/// Columns that hold something from the beginning. Items from before a column was added are read with it.
const DEFAULTS: [(&str, i64); 16] = [
    ("launch_attempt", 0),
    ("last_sequence", 0),
    ("generator_sequence", 0),
    ("event_bytes", 0),
    ("reading_deaths", 0),
    ("lease_expires_at", 0),
    ("attempt", 1),
    ("attempt_after_sequence", 0),
    ("attempt_after_launch", 0),
    ("interruptions", 0),
    ("used_micro_usd", 0),
    ("used_tokens", 0),
    ("used_unpriced_tokens", 0),
    ("used_iterations", 0),
    ("used_millis", 0),
    ("used_task_micro_usd", 0),
];

/// Fills in what an item from before does not have.
pub(super) fn complete(job: &mut Record) {
    for (column, value) in DEFAULTS {
        let column = job.0.entry(column.to_owned());
        column.or_insert(Value::Integer(value));
    }
}

/// Has the index say what is to be done about it.
pub(super) fn place(job: &mut Record) {
    let id = job.text("id").unwrap_or_default().to_owned();
    match job.integer("finished_at") {
        None => job.set("work", OPEN_JOBS).set("due", id),
        Some(millis) => {
            let due = format!("{}#{id}", sortable(millis));
            job.set("work", ENDED_JOBS).set("due", due)
        }
    };
}

/// Whether it has not ended.
pub(super) fn is_open(job: &Record) -> bool {
    !job.has("finished_at")
}

/// Whether it has not ended, and this owner follows it.
pub(super) fn is_own(job: &Record, lease: &Lease) -> bool {
    is_open(job) && job.is("owner", &lease.owner)
}

/// Whether it waits for others of its project, and they for it. A delivery changes no version.
pub(super) fn stands_in_line(job: &Record) -> bool {
    !job.is("kind", "deliver")
}

/// When its present attempt began.
pub(super) fn attempt_began(job: &Record) -> Option<i64> {
    job.integer("attempt_started_at")
        .or_else(|| job.integer("started_at"))
}

/// Adds the time of the attempt that ends now, and what its task cost.
pub(super) fn count_attempt(job: &mut Record, now: i64) {
    let millis = now - attempt_began(job).unwrap_or(now);
    job.add("used_millis", millis);
    let price = job.number("task_micro_usd_per_hour");
    job.add(
        "used_task_micro_usd",
        price.saturating_mul(millis) / 3_600_000,
    );
}

/// Makes it that of its next attempt.
pub(super) fn begin_next_attempt(job: &mut Record) {
    job.add("attempt", 1);
    job.set("attempt_after_sequence", job.number("generator_sequence"));
    job.set("attempt_after_launch", job.number("launch_attempt"));
    job.set("reading_deaths", 0);
    for column in [
        "attempt_started_at",
        "task",
        "task_handle",
        "log_position",
        "outcome",
        "outcome_text",
        "waiting",
        "resume_at",
        "resources",
        "task_micro_usd_per_hour",
    ] {
        job.clear(column);
    }
}

/// Ids in a column, with spaces between them: in their order.
pub(super) fn ids<'record>(record: &'record Record, column: &str) -> Vec<&'record str> {
    let text = record.text(column).unwrap_or_default();
    text.split_ascii_whitespace().collect()
}

/// Adds an id to those of a column.
pub(super) fn add_id(record: &mut Record, column: &str, id: &str) {
    let mut all = ids(record, column);
    all.push(id);
    let text = all.join(" ");
    record.set(column, text);
}

/// Removes an id from those of a column.
pub(super) fn remove_id(record: &mut Record, column: &str, id: &str) {
    let mut all = ids(record, column);
    all.retain(|other| *other != id);
    let text = all.join(" ");
    match text.is_empty() {
        true => record.clear(column),
        false => record.set(column, text),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Job;
    use crate::database::record::FromColumns as _;

    #[test]
    fn an_item_of_the_first_version_is_read() {
        let mut record = Record::default();
        record.set("id", "1").set("tenant_id", "local");
        record.set("kind", "create").set("description", "A shop.");
        record.set("provider", "auto").set("state", "queued");
        record.set("launcher", "process").set("created_at", 5);
        Job::from_columns(&record).unwrap_err();
        complete(&mut record);
        let job = Job::from_columns(&record).unwrap();
        assert_eq!((job.attempt, job.created_at, job.used.millis), (1, 5, 0));
    }

    #[test]
    fn a_line_has_an_order() {
        let mut project = Record::default();
        add_id(&mut project, "line", "b");
        add_id(&mut project, "line", "a");
        assert_eq!(ids(&project, "line"), ["b", "a"]);
        remove_id(&mut project, "line", "b");
        assert_eq!(ids(&project, "line"), ["a"]);
        remove_id(&mut project, "line", "a");
        assert!(!project.has("line"));
    }

    #[test]
    fn an_attempt_is_counted_once() {
        let mut job = Record::default();
        job.set("started_at", 1_000)
            .set("attempt_started_at", 2_000);
        job.set("task_micro_usd_per_hour", 3_600_000);
        count_attempt(&mut job, 5_000);
        assert_eq!(job.number("used_millis"), 3_000);
        assert_eq!(job.number("used_task_micro_usd"), 3_000);
        begin_next_attempt(&mut job);
        assert!(!job.has("task_micro_usd_per_hour"));
    }
}
