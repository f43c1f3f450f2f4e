//! The rules, one for each known symptom. `xtask-aws` decides why a task stopped
//! (`xtask/aws/src/stop_reasons`); the rules judge what that means for the environment.

mod configuration;
mod machine;
mod providers;
mod service;
mod size;
mod tasks;

use crate::doctor::evidence::Evidence;
use crate::doctor::finding::{Finding, Scope, Severity};
use crate::doctor::rules::Explains::{Everything, These};
use xtask_aws_api::{Rule, StopReason};

/// One check: how a symptom is found, and what follows from it.
#[derive(Debug)]
pub struct Check {
    /// Looks for the symptom, and returns a finding for each subject that has it.
    pub judge: fn(&Evidence) -> Vec<Finding>,
    /// Which findings of later rules follow from what this rule finds broken.
    pub explains: Explains,
}

impl Check {
    /// Whether `other`, which a later rule found, follows from `cause`, which this rule found.
    pub(super) fn explains(&self, cause: &Finding, other: &Finding) -> bool {
        let follows = match self.explains {
            Explains::Everything => true,
            Explains::These(groups) => groups.iter().any(|rules| rules.contains(&other.rule)),
        };
        let same = cause.scope == Scope::Whole || cause.scope == other.scope;
        cause.severity == Severity::Broken && follows && same
    }
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy)]
pub enum Explains {
    /// All findings.
    Everything,
    /// Findings with these names about the same subject.
    These(&'static [&'static [Rule]]),
}

/// Findings about a service whose tasks do not run or do not work.
const NOT_SERVING: &[Rule] = &[
    Rule::DeploymentFailed,
    Rule::DeploymentStuck,
    Rule::HealthPath,
    Rule::NotAnswering,
    Rule::TargetUnhealthy,
    Rule::OtherImage,
    Rule::BelowDesired,
    Rule::LogErrors,
];

const fn check(judge: fn(&Evidence) -> Vec<Finding>, explains: Explains) -> Check {
    Check { judge, explains }
}

/// Findings about a task that ended by itself.
const GIVES_UP: &[Rule] = &[Rule::CrashLoop, Rule::Stop(StopReason::Exit(1))];
/// Findings about a service that has not come to rest.
const UNSETTLED: &[Rule] = &[
    Rule::TargetUnhealthy,
    Rule::DeploymentStuck,
    Rule::DeploymentFailed,
];

/// All rules. Those that find causes come before those that find what follows from them.
pub const CHECKS: &[Check] = &[
    check(machine::disk, These(&[])),
    check(machine::registry, These(&[])),
    check(machine::engine, Everything),
    check(machine::cloud, Everything),
    check(configuration::not_deployed, Everything),
    check(configuration::unanswered, These(&[])),
    check(configuration::rights, These(&[])),
    check(
        configuration::secrets,
        These(&[
            GIVES_UP,
            &[
                Rule::Stop(StopReason::SecretMissing),
                Rule::Stop(StopReason::SecretKey),
                Rule::Stop(StopReason::Exit(2)),
            ],
        ]),
    ),
    check(providers::keys_and_models, These(&[])),
    check(configuration::database, These(&[GIVES_UP, NOT_SERVING])),
    check(
        configuration::image_missing,
        These(&[
            NOT_SERVING,
            &[
                Rule::Stop(StopReason::ImageMissing),
                Rule::Stop(StopReason::Image),
            ],
        ]),
    ),
    check(
        configuration::image_platform,
        These(&[
            NOT_SERVING,
            &[
                Rule::Stop(StopReason::Platform),
                Rule::Stop(StopReason::Start),
                Rule::Stop(StopReason::EntryPoint),
            ],
        ]),
    ),
    check(service::scaled_to_zero, These(&[NOT_SERVING])),
    check(tasks::stops, These(&[NOT_SERVING])),
    check(service::health_path, These(&[UNSETTLED])),
    check(service::not_answering, These(&[UNSETTLED])),
    check(service::targets, These(&[UNSETTLED])),
    check(service::deployment, These(&[&[Rule::BelowDesired]])),
    check(service::other_image, These(&[])),
    check(service::below_desired, These(&[])),
    check(service::alarms, These(&[])),
    check(service::log_errors, These(&[])),
    check(size::memory, These(&[])),
    check(size::disk, These(&[])),
];
