//! A job as the database holds it.

use app_gen_contract::JobState;
use sqlx::Row as _;
use sqlx::any::AnyRow;

/// A job as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Job {
    /// UUID version 7: ids sort by age.
    pub id: String,
    /// Description of the application.
    pub description: String,
    /// Provider that makes the application.
    pub provider: String,
    /// State.
    pub state: JobState,
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
}

impl<'row> sqlx::FromRow<'row, AnyRow> for Job {
    fn from_row(row: &'row AnyRow) -> sqlx::Result<Self> {
        let artifact = match row.try_get::<Option<String>, _>("artifact_name")? {
            Some(name) => Some(Artifact {
                name,
                size_bytes: row.try_get("artifact_size_bytes")?,
                sha256: row.try_get("artifact_sha256")?,
            }),
            None => None,
        };
        let stop = match row.try_get::<Option<String>, _>("stop_state")? {
            Some(state) => Some(Stop {
                state: job_state("stop_state", &state)?,
                reason: row.try_get("stop_reason")?,
            }),
            None => None,
        };
        let outcome = match row.try_get::<Option<String>, _>("outcome")?.as_deref() {
            None => None,
            Some("succeeded") => Some(crate::database::Outcome::Succeeded),
            Some(_) => Some(crate::database::Outcome::Failed {
                reason: row.try_get("outcome_text")?,
            }),
        };
        Ok(Self {
            id: row.try_get("id")?,
            description: row.try_get("description")?,
            provider: row.try_get("provider")?,
            state: job_state("state", row.try_get("state")?)?,
            reason: row.try_get("reason")?,
            launcher: row.try_get("launcher")?,
            task: row.try_get("task")?,
            task_handle: row.try_get("task_handle")?,
            launch_attempt: row.try_get("launch_attempt")?,
            created_at: row.try_get("created_at")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
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

fn job_state(column: &str, text: &str) -> sqlx::Result<JobState> {
    text.parse().map_err(
        |error: app_gen_contract::UnknownJobState| sqlx::Error::ColumnDecode {
            index: column.to_owned(),
            source: Box::new(error),
        },
    )
}
