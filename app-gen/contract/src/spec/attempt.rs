//! Which attempt a spec asks for: what the attempts before it used, and what a person decided.

use serde::{Deserialize, Serialize};

use crate::spec::checks::{SpecError, invalid, validate_text};

/// Maximum number of characters of the words that come with a decision, after trimming.
pub const MAX_DECISION_CHARS: usize = 2000;

/// Which attempt of its job a generator process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// Number of the event that its first event follows; 0 in the first attempt.
    pub after_sequence: u64,
    /// What the attempts before it used.
    pub used: Used,
    /// The checkpoint that it goes on from; without one, it begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointId>,
    /// What a person decided last, in every attempt from then on: one that was interrupted, or met a
    /// limit, may not have come to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decided>,
}

impl Default for Attempt {
    /// The first one.
    fn default() -> Self {
        Self {
            number: 1,
            after_sequence: 0,
            used: Used::default(),
            checkpoint: None,
            decision: None,
        }
    }
}

/// Which checkpoint of a job. Its attempt is in its name, so that a task of an earlier attempt that is still
/// there replaces nothing of a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointId {
    /// The attempt that wrote it.
    pub attempt: u32,
    /// Its number, which counts on across attempts.
    pub number: u32,
}

impl CheckpointId {
    /// Its folder under the job's artifact URI.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}/{:04}", checkpoints_of(self.attempt), self.number)
    }
}

/// The folder, under the job's artifact URI, of all checkpoints that an attempt writes.
#[must_use]
pub fn checkpoints_of(attempt: u32) -> String {
    format!("checkpoints/{attempt}")
}

/// What attempts used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Millionths of a US dollar, as far as prices are known.
    pub micro_usd: u64,
    /// Tokens of all kinds.
    pub tokens: u64,
    /// Seconds that generators ran.
    pub seconds: u64,
    /// Iterations that ended with a commit.
    pub iterations: u32,
}

/// Where a person may want to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalPoint {
    /// What is to be built is known, and nothing is built yet.
    BeforeBuild,
    /// It is built, and nothing is published yet.
    BeforePublish,
}

/// A decision, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Where it was asked for.
    pub point: ApprovalPoint,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// The work goes on.
    Approved,
    /// It does not go on like this.
    Rejected {
        /// Why; untrusted.
        reason: String,
    },
    /// It is asked for again, after these were taken up.
    Deferred {
        /// What is still to be done; untrusted.
        notes: String,
    },
}

impl Attempt {
    pub(super) fn check(&mut self) -> Result<(), SpecError> {
        let is_first = *self == Self::default();
        if self.number == 0 || self.number == 1 && !is_first {
            let reason = "has a number from 1, and the first one follows nothing";
            return Err(invalid("attempt", reason));
        }
        match self.decision.as_mut().map(|decided| &mut decided.decision) {
            Some(Decision::Rejected { reason: words } | Decision::Deferred { notes: words }) => {
                *words = validate_text("attempt", words, MAX_DECISION_CHARS)?.to_owned();
            }
            Some(Decision::Approved) | None => {}
        }
        Ok(())
    }
}
