//! Jobs as the API shows them.

use std::collections::BTreeSet;

use app_gen_contract::ApprovalPoint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::rfc3339;
use crate::database::{self, PastAttempt, Pause};

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// UUID version 7.
    id: String,
    /// Description of the application.
    description: String,
    /// Provider that makes the application.
    provider: String,
    /// Model of every role that chooses none; null if each role has its own.
    #[schema(required)]
    model: Option<String>,
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
}

/// How much all attempts of a job together may use; what is left out has no bound.
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

impl Job {
    pub(super) fn new(job: database::Job, attempts: Vec<PastAttempt>) -> Self {
        let used = job.used;
        let resume_at = job.resume_at.unwrap_or_default();
        Self {
            id: job.id,
            description: job.description,
            provider: job.provider,
            model: job.wishes.model,
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
            },
            budget: job.wishes.budget.into(),
            approvals: job.wishes.approvals,
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
    use app_gen_contract::JobState;
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
