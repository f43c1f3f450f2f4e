//! Names of the CloudFormation stacks: one for each concern and environment.

/// What a stack is for. CDK has a folder for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    pub const ALL: [Self; 6] = [
        Self::Network,
        Self::Registry,
        Self::Data,
        Self::Logs,
        Self::Service,
        Self::Observability,
    ];

    /// The word for it in the names of stacks.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "Network",
            Self::Registry => "Registry",
            Self::Data => "Data",
            Self::Logs => "Logs",
            Self::Service => "Service",
            Self::Observability => "Observability",
        }
    }
}

/// The name of one stack of an environment, for instance `AppGenService-dev`.
#[must_use]
pub fn stack(concern: Concern, environment: &str) -> String {
    format!("AppGen{}-{environment}", concern.name())
}

/// A pattern that the names of all stacks of an environment match, as IAM writes patterns.
#[must_use]
pub fn stack_pattern(environment: &str) -> String {
    format!("AppGen*-{environment}")
}
