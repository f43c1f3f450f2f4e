//! Why tasks stop, by name.

use serde::{Deserialize, Serialize};
use std::str::FromStr;
use strum::{Display, EnumIter, IntoEnumIterator as _};

/// Why a task stopped. Stops with the same reason have the same remedy.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    EnumIter,
    Serialize,
    Deserialize,
)]
#[serde(into = "String", try_from = "String")]
#[strum(serialize_all = "kebab-case")]
pub enum StopReason {
    /// The image is for another platform than the task.
    Platform,
    /// The entry point of the image cannot be started.
    EntryPoint,
    /// The registry does not have the image.
    ImageMissing,
    /// The task does not reach the registry.
    ImageRoute,
    /// The execution role may not pull the image.
    ImageRefused,
    /// The image is larger than the disk of the task.
    Disk,
    /// The image cannot be pulled, for any other reason.
    Image,
    /// A secret lacks a key that the task needs.
    SecretKey,
    /// A secret that the task needs is not a JSON object.
    SecretFormat,
    /// The execution role lacks a right that the start of the task needs.
    Refused,
    /// The log group of the task does not exist.
    LogGroup,
    /// A secret that the task needs does not exist.
    SecretMissing,
    /// The task does not reach the services that it needs in order to start.
    Route,
    /// ECS may not assume a role of the task.
    Role,
    /// AWS did not give the task a network interface.
    Network,
    /// The task could not be prepared, for any other reason.
    Start,
    /// The container needs more memory than the task has.
    Memory,
    /// The health check of the task gets no good answer.
    Health,
    /// AWS has no capacity for the task.
    Capacity,
    /// Somebody asked the task to stop.
    Stopped,
    /// The kernel killed the container.
    Killed,
    /// The container ended by itself with this code, and nothing else is known.
    #[strum(to_string = "exit-{0}")]
    Exit(i32),
    /// The task ended without an exit code, and nothing else is known.
    #[default]
    Unknown,
}

/// What the names of all [`StopReason::Exit`] begin with.
const EXIT: &str = "exit-";

impl StopReason {
    /// Whether the task stopped because it was asked to, whatever its exit code.
    #[must_use]
    pub fn is_order(self) -> bool {
        self == Self::Stopped
    }

    /// Whether the exit code is all that is known; the log may say more.
    #[must_use]
    pub fn is_bare_exit(self) -> bool {
        matches!(self, Self::Exit(_))
    }
}

impl From<StopReason> for String {
    fn from(reason: StopReason) -> Self {
        reason.to_string()
    }
}

/// A text that names no [`StopReason`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a reason why tasks stop")]
pub struct UnknownStopReason(String);

impl FromStr for StopReason {
    type Err = UnknownStopReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = text.strip_prefix(EXIT).and_then(|code| code.parse().ok());
        let is_named = |reason: &Self| reason.to_string() == text;
        code.map(Self::Exit)
            .or_else(|| Self::iter().find(is_named))
            .ok_or_else(|| UnknownStopReason(text.to_owned()))
    }
}

impl TryFrom<String> for StopReason {
    type Error = UnknownStopReason;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back_from_its_name() {
        for reason in StopReason::iter().chain([0, 3, 137, -1].map(StopReason::Exit)) {
            let json = serde_json::to_string(&reason).expect("JSON");
            assert_eq!(json, format!("\"{reason}\""));
            assert_eq!(serde_json::from_str::<StopReason>(&json).ok(), Some(reason));
        }
        assert_eq!(StopReason::Exit(3).to_string(), "exit-3");
        assert_eq!(StopReason::EntryPoint.to_string(), "entry-point");
        for wrong in ["", "exit-", "exit-x", "Memory"] {
            assert!(wrong.parse::<StopReason>().is_err(), "{wrong}");
        }
    }
}
