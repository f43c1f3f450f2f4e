//! How a run ended, and what follows from it.
//!
//! The obvious readings are wrong. Claude Code exits with 0 when it was interrupted, calls a refused
//! request `success`, and ends a run well in which everything was denied; Codex exits with 0 when no
//! command ran. So a verdict never follows from the exit code, the subtype of a result, or prose.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// How the agent's program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Who ended the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The caller.
    Asked,
    /// The longest time that it may take is over.
    Time,
    /// It said nothing for longer than any tool of it may take.
    Silence,
    /// It did the same again and again, with the same result.
    Loop,
    /// It used more tools than it may.
    Tools,
}

/// What must pass before the same session goes on. No attempt is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A limit of the account.
    Limit,
    /// The provider cannot answer now.
    Overloaded,
    /// No answer came.
    Unreachable,
}

/// Why another attempt makes sense at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The program ended in the middle of its work. The session goes on.
    Crashed,
    /// Somebody else interrupted it. The session goes on.
    Interrupted,
    /// The conversation became too long. A new session begins with the plan and what was made so far.
    ContextFull,
    /// The session is not there any more. A new one begins.
    SessionLost,
}

impl Retry {
    /// Whether the same session goes on.
    #[must_use]
    pub fn keeps_session(self) -> bool {
        matches!(self, Self::Crashed | Self::Interrupted)
    }
}

/// Why it failed. Another attempt would fail in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The agent says that it is done, and the files are as before.
    NothingChanged,
    /// Tools that it wanted to use were denied to it, so it could not do its work.
    Denied,
    /// The budget of the job is spent.
    Budget,
    /// It asked the model as often as it may.
    Turns,
    /// The key was not accepted.
    KeyRefused,
    /// The key may not do this.
    Forbidden,
    /// The model does not exist.
    NoModel,
    /// The account has no credit.
    NoCredit,
    /// The provider refuses the request as it is.
    RequestRefused,
    /// The program did not come as far as a session.
    DidNotStart,
    /// It said that it failed, and not why in a way that is known.
    Unclear,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The agent says that it is done, and nothing that can be seen from here contradicts it. Checks
    /// say whether it is.
    Completed,
    /// It goes on in the same session later.
    Wait {
        /// What must pass.
        cause: Wait,
        /// When it has passed, if anybody said.
        until: Option<OffsetDateTime>,
        /// In the words of the agent.
        detail: String,
    },
    /// It goes on at once.
    Again {
        /// Why, from which follows how.
        cause: Retry,
        /// In the words of the agent.
        detail: String,
    },
    /// It failed.
    Failed {
        /// Why.
        reason: Reason,
        /// In the words of the agent.
        detail: String,
    },
    /// We ended it.
    Stopped {
        /// Why.
        by: Stop,
    },
}

/// What the gateway saw, which knows more of limits and budgets than an agent says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GatewayFacts {
    /// When a limit is lifted that the provider answered with.
    pub limit_until: Option<OffsetDateTime>,
    /// It refused a request since the budget of the job is spent.
    pub is_budget_spent: bool,
}

impl Verdict {
    /// The verdict in the light of what the gateway saw.
    #[must_use]
    pub fn informed(self, facts: &GatewayFacts) -> Self {
        match self {
            Self::Completed | Self::Stopped { .. } => self,
            Self::Wait { detail, .. }
            | Self::Again { detail, .. }
            | Self::Failed { detail, .. }
                if facts.is_budget_spent =>
            {
                Self::Failed {
                    reason: Reason::Budget,
                    detail,
                }
            }
            Self::Wait {
                cause: Wait::Limit,
                until: None,
                detail,
            } => Self::Wait {
                cause: Wait::Limit,
                until: facts.limit_until,
                detail,
            },
            other => other,
        }
    }

    pub(crate) fn wait(cause: Wait, detail: impl Into<String>) -> Self {
        Self::Wait {
            cause,
            until: None,
            detail: detail.into(),
        }
    }

    pub(crate) fn again(cause: Retry, detail: impl Into<String>) -> Self {
        Self::Again {
            cause,
            detail: detail.into(),
        }
    }

    pub(crate) fn failed(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Failed {
            reason,
            detail: detail.into(),
        }
    }
}

/// What is known of a run's end beside what the agent said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How the program ended; nothing if that is unknown.
    pub exit: Option<Exit>,
    /// Who ended it, if it was us, before it had said its last word.
    pub stop: Option<Stop>,
    /// Whether files of the workspace changed since the task began; nothing if that is unknown.
    pub has_changed: Option<bool>,
    /// Whether its task is to change files.
    pub must_change: bool,
    /// Whether a session was to go on.
    pub is_resumed: bool,
    /// The last of its standard error.
    pub errors: String,
}

impl End {
    /// The verdict if the agent says that it is done.
    pub(crate) fn done(&self) -> Verdict {
        if self.must_change && self.has_changed == Some(false) {
            let detail = "the agent says that it is done and has changed no file";
            return Verdict::failed(Reason::NothingChanged, detail);
        }
        Verdict::Completed
    }

    /// The verdict if the program ended without a last word.
    pub(crate) fn silent(&self, has_session: bool) -> Verdict {
        if let Some(by) = self.stop {
            return Verdict::Stopped { by };
        }
        if has_session {
            return Verdict::again(Retry::Crashed, self.errors.as_str());
        }
        let errors = self.errors.as_str();
        match (self.is_resumed, self.exit) {
            // It was killed before it could begin, which says nothing about the session that it had.
            (true, None | Some(Exit::Signal(_))) => Verdict::again(Retry::Crashed, errors),
            // It did not find that session; or it was killed before it had one.
            (true, Some(Exit::Code(_))) | (false, None | Some(Exit::Signal(_))) => {
                Verdict::again(Retry::SessionLost, errors)
            }
            (false, Some(Exit::Code(_))) => Verdict::failed(Reason::DidNotStart, errors),
        }
    }
}

/// What follows from the status of an answer with which an agent gave up.
pub(crate) fn of_status(status: u16, detail: &str) -> Verdict {
    match status {
        429 => Verdict::wait(Wait::Limit, detail),
        401 => Verdict::failed(Reason::KeyRefused, detail),
        402 => Verdict::failed(Reason::NoCredit, detail),
        403 => Verdict::failed(Reason::Forbidden, detail),
        404 => Verdict::failed(Reason::NoModel, detail),
        408 => Verdict::wait(Wait::Unreachable, detail),
        400..=499 => Verdict::failed(Reason::RequestRefused, detail),
        _ => Verdict::wait(Wait::Overloaded, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_gateway_knows_until_when_and_why() {
        let until = Some(datetime!(2026-11-29 12:00 UTC));
        let facts = GatewayFacts {
            limit_until: until,
            is_budget_spent: false,
        };
        let limit = of_status(429, "x").informed(&facts);
        let expected = Verdict::Wait {
            cause: Wait::Limit,
            until,
            detail: "x".to_owned(),
        };
        assert_eq!(limit, expected);
        let overloaded = of_status(529, "x");
        assert_eq!(overloaded.clone().informed(&facts), overloaded);

        let facts = GatewayFacts {
            limit_until: until,
            is_budget_spent: true,
        };
        let spent = Verdict::failed(Reason::Budget, "x");
        assert_eq!(of_status(403, "x").informed(&facts), spent);
        assert_eq!(of_status(429, "x").informed(&facts), spent);
        assert_eq!(Verdict::Completed.informed(&facts), Verdict::Completed);
        let by = Stop::Asked;
        assert_eq!(
            Verdict::Stopped { by }.informed(&facts),
            Verdict::Stopped { by }
        );
    }
}
