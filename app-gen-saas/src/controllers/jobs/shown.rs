//! Jobs as the API shows them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use app_gen_contract::{ApprovalPoint, JobState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::{now_millis, rfc3339};
use crate::controllers::attachments::JobAttachment;
use crate::controllers::templates::JobTemplate;
use crate::database::{self, JobKind, PastAttempt, Pause};
use crate::stores::StoreResult;

const MILLIS_PER_HOUR: i64 = 60 * 60 * 1000;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// UUID version 7.
    id: String,
    /// Id of its project; null for a job from before there were projects.
    #[schema(required)]
    project: Option<String>,
    /// What it does.
    kind: JobKind,
    /// Number of the version that it begins with, once that is known; null if there is none.
    #[schema(required)]
    start_version: Option<i64>,
    /// Number of the version that it has made; null if there is none.
    #[schema(required)]
    version: Option<i64>,
    /// Id of the job of the same project whose end it waits for; null unless it waits for one.
    #[schema(required)]
    waits_for: Option<String>,
    /// Description of the application, or of what is to be changed.
    description: String,
    /// Provider that makes the application.
    provider: String,
    /// Model of every role that chooses none; null if each role has its own.
    #[schema(required)]
    model: Option<String>,
    /// Who goes on for every role that chooses nobody, when a limit of its provider is reached; null if the
    /// job waits then.
    #[schema(required)]
    fallback: Option<Fallback>,
    /// What is chosen for single roles, by the role's name.
    roles: BTreeMap<String, Choice>,
    /// State. After a rollback it can be one that only the newer version knows.
    #[schema(value_type = JobStateName)]
    state: String,
    /// Why the job ended in this state; null if there is no reason to give.
    #[schema(required)]
    reason: Option<String>,
    /// `process` or `ecs`.
    launcher: String,
    /// The process id or the task ARN, once there is one.
    #[schema(required)]
    task: Option<String>,
    /// RFC 3339, UTC.
    created_at: String,
    /// RFC 3339, UTC; null before the start.
    #[schema(required)]
    started_at: Option<String>,
    /// RFC 3339, UTC; null before the end.
    #[schema(required)]
    finished_at: Option<String>,
    /// Number of the last event of the job's stream.
    last_sequence: i64,
    /// The result, once it is in place. Of a job that waits for a decision, what is to be looked at.
    #[schema(required)]
    artifact: Option<Artifact>,
    /// Number of the present attempt, from 1. While the job waits, of the one that asked for that.
    attempt: u32,
    /// Attempts that have ended, in their order.
    attempts: Vec<Attempt>,
    /// What the job waits for; null unless it does.
    #[schema(required)]
    waiting: Option<Waiting>,
    /// What the attempts used so far.
    usage: Usage,
    /// How much all attempts together may use.
    budget: Budget,
    /// Where a person wants to decide.
    #[schema(value_type = Vec<ApprovalPointName>)]
    approvals: BTreeSet<ApprovalPoint>,
    /// Files that the person attached.
    attachments: Vec<JobAttachment>,
    /// The template that it began with, as it was then; null if there is none.
    #[schema(required)]
    template: Option<JobTemplate>,
}

/// An attempt of a job that has ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct Attempt {
    /// From 1.
    number: i64,
    /// RFC 3339, UTC.
    started_at: String,
    /// RFC 3339, UTC.
    ended_at: String,
    /// `waiting_approval`, `waiting_limit`, `interrupted`, or the state in which the job ended with it.
    ending: String,
    /// More about that, in words.
    #[schema(required)]
    detail: Option<String>,
    /// `approved`, `rejected` or `deferred`, once a person decided.
    #[schema(required)]
    decision: Option<String>,
    /// What it took of its task; null if it did not say so.
    #[schema(required)]
    resources: Option<Resources>,
}

/// What an attempt took of its task.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resources {
    /// The most memory that its processes held at once.
    peak_memory_bytes: u64,
    /// The most that it had on its disk.
    peak_disk_bytes: u64,
    /// Seconds of all processors.
    processor_seconds: u64,
}

/// Who goes on in place of a provider.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// The other provider.
    provider: String,
    /// Its model; without it, the one that the role has for this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    model: Option<String>,
}

/// What is chosen for a role. What is left out is chosen as for all roles.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// The model, by the provider's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    model: Option<String>,
    /// Who goes on when a limit of the provider is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fallback: Option<Fallback>,
}

/// What a job waits for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Waiting {
    /// A person's decision: `POST /api/jobs/{id}/decision`.
    Approval {
        /// What comes next if the person approves.
        #[schema(value_type = ApprovalPointName)]
        point: ApprovalPoint,
        /// What is to be decided.
        question: String,
    },
    /// A provider's limit.
    Limit {
        /// The provider.
        provider: String,
        /// When the job goes on: RFC 3339, UTC.
        until: String,
        /// In the words of the provider or of the agent.
        detail: String,
    },
}

/// What attempts used.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    /// Millionths of a US dollar, as far as prices are known.
    micro_usd: i64,
    /// Tokens of all kinds.
    tokens: i64,
    /// Those of them for whose model no price is known: they are not in `micro_usd`.
    unpriced_tokens: i64,
    /// Iterations that ended with a commit.
    iterations: i64,
    /// Seconds of attempts that have ended.
    seconds: i64,
    /// Millionths of a US dollar that the tasks cost, as far as prices are known: that of the present attempt
    /// until now. On spare capacity it is less.
    task_micro_usd: i64,
}

/// How much all attempts of a job together may use; what is left out has the orchestrator's bound.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    micro_usd: Option<u64>,
    /// Tokens of all kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    /// Minutes that generators run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minutes: Option<u64>,
    /// Iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iterations: Option<u32>,
}

impl From<app_gen_contract::Budget> for Budget {
    fn from(budget: app_gen_contract::Budget) -> Self {
        Self {
            micro_usd: budget.micro_usd,
            tokens: budget.tokens,
            minutes: budget.minutes,
            iterations: budget.iterations,
        }
    }
}

impl From<Budget> for app_gen_contract::Budget {
    fn from(budget: Budget) -> Self {
        Self {
            micro_usd: budget.micro_usd,
            tokens: budget.tokens,
            minutes: budget.minutes,
            iterations: budget.iterations,
        }
    }
}

/// Where a person may want to decide.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ApprovalPoint)]
#[expect(
    dead_code,
    reason = "the contract's enum as OpenAPI shows it; a test compares the two"
)]
pub(crate) enum ApprovalPointName {
    BeforeBuild,
    BeforePublish,
}

/// The result of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct Artifact {
    /// File name.
    name: String,
    /// Size.
    size_bytes: i64,
    /// SHA-256 in lower-case hexadecimal.
    sha256: String,
}

/// The states of a job; the last five are final.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
#[expect(
    dead_code,
    reason = "the contract's enum as OpenAPI shows it; a test compares the two"
)]
pub(crate) enum JobStateName {
    Queued,
    Starting,
    Running,
    WaitingApproval,
    WaitingLimit,
    Publishing,
    Succeeded,
    Failed,
    Cancelled,
    TimedOut,
    Lost,
}

/// One page of the list of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobList {
    /// Newest first.
    pub(super) jobs: Vec<Job>,
}

/// What is known of jobs beside their own rows.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// The version that a job has made.
    versions: HashMap<String, i64>,
    /// The first job of each project that has not ended.
    first_of_projects: HashMap<String, String>,
}

impl Surroundings {
    /// Of the jobs of a tenant from `first` to `last` in the order of their ids: of one project, or of all.
    pub(super) async fn of(
        app: &App,
        tenant: &str,
        first: &str,
        last: &str,
        project_id: Option<&str>,
    ) -> StoreResult<Self> {
        let database = &app.database;
        let versions = database.versions_of_jobs(tenant, first, last, project_id);
        let versions = versions.await?;
        Ok(Self {
            versions: versions.into_iter().collect(),
            first_of_projects: app.database.first_of_projects().await?,
        })
    }

    /// The job whose end this one waits for. A delivery waits for none.
    fn waits_for(&self, job: &database::Job) -> Option<String> {
        if job.kind == JobKind::Deliver {
            return None;
        }
        let first = self.first_of_projects.get(job.project_id.as_ref()?)?;
        (job.state == JobState::Queued && *first < job.id).then(|| first.clone())
    }
}

impl Job {
    pub(super) fn new(
        job: database::Job,
        attempts: Vec<PastAttempt>,
        surroundings: &Surroundings,
    ) -> Self {
        let used = job.used;
        let task_micro_usd = used.task_micro_usd + task_micro_usd(&job, now_millis());
        let resume_at = job.resume_at.unwrap_or_default();
        Self {
            version: surroundings.versions.get(&job.id).copied(),
            waits_for: surroundings.waits_for(&job),
            id: job.id,
            project: job.project_id,
            kind: job.kind,
            start_version: job.start_version,
            description: job.description,
            provider: job.provider,
            model: job.wishes.model,
            fallback: job.wishes.fallback.map(Fallback::from),
            roles: job
                .wishes
                .roles
                .into_iter()
                .map(|(role, choice)| (role, choice.into()))
                .collect(),
            state: job.state_name,
            reason: job.reason,
            launcher: job.launcher,
            task: job.task,
            created_at: rfc3339(job.created_at),
            started_at: job.started_at.map(rfc3339),
            finished_at: job.finished_at.map(rfc3339),
            last_sequence: job.last_sequence,
            artifact: job.artifact.map(|artifact| Artifact {
                name: artifact.name,
                size_bytes: artifact.size_bytes,
                sha256: artifact.sha256,
            }),
            attempt: job.attempt,
            attempts: attempts.into_iter().map(Attempt::from).collect(),
            waiting: job.waiting.and_then(|pause| Waiting::new(pause, resume_at)),
            usage: Usage {
                micro_usd: used.micro_usd,
                tokens: used.tokens,
                unpriced_tokens: used.unpriced_tokens,
                iterations: used.iterations,
                seconds: used.millis / 1000,
                task_micro_usd,
            },
            budget: job.wishes.budget.into(),
            approvals: job.wishes.approvals,
            attachments: JobAttachment::of(job.wishes.attachments),
            template: job.wishes.template.map(JobTemplate::from),
        }
    }
}

impl From<PastAttempt> for Attempt {
    fn from(attempt: PastAttempt) -> Self {
        Self {
            number: attempt.number,
            started_at: rfc3339(attempt.started_at),
            ended_at: rfc3339(attempt.ended_at),
            ending: attempt.ending,
            detail: attempt.detail,
            decision: attempt.decision,
            resources: attempt.resources.map(|resources| Resources {
                peak_memory_bytes: resources.peak_memory_bytes,
                peak_disk_bytes: resources.peak_disk_bytes,
                processor_seconds: resources.processor_milliseconds / 1000,
            }),
        }
    }
}

/// What the task of the present attempt costs so far, in millionths of a US dollar.
fn task_micro_usd(job: &database::Job, now: i64) -> i64 {
    let (Some(since), Some(per_hour), None) = (
        job.attempt_started_at,
        job.task_micro_usd_per_hour,
        job.finished_at,
    ) else {
        return 0;
    };
    per_hour.saturating_mul(now.saturating_sub(since)) / MILLIS_PER_HOUR
}

impl From<Fallback> for app_gen_contract::Fallback {
    fn from(Fallback { provider, model }: Fallback) -> Self {
        Self { provider, model }
    }
}

impl From<app_gen_contract::Fallback> for Fallback {
    fn from(fallback: app_gen_contract::Fallback) -> Self {
        Self {
            provider: fallback.provider,
            model: fallback.model,
        }
    }
}

impl From<Choice> for app_gen_contract::Choice {
    fn from(choice: Choice) -> Self {
        Self {
            provider: choice.provider,
            model: choice.model,
            fallback: choice.fallback.map(Into::into),
        }
    }
}

impl From<app_gen_contract::Choice> for Choice {
    fn from(choice: app_gen_contract::Choice) -> Self {
        Self {
            provider: choice.provider,
            model: choice.model,
            fallback: choice.fallback.map(Into::into),
        }
    }
}

impl Waiting {
    /// `None` for what is not waited for.
    fn new(pause: Pause, resume_at: i64) -> Option<Self> {
        match pause {
            Pause::WaitingApproval { point, question } => Some(Self::Approval { point, question }),
            Pause::WaitingLimit {
                provider, detail, ..
            } => Some(Self::Limit {
                provider,
                until: rfc3339(resume_at),
                detail,
            }),
            Pause::Interrupted { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::PartialSchema as _;

    #[test]
    fn openapi_knows_the_contract_states() {
        let schema = serde_json::to_value(JobStateName::schema()).unwrap();
        assert_eq!(schema["enum"], serde_json::to_value(JobState::ALL).unwrap());
        let schema = serde_json::to_value(ApprovalPointName::schema()).unwrap();
        let points = [ApprovalPoint::BeforeBuild, ApprovalPoint::BeforePublish];
        assert_eq!(schema["enum"], serde_json::to_value(points).unwrap());
    }
}
