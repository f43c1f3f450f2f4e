//! A job as the database holds it.

use app_gen_contract::JobState;
use sqlx::Row as _;
use sqlx::any::AnyRow;

/// The columns that this version knows, for `SELECT` and `RETURNING`. A newer version may have added
/// others, of types that `sqlx::Any` cannot read.
macro_rules! job_columns {
    () => {
        "id, description, provider, state, reason, launcher, task, task_handle, launch_attempt, \
         created_at, started_at, finished_at, last_sequence, generator_sequence, event_bytes, \
         reading_deaths, log_position, outcome, outcome_text, stop_state, stop_reason, \
         artifact_name, artifact_size_bytes, artifact_sha256, artifact_e_tag"
    };
}
pub(super) use job_columns;

/// A job as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Job {
    /// UUID version 7: ids sort by age.
    pub id: String,
    /// Description of the application.
    pub description: String,
    /// Provider that makes the application.
    pub provider: String,
    /// State. One that only a newer version knows counts as `running`, or as `failed` once the job has
    /// ended.
    pub state: JobState,
    /// The state as it is stored.
    pub state_name: String,
    /// Why it ended in this state.
    pub reason: Option<String>,
    /// `process` or `ecs`.
    pub launcher: String,
    /// Name of the task for people.
    pub task: Option<String>,
    /// Handle by which the launcher finds the task.
    pub task_handle: Option<String>,
    /// Number of the last attempt to start a task; 0 before the first.
    pub launch_attempt: i64,
    /// When it was accepted.
    pub created_at: i64,
    /// When an orchestrator claimed it.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// Last number of the job's stream.
    pub last_sequence: i64,
    /// Last number of the generator's own stream.
    pub generator_sequence: i64,
    /// Bytes of the bodies of the generator's events.
    pub event_bytes: i64,
    /// How many orchestrators in a row died while they took lines of the generator's log.
    pub reading_deaths: i64,
    /// Where in the generator's log the next line begins.
    pub log_position: Option<String>,
    /// Content of the generator's last event.
    pub outcome: Option<crate::database::Outcome>,
    /// Once set, the task is being stopped, and the job ends in this way.
    pub stop: Option<Stop>,
    /// The result.
    pub artifact: Option<Artifact>,
}

/// How a job ends whose task is being stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// A terminal state.
    pub state: JobState,
    /// Why.
    pub reason: String,
}

/// A result in the job's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name there.
    pub name: String,
    /// Its size.
    pub size_bytes: i64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The store's mark of the object whose bytes were found to have this SHA-256.
    pub e_tag: Option<String>,
}

impl<'row> sqlx::FromRow<'row, AnyRow> for Job {
    fn from_row(row: &'row AnyRow) -> sqlx::Result<Self> {
        let artifact = match row.try_get::<Option<String>, _>("artifact_name")? {
            Some(name) => Some(Artifact {
                name,
                size_bytes: row.try_get("artifact_size_bytes")?,
                sha256: row.try_get("artifact_sha256")?,
                e_tag: row.try_get("artifact_e_tag")?,
            }),
            None => None,
        };
        let stop = match row.try_get::<Option<String>, _>("stop_state")? {
            Some(state) => Some(Stop {
                state: state.parse().unwrap_or(JobState::Failed),
                reason: text_or_empty(row, "stop_reason")?,
            }),
            None => None,
        };
        let outcome = match row.try_get::<Option<String>, _>("outcome")?.as_deref() {
            None => None,
            Some("succeeded") => Some(crate::database::Outcome::Succeeded),
            Some(_) => Some(crate::database::Outcome::Failed {
                reason: text_or_empty(row, "outcome_text")?,
            }),
        };
        let state_name: String = row.try_get("state")?;
        let finished_at: Option<i64> = row.try_get("finished_at")?;
        let state = state_name.parse().unwrap_or(match finished_at {
            None => JobState::Running,
            Some(_) => JobState::Failed,
        });
        Ok(Self {
            id: row.try_get("id")?,
            description: row.try_get("description")?,
            provider: row.try_get("provider")?,
            state,
            state_name,
            reason: row.try_get("reason")?,
            launcher: row.try_get("launcher")?,
            task: row.try_get("task")?,
            task_handle: row.try_get("task_handle")?,
            launch_attempt: row.try_get("launch_attempt")?,
            created_at: row.try_get("created_at")?,
            started_at: row.try_get("started_at")?,
            finished_at,
            last_sequence: row.try_get("last_sequence")?,
            generator_sequence: row.try_get("generator_sequence")?,
            event_bytes: row.try_get("event_bytes")?,
            reading_deaths: row.try_get("reading_deaths")?,
            log_position: row.try_get("log_position")?,
            outcome,
            stop,
            artifact,
        })
    }
}

fn text_or_empty(row: &AnyRow, column: &str) -> sqlx::Result<String> {
    Ok(row
        .try_get::<Option<String>, _>(column)?
        .unwrap_or_default())
}
