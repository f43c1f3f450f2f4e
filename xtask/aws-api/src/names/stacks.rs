//! Names of the CloudFormation stacks: one for each concern and environment.

use strum::{Display, EnumIter, IntoEnumIterator as _};

/// What a stack is for. CDK has a folder for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumIter)]
pub enum Concern {
    /// The VPC and its subnets.
    Network,
    /// The image repositories.
    Registry,
    /// The buckets.
    Data,
    /// The log groups.
    Logs,
    /// The orchestrator's service, its load balancer and all task definitions.
    Service,
    /// Alarms, dashboard and budget.
    Observability,
}

impl Concern {
    /// All concerns, in the order in which their stacks depend on each other.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }
}

/// The name of one stack of an environment, for instance `AppGenService-dev`.
#[must_use]
pub fn stack(concern: Concern, environment: &str) -> String {
    format!("AppGen{concern}-{environment}")
}

/// A pattern that the names of all stacks of an environment match, as IAM writes patterns.
#[must_use]
pub fn stack_pattern(environment: &str) -> String {
    format!("AppGen*-{environment}")
}
