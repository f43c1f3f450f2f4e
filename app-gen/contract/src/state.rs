//! The states of a job.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The state of a job. The HTTP API, the database and the events use the text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted; no generator yet.
    Queued,
    /// A generator is being started.
    Starting,
    /// The generator works.
    Running,
    /// A person must decide before it goes on.
    WaitingApproval,
    /// A provider's limit must pass before it goes on.
    WaitingLimit,
    /// The result is being published.
    Publishing,
    /// Ended well.
    Succeeded,
    /// Ended with a reason.
    Failed,
    /// Stopped on request.
    Cancelled,
    /// Stopped because it took too long or fell silent.
    TimedOut,
    /// Its generator cannot be found any more.
    Lost,
}

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 11] = [
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::WaitingApproval,
        Self::WaitingLimit,
        Self::Publishing,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
        Self::Lost,
    ];

    /// The text form, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::WaitingApproval => "waiting_approval",
            Self::WaitingLimit => "waiting_limit",
            Self::Publishing => "publishing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
        }
    }

    /// Whether the job will never leave this state.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Lost
        )
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that names no [`JobState`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown job state {0:?}")]
pub struct UnknownJobState(pub String);

impl FromStr for JobState {
    type Err = UnknownJobState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownJobState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_agree() {
        for state in JobState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!(
            "done".parse::<JobState>(),
            Err(UnknownJobState("done".to_owned()))
        );
    }

    #[test]
    fn five_states_are_terminal() {
        let terminal: Vec<_> = JobState::ALL
            .into_iter()
            .filter(|state| state.is_terminal())
            .map(JobState::as_str)
            .collect();
        assert_eq!(
            terminal,
            ["succeeded", "failed", "cancelled", "timed_out", "lost"]
        );
    }
}
