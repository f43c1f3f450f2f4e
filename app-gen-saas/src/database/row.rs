//! A job as the database holds it.

use std::collections::{BTreeMap, BTreeSet};

use app_gen_contract::{
    ApprovalPoint, Attachment, Budget, CheckpointId, Choice, Decided, Fallback, JobState, Origin,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::database::record::{Columns, FromColumns};
use crate::database::{JobKind, Outcome, Pause};

/// The columns that this version knows, for `SELECT` and `RETURNING`. A newer version may have added
/// others, of types that `sqlx::Any` cannot read.
macro_rules! job_columns {
    () => {
        "id, description, provider, state, reason, launcher, task, task_handle, launch_attempt, \
         created_at, started_at, finished_at, last_sequence, generator_sequence, event_bytes, \
         reading_deaths, log_position, outcome, outcome_text, stop_state, stop_reason, \
         artifact_name, artifact_size_bytes, artifact_sha256, artifact_e_tag, attempt, \
         attempt_after_sequence, attempt_after_launch, attempt_started_at, interruptions, waiting, \
         resume_at, decision, checkpoint, wishes, used_micro_usd, used_tokens, used_unpriced_tokens, \
         used_iterations, used_millis, used_task_micro_usd, task_micro_usd_per_hour, resources, \
         project_id, kind, start_version, artifact_commit, tenant_id"
    };
}
pub(super) use job_columns;

/// A job as the database holds it. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Job {
    /// UUID version 7: ids sort by age.
    pub id: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// Its project. Jobs from before there were projects have none.
    pub project_id: Option<String>,
    /// What it does.
    pub kind: JobKind,
    /// The version that it begins with; of a change, only once it has started, unless somebody chose one.
    pub start_version: Option<i64>,
    /// Description of the application, or of the change.
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
    /// Number of the last try to start a task, whatever the attempt; 0 before the first.
    pub launch_attempt: i64,
    /// When it was accepted.
    pub created_at: i64,
    /// When an orchestrator claimed it for the first time.
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
    /// Content of the present attempt's last event.
    pub outcome: Option<Outcome>,
    /// Once set, the task is being stopped, and the job ends in this way.
    pub stop: Option<Stop>,
    /// The result.
    pub artifact: Option<Artifact>,
    /// Number of the present attempt, from 1. While the job waits, of the one that asked for that.
    pub attempt: u32,
    /// `generator_sequence` as it was before the present attempt.
    pub attempt_after_sequence: i64,
    /// `launch_attempt` as it was before the present attempt.
    pub attempt_after_launch: i64,
    /// When an orchestrator claimed the present attempt.
    pub attempt_started_at: Option<i64>,
    /// How many attempts were interrupted in a row, the last of which alone may have written a checkpoint.
    pub interruptions: i64,
    /// What the job waits for.
    pub waiting: Option<Pause>,
    /// When it goes on by itself.
    pub resume_at: Option<i64>,
    /// What a person decided last. Each attempt is told it: nothing says that the one before took it up.
    pub decision: Option<Decided>,
    /// What an hour of the present attempt's task costs, in millionths of a US dollar, where that is known.
    pub task_micro_usd_per_hour: Option<i64>,
    /// What the present attempt took of its task so far.
    pub resources: Option<Resources>,
    /// The last checkpoint: the next attempt goes on from there.
    pub checkpoint: Option<CheckpointId>,
    /// What it was submitted with.
    pub wishes: Wishes,
    /// What its attempts used so far.
    pub used: Used,
}

/// What a job is submitted with beside its description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// The model of every role that chooses none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who goes on for every role that chooses nobody, when a limit of its provider is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// What is chosen for single roles, by the role's name.
    #[serde(default)]
    pub roles: BTreeMap<String, Choice>,
    /// How much all attempts together may use.
    pub budget: Budget,
    /// Where a person wants to decide.
    pub approvals: BTreeSet<ApprovalPoint>,
    /// Files that the person attached. Their bytes are in the job's folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The template that a new application begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<BeganWith>,
    /// The request that it was submitted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The template that a job begins with, as it was when the job was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeganWith {
    /// UUID, or the name of a built-in one.
    pub id: String,
    /// For people.
    pub name: String,
    /// The commit that the job begins with, whose history is in the job's folder; a built-in one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Wishes {
    /// The commit of the template that the job begins with, if that is one that somebody made.
    #[must_use]
    pub fn start_commit(&self) -> Option<&str> {
        self.template.as_ref()?.commit.as_deref()
    }
}

/// What attempts used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Millionths of a US dollar, as far as prices are known.
    pub micro_usd: i64,
    /// Tokens of all kinds.
    pub tokens: i64,
    /// Those of them for whose model no price is known.
    pub unpriced_tokens: i64,
    /// Iterations that ended with a commit.
    pub iterations: i64,
    /// Milliseconds of attempts that have ended.
    pub millis: i64,
    /// Millionths of a US dollar that the tasks of attempts cost that have ended, as far as prices are known.
    pub task_micro_usd: i64,
}

/// What an attempt took of its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// The most memory that its processes held at once.
    pub peak_memory_bytes: u64,
    /// The most that it had on its disk.
    pub peak_disk_bytes: u64,
    /// Time of all processors.
    pub processor_milliseconds: u64,
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
    /// The commit whose files it has, if its history is kept, too.
    pub commit: Option<String>,
}

impl Job {
    /// Whether it has what a job of its kind succeeds with, as far as its row says. What a delivery came to is
    /// in the row of that.
    #[must_use]
    pub const fn has_result(&self) -> bool {
        self.artifact.is_some() || matches!(self.kind, JobKind::Deliver)
    }

    /// Whether the present attempt has kept work that the next one goes on from.
    #[must_use]
    pub fn advanced(&self) -> bool {
        let attempt = self.checkpoint.map(|checkpoint| checkpoint.attempt);
        attempt == Some(self.attempt)
    }
}

impl FromColumns for Job {
    fn from_columns(row: &impl Columns) -> sqlx::Result<Self> {
        let artifact = match row.try_get::<Option<String>, _>("artifact_name")? {
            Some(name) => Some(Artifact {
                name,
                size_bytes: row.try_get("artifact_size_bytes")?,
                sha256: row.try_get("artifact_sha256")?,
                e_tag: row.try_get("artifact_e_tag")?,
                commit: row.try_get("artifact_commit")?,
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
            Some("succeeded") => Some(Outcome::Succeeded),
            Some("failed") => Some(Outcome::Failed {
                reason: text_or_empty(row, "outcome_text")?,
            }),
            Some(ending) => Some(match json(row, "outcome_text")? {
                Some(pause) => Outcome::Paused(pause),
                // Only a newer version knows this ending.
                None => Outcome::Failed {
                    reason: format!("the generator ended with {ending}"),
                },
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
            tenant: row.try_get("tenant_id")?,
            project_id: row.try_get("project_id")?,
            kind: JobKind::of(row.try_get("kind")?),
            start_version: row.try_get("start_version")?,
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
            attempt: u32::try_from(row.try_get::<i64, _>("attempt")?).unwrap_or(u32::MAX),
            attempt_after_sequence: row.try_get("attempt_after_sequence")?,
            attempt_after_launch: row.try_get("attempt_after_launch")?,
            attempt_started_at: row.try_get("attempt_started_at")?,
            interruptions: row.try_get("interruptions")?,
            waiting: json(row, "waiting")?,
            resume_at: row.try_get("resume_at")?,
            decision: json(row, "decision")?,
            checkpoint: json(row, "checkpoint")?,
            task_micro_usd_per_hour: row.try_get("task_micro_usd_per_hour")?,
            resources: json(row, "resources")?,
            wishes: json(row, "wishes")?.unwrap_or_default(),
            used: Used {
                micro_usd: row.try_get("used_micro_usd")?,
                tokens: row.try_get("used_tokens")?,
                unpriced_tokens: row.try_get("used_unpriced_tokens")?,
                iterations: row.try_get("used_iterations")?,
                millis: row.try_get("used_millis")?,
                task_micro_usd: row.try_get("used_task_micro_usd")?,
            },
        })
    }
}

fn text_or_empty(row: &impl Columns, column: &str) -> sqlx::Result<String> {
    Ok(row
        .try_get::<Option<String>, _>(column)?
        .unwrap_or_default())
}

/// What a column holds as JSON; nothing if it holds what only a newer version reads.
pub(super) fn json<T: DeserializeOwned>(
    row: &impl Columns,
    column: &str,
) -> sqlx::Result<Option<T>> {
    Ok(row
        .try_get::<Option<String>, _>(column)?
        .and_then(|text| serde_json::from_str(&text).ok()))
}
