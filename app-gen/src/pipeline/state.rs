//! How far a job is: what an attempt that follows must know. It is a part of every checkpoint.

use crate::checks::criteria::Criterion;
use crate::roles::Cast;
use app_gen_agent::Session;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A stage of the pipeline, in the order in which they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// What is to be made is decided.
    #[default]
    Plan,
    /// It is made, until its checks pass.
    Build,
    /// Others look at it.
    Review,
    /// It is handed over.
    Publish,
}

impl Stage {
    /// Its name in events.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Build => "build",
            Self::Review => "review",
            Self::Publish => "publish",
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The stage that goes on.
    pub(crate) stage: Stage,
    /// What is to be made.
    pub(crate) plan: Plan,
    /// Iterations that ended with a commit.
    pub(crate) iterations: u32,
    /// How often the application was looked at.
    pub(crate) reviews: u32,
    /// The iteration whose work is committed and not checked yet.
    pub(crate) unchecked: Option<Unchecked>,
    /// What the builder is asked next, if it is not the first time.
    pub(crate) task: Option<String>,
    /// How often in a row the checks failed in the same way, and in which.
    pub(crate) failure: Option<Repeated>,
    /// The last commit whose checks passed.
    pub(crate) good: Option<String>,
    /// The last commit.
    pub(crate) head: Option<String>,
    /// What is known of the agents of each role.
    pub(crate) roles: BTreeMap<String, Memory>,
    /// Whether the notes of the last decision are being taken up.
    pub(crate) is_reworked: bool,
    /// The number of the newest checkpoint.
    pub(crate) checkpoint: u32,
}

/// What is to be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// What the running application must do.
    pub(crate) criteria: Vec<Criterion>,
    /// How it is to be built.
    pub(crate) specification: Option<String>,
}

/// An iteration whose work is committed and not checked yet: what was paid for is not made again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unchecked {
    /// Why the builder did not end well by itself.
    pub(crate) trouble: Option<String>,
}

/// A failure that came several times in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Repeated {
    /// What tells it from others.
    pub(crate) signature: String,
    /// How often, from 1.
    pub(crate) times: u32,
}

impl State {
    /// Counts a failure, and says how often in a row it came.
    pub(crate) fn count(&mut self, signature: String) -> u32 {
        let times = match &self.failure {
            Some(last) if last.signature == signature => last.times.saturating_add(1),
            _ => 1,
        };
        self.failure = Some(Repeated { signature, times });
        times
    }
}

/// What is known of the agents of a role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Who goes on in place of the one that the job chose, after a limit.
    pub(crate) recast: Option<Cast>,
    /// The conversation that goes on.
    pub(crate) session: Option<Session>,
    /// The prompt that it works on, if it was ended in the middle of it.
    pub(crate) unfinished: Option<Unfinished>,
}

/// A task that an agent had not ended when its run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// What it was asked.
    pub(crate) prompt: String,
    /// The workspace as it was when the task began.
    pub(crate) began_with: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_failure_in_a_row_counts_on() {
        let mut state = State::default();
        let mut count = |signature: &str| state.count(signature.to_owned());
        assert_eq!(
            [count("a"), count("a"), count("b"), count("a")],
            [1, 2, 1, 1]
        );
    }

    #[test]
    fn a_state_survives_its_checkpoint() {
        let mut state = State {
            stage: Stage::Review,
            head: Some("abc".to_owned()),
            ..State::default()
        };
        state.count("a".to_owned());
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
        assert!(Stage::Plan < Stage::Build && Stage::Review < Stage::Publish);
    }
}
