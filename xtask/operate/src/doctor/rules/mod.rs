//! The rules, one for each known symptom. `xtask-aws` decides why a task stopped
//! (`stop_reasons.rs`); the rules judge what that means for the environment.

mod configuration;
mod machine;
mod service;
mod tasks;

use crate::doctor::evidence::Evidence;
use crate::doctor::finding::{Finding, Scope, Severity};
use crate::doctor::rules::Explains::{Everything, These};

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Looks for the symptom, and returns a finding for each subject that has it.
    pub judge: fn(&Evidence) -> Vec<Finding>,
    /// Which findings of later rules follow from what this rule finds broken.
    pub explains: Explains,
}

impl Rule {
    /// Whether `other`, which a later rule found, follows from `cause`, which this rule found.
    pub(super) fn explains(&self, cause: &Finding, other: &Finding) -> bool {
        let follows = match self.explains {
            Explains::Everything => true,
            Explains::These(groups) => groups
                .iter()
                .any(|rules| rules.contains(&other.rule.as_str())),
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
    These(&'static [&'static [&'static str]]),
}

/// Findings about a service whose tasks do not run or do not work.
const NOT_SERVING: &[&str] = &[
    "deployment-failed",
    "deployment-stuck",
    "health-path",
    "not-answering",
    "target-unhealthy",
    "other-image",
    "below-desired",
    "log-errors",
];

const fn rule(judge: fn(&Evidence) -> Vec<Finding>, explains: Explains) -> Rule {
    Rule { judge, explains }
}

/// Findings about a task that ended by itself.
const GIVES_UP: &[&str] = &["crash-loop", "exit-1"];
/// Findings about a service that has not come to rest.
const UNSETTLED: &[&str] = &["target-unhealthy", "deployment-stuck", "deployment-failed"];

/// All rules. Those that find causes come before those that find what follows from them.
pub const RULES: &[Rule] = &[
    rule(machine::disk, These(&[])),
    rule(machine::registry, These(&[])),
    rule(machine::engine, Everything),
    rule(machine::cloud, Everything),
    rule(configuration::not_deployed, Everything),
    rule(configuration::unanswered, These(&[])),
    rule(configuration::rights, These(&[])),
    rule(
        configuration::secrets,
        These(&[GIVES_UP, &["secret-missing", "secret-key", "exit-2"]]),
    ),
    rule(configuration::database, These(&[GIVES_UP, NOT_SERVING])),
    rule(
        configuration::image_missing,
        These(&[NOT_SERVING, &["image-missing", "image"]]),
    ),
    rule(
        configuration::image_platform,
        These(&[NOT_SERVING, &["platform", "start", "entry-point"]]),
    ),
    rule(service::scaled_to_zero, These(&[NOT_SERVING])),
    rule(tasks::stops, These(&[NOT_SERVING])),
    rule(service::health_path, These(&[UNSETTLED])),
    rule(service::not_answering, These(&[UNSETTLED])),
    rule(service::targets, These(&[UNSETTLED])),
    rule(service::deployment, These(&[&["below-desired"]])),
    rule(service::other_image, These(&[])),
    rule(service::below_desired, These(&[])),
    rule(service::alarms, These(&[])),
    rule(service::log_errors, These(&[])),
];
