//! The rules of `doctor`, by name.

use crate::stop_reason::StopReason;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use strum::{Display, EnumIter, IntoEnumIterator as _};

/// The sign by which `doctor` knows that something is wrong.
///
/// A task that stopped is known by its [`StopReason`]. Where `doctor` finds the same cause without
/// a task having stopped (a secret that lacks a key, an image that its registry does not have),
/// the finding has the name of that reason too: it is the same thing to mend.
#[derive(
    Debug,
    Clone,
    Copy,
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
pub enum Rule {
    /// What stopped a task, or would stop the next one.
    #[strum(to_string = "{0}")]
    Stop(StopReason),
    /// A disk of this machine is full, or nearly full.
    DiskFull,
    /// The registry of this machine does not run.
    RegistryStopped,
    /// Docker Engine does not run.
    EngineStopped,
    /// The local cloud does not run.
    CloudStopped,
    /// Nothing is deployed to the environment.
    NotDeployed,
    /// A source did not answer, so not everything could be judged.
    Unanswered,
    /// The identity that asks lacks rights that the commands need.
    Rights,
    /// The provider of an agent refuses the key.
    ProviderKey,
    /// The provider of the orchestrator's agent does not know the model.
    ProviderModel,
    /// The database of the orchestrator does not answer.
    DatabaseDown,
    /// An image is for another platform than the one that tasks run on.
    WrongPlatform,
    /// A service is set to run no tasks.
    ScaledToZero,
    /// Tasks of a service end again and again.
    CrashLoop,
    /// The health path of a service answers with an error.
    HealthPath,
    /// A service does not answer users.
    NotAnswering,
    /// A load balancer finds a task unhealthy.
    TargetUnhealthy,
    /// A deployment of a service failed.
    DeploymentFailed,
    /// A deployment of a service does not come to its end.
    DeploymentStuck,
    /// Another image answers than the last release deployed.
    OtherImage,
    /// A service runs fewer tasks than it should.
    BelowDesired,
    /// An alarm is raised.
    Alarm,
    /// A service logged errors.
    LogErrors,
    /// The size of a task does not fit what jobs took of theirs.
    TaskSize,
}

impl Rule {
    /// All rules but those that are reasons of stopped tasks.
    fn named() -> impl Iterator<Item = Self> {
        Self::iter().filter(|rule| !matches!(rule, Self::Stop(_)))
    }
}

impl From<StopReason> for Rule {
    fn from(reason: StopReason) -> Self {
        Self::Stop(reason)
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

/// A text that names no [`Rule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a rule of doctor")]
pub struct UnknownRule(String);

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::named()
            .find(|rule| rule.to_string() == text)
            .or_else(|| text.parse().ok().map(Self::Stop))
            .ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

impl TryFrom<String> for Rule {
    type Error = UnknownRule;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_read_back_from_its_name() {
        let stops = [
            StopReason::Memory,
            StopReason::SecretKey,
            StopReason::Exit(1),
        ];
        for rule in Rule::named().chain(stops.map(Rule::from)) {
            let json = serde_json::to_string(&rule).expect("JSON");
            assert_eq!(json, format!("\"{rule}\""));
            assert_eq!(serde_json::from_str::<Rule>(&json).ok(), Some(rule));
        }
        assert!("no-such-rule".parse::<Rule>().is_err());
    }

    #[test]
    fn no_rule_has_the_name_of_a_stop_reason() {
        for rule in Rule::named() {
            assert!(rule.to_string().parse::<StopReason>().is_err(), "{rule}");
        }
    }
}
