//! Jobs that are accepted: each goes into the queue with its project.

use anyhow::anyhow;
use app_gen_contract::JobState;

use crate::database::record::Record;
use crate::database::{Accepted, JobKind, JobProject, NewJob, NewProject};
use crate::stores::dynamodb::job::{OPEN_JOBS, add_id, complete, place, stands_in_line};
use crate::stores::dynamodb::projects::{LINE, OTHERS, is_usable, place_project};
use crate::stores::dynamodb::round::Round;
use crate::stores::dynamodb::{DynamoStore, LOOK, key, stream};
use crate::stores::error::{StoreError, StoreResult};

impl DynamoStore {
    /// Whether `queue` jobs wait already. As many more may be accepted as come in the same moment.
    pub(super) async fn is_queue_full(&self, queue: u32) -> StoreResult<bool> {
        let open = self.table.work(OPEN_JOBS, LOOK).await?;
        let queued = open.iter().filter(|job| job.is("state", "queued")).count();
        Ok(queued >= usize::try_from(queue).unwrap_or(usize::MAX))
    }
}

/// Puts a job into the queue, with its project if that is new; `delivery` is what it makes, if it makes one.
pub(super) async fn accept(
    round: &mut Round<'_>,
    job: &NewJob,
    delivery: Option<&str>,
    now: i64,
) -> StoreResult<Accepted> {
    let (mut project, kind, start_version) = match &job.project {
        JobProject::New(project) => {
            let slug = key::slug(&project.slug);
            if round.get(&slug).await?.is_some() {
                let slug = &project.slug;
                return Err(StoreError::Failed(anyhow!(
                    "another project has the slug {slug}"
                )));
            }
            let mut taken = slug.item();
            taken.set("project_id", &project.id);
            round.put(taken);
            round.put(key::owned(&job.tenant, "PROJECT", &project.id).item());
            (
                new_project(project, &job.tenant, now),
                JobKind::Create,
                None,
            )
        }
        JobProject::Existing {
            id,
            kind,
            start_version,
        } => match round.get(&key::project(id)).await? {
            Some(project) if is_usable(&project, &job.tenant) => (project, *kind, *start_version),
            _ => return Ok(Accepted::NoProject),
        },
    };
    let project_id = project.text("id").unwrap_or_default().to_owned();
    let wishes =
        serde_json::to_string(&job.wishes).map_err(|error| StoreError::Failed(error.into()))?;
    let mut item = key::job(&job.id).item();
    item.set("id", &job.id)
        .set("tenant_id", &job.tenant)
        .set("project_id", &project_id)
        .set("kind", kind.as_str())
        .set_or_clear("start_version", start_version)
        .set("description", &job.description)
        .set("provider", &job.provider)
        .set("launcher", job.launcher)
        .set("created_at", now)
        .set("wishes", wishes)
        .set_or_clear("delivery_id", delivery);
    complete(&mut item);
    stream::tell_state(round, &mut item, now, JobState::Queued, None)?;
    place(&mut item);
    let column = match stands_in_line(&item) {
        true => LINE,
        false => OTHERS,
    };
    add_id(&mut project, column, &job.id);
    round.put(item);
    round.put(project);
    round.put(key::job_of_project(&project_id, &job.id).item());
    round.put(key::owned(&job.tenant, "JOB", &job.id).item());
    Ok(Accepted::Queued)
}

fn new_project(project: &NewProject, tenant: &str, now: i64) -> Record {
    let mut item = key::project(&project.id).item();
    item.set("id", &project.id)
        .set("name", &project.name)
        .set("slug", &project.slug)
        .set("searched_name", project.name.to_lowercase())
        .set("tenant_id", tenant)
        .set("created_at", now)
        .set("newest_version", 0)
        .set("used_micro_usd", 0)
        .set("used_task_micro_usd", 0);
    place_project(&mut item);
    item
}
