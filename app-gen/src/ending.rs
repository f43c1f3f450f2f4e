//! How an attempt ends, as its last event reports it.

use app_gen_contract::{ApprovalPoint, Body, exit};

use crate::failure::Failure;
use time::OffsetDateTime;

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The application is in place.
    Succeeded {
        /// One sentence about it.
        summary: String,
    },
    /// There is no application.
    Failed(Failure),
    /// A person must decide.
    WaitingApproval {
        point: ApprovalPoint,
        question: String,
        artifact_uri: Option<String>,
    },
    /// A limit of a provider must pass.
    WaitingLimit {
        provider: String,
        /// When it passes, if the provider said.
        until: Option<OffsetDateTime>,
        detail: String,
    },
    /// The work ended because it was asked to. The process knows by what.
    Stopped,
    /// A signal ended the work.
    Interrupted {
        /// Which.
        reason: String,
        /// The exit code that it leads to.
        exit_code: u8,
    },
}

impl Ending {
    /// The last event, and the exit code of the process.
    pub(crate) fn into_parts(self) -> (Body, u8) {
        match self {
            Self::Succeeded { summary } => (Body::Succeeded { summary }, exit::SUCCEEDED),
            Self::Failed(Failure {
                reason,
                hint,
                exit_code,
            }) => (Body::Failed { reason, hint }, exit_code),
            Self::WaitingApproval {
                point,
                question,
                artifact_uri,
            } => {
                let body = Body::WaitingApproval {
                    point,
                    question,
                    artifact_uri,
                };
                (body, exit::WAITING_APPROVAL)
            }
            Self::WaitingLimit {
                provider,
                until,
                detail,
            } => {
                let body = Body::WaitingLimit {
                    provider,
                    until,
                    detail,
                };
                (body, exit::WAITING_LIMIT)
            }
            Self::Stopped => {
                let reason = "it was asked to end".to_owned();
                (Body::Interrupted { reason }, exit::STOPPED)
            }
            Self::Interrupted { reason, exit_code } => (Body::Interrupted { reason }, exit_code),
        }
    }
}
