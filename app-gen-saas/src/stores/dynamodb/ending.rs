//! The end of a job: its state and last event, the version that it made, its delivery, what its project has used,
//! and whose turn it is next.

use app_gen_contract::JobState;

use crate::database::record::Record;
use crate::database::{JobKind, NewVersion};
use crate::stores::dynamodb::error::damaged;
use crate::stores::dynamodb::job::{ids, place, remove_id, stands_in_line};
use crate::stores::dynamodb::projects::{LINE, OTHERS, place_project};
use crate::stores::dynamodb::round::Round;
use crate::stores::dynamodb::{DynamoStore, deliveries, key, stream};
use crate::stores::error::{StoreError, StoreResult};

/// How a job ends.
#[derive(Debug)]
pub(super) struct Ending<'job> {
    pub(super) state: JobState,
    pub(super) reason: Option<&'job str>,
    pub(super) version: Option<&'job NewVersion>,
}

/// The job of the same project that waited for one that has ended.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) job_id: String,
    pub(super) tenant: String,
}

/// Ends a job in this round. The result is the job that may begin after it.
pub(super) async fn end(
    store: &DynamoStore,
    round: &mut Round<'_>,
    mut job: Record,
    ending: &Ending<'_>,
    now: i64,
) -> StoreResult<Option<Next>> {
    let id = job.text("id").unwrap_or_default().to_owned();
    let tenant = job.text("tenant_id").unwrap_or_default().to_owned();
    stream::tell_state(round, &mut job, now, ending.state, ending.reason)?;
    job.set("finished_at", now);
    job.set_or_clear("reason", ending.reason);
    job.clear("owner");
    place(&mut job);
    deliveries::end(store, round, &job, ending, now).await?;
    let mut next = None;
    let project = match job.text("project_id") {
        Some(project_id) => round.get(&key::project(project_id)).await?,
        None => None,
    };
    if let Some(mut project) = project {
        if let Some(version) = ending.version {
            add_version(round, &mut project, &mut job, version, now)?;
        }
        project.add("used_micro_usd", job.number("used_micro_usd"));
        project.add("used_task_micro_usd", job.number("used_task_micro_usd"));
        let column = match stands_in_line(&job) {
            true => LINE,
            false => OTHERS,
        };
        remove_id(&mut project, column, &id);
        if stands_in_line(&job) {
            next = ids(&project, LINE).first().map(|next| Next {
                job_id: (*next).to_owned(),
                tenant: tenant.clone(),
            });
        }
        place_project(&mut project);
        round.put(project);
    } else if ending.version.is_some() {
        return Err(damaged(format_args!("job {id} without its project")));
    }
    round.put(job);
    Ok(next)
}

/// Adds the version that a job has made: its number is the project's next one.
fn add_version(
    round: &mut Round<'_>,
    project: &mut Record,
    job: &mut Record,
    version: &NewVersion,
    now: i64,
) -> StoreResult<()> {
    let checks =
        serde_json::to_string(&version.checks).map_err(|error| StoreError::Failed(error.into()))?;
    let project_id = project.text("id").unwrap_or_default().to_owned();
    let number = project.add("newest_version", 1);
    let kind = JobKind::of(job.text("kind").unwrap_or_default());
    let mut item = key::version(&project_id, number).item();
    item.set("project_id", project_id)
        .set("number", number)
        .set_or_clear("parent", job.integer("start_version"))
        .set("commit_id", &version.commit)
        .set("folder", &version.folder)
        .set("job_id", job.text("id").unwrap_or_default())
        .set("kind", kind.as_str())
        .set("description", job.text("description").unwrap_or_default())
        .set("provider", job.text("provider").unwrap_or_default())
        .set("created_at", now)
        .set("size_bytes", version.size_bytes)
        .set("sha256", &version.sha256)
        .set("checks", checks);
    round.put(item);
    // The job's list finds it here.
    job.set("version", number);
    Ok(())
}
