//! Jobs that are accepted: each goes into the queue with its project.

use app_gen_contract::JobState;
use sqlx::{Any, Transaction};

use crate::database::events::{self, state_event};
use crate::database::{
    Admission, Answered, JobKind, NewProject, Wishes, changed, limits, projects,
};
use crate::limits::LimitReached;

/// The project of a job to be accepted.
#[derive(Debug, Clone)]
pub enum JobProject {
    /// A new one, whose first version the job makes.
    New(NewProject),
    /// One that exists, by its id. `start_version` is the version to begin with; without it, that is the
    /// newest one once the job starts.
    Existing {
        /// UUID.
        id: String,
        /// Any but `create`.
        kind: JobKind,
        /// Known to exist.
        start_version: Option<i64>,
    },
}

/// A job to be accepted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// UUID version 7.
    pub id: String,
    /// The tenant that it belongs to, as its project does.
    pub tenant: String,
    /// Its project.
    pub project: JobProject,
    /// Already checked.
    pub description: String,
    /// Already checked.
    pub provider: String,
    /// The launcher that will start it.
    pub launcher: &'static str,
    /// Already checked.
    pub wishes: Wishes,
}

/// What became of a job to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the queue.
    Queued,
    /// As many jobs of its tenant wait as may.
    QueueFull,
    /// Its project is gone, or was put aside.
    NoProject,
    /// A limit of its tenant is reached.
    Limit(LimitReached),
    /// A request with the same key was answered before.
    Answered(Answered),
}

/// Keeps a project from being deleted or put aside until the end of the transaction; `false` if it was. Whoever
/// deletes it waits, and sees then what was added.
pub(super) async fn hold_project(
    transaction: &mut Transaction<'_, Any>,
    tenant: &str,
    id: &str,
) -> sqlx::Result<bool> {
    let result = sqlx::query(
        "UPDATE projects SET name = name \
         WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL AND archived_at IS NULL",
    )
    .bind(id)
    .bind(tenant)
    .execute(&mut **transaction)
    .await?;
    Ok(changed(&result))
}

/// Puts a job into the queue, with its project if that is new, unless too many wait there or a limit of its tenant is
/// reached.
pub(super) async fn insert(
    transaction: &mut Transaction<'_, Any>,
    job: &NewJob,
    admission: &Admission<'_>,
    now: i64,
) -> sqlx::Result<Accepted> {
    let wishes =
        serde_json::to_string(&job.wishes).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let (project_id, kind, start_version) = match &job.project {
        JobProject::New(project) => {
            projects::insert(transaction, project, &job.tenant, now).await?;
            (&project.id, JobKind::Create, None)
        }
        JobProject::Existing {
            id,
            kind,
            start_version,
        } => {
            if !hold_project(transaction, &job.tenant, id).await? {
                return Ok(Accepted::NoProject);
            }
            (id, *kind, *start_version)
        }
    };
    let admitted = limits::admit(transaction, &job.tenant, kind, admission.usual, now);
    if let Some(reached) = admitted.await? {
        return Ok(Accepted::Limit(reached));
    }
    let result = sqlx::query(
        "INSERT INTO jobs (id, description, provider, state, launcher, created_at, last_sequence, \
         wishes, project_id, kind, start_version, tenant_id) \
         SELECT $1, $2, $3, $4, $5, $6, 1, $8, $9, $10, $11, $12 \
         WHERE (SELECT COUNT(*) FROM jobs WHERE state = $4 AND tenant_id = $12) < $7",
    )
    .bind(&job.id)
    .bind(&job.description)
    .bind(&job.provider)
    .bind(JobState::Queued.as_str())
    .bind(job.launcher)
    .bind(now)
    .bind(i64::from(admission.queue))
    .bind(wishes)
    .bind(project_id)
    .bind(kind.as_str())
    .bind(start_version)
    .bind(&job.tenant)
    .execute(&mut **transaction)
    .await?;
    if !changed(&result) {
        return Ok(Accepted::QueueFull);
    }
    let event = state_event(1, now, JobState::Queued, None);
    events::insert(transaction, &job.id, &event, None).await?;
    Ok(Accepted::Queued)
}
