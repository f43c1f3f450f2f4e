//! One rule for each signal that is known. What a stopped task means is `xtask-aws`'s to say
//! (`stop_reasons.rs`); the rules here judge what that means for the environment.

mod configuration;
mod machine;
mod service;
mod tasks;

use crate::doctor::Finding;
use crate::doctor::evidence::Evidence;

/// A signal.
#[derive(Debug)]
pub struct Rule {
    /// Looks for it; there is a finding for each subject that shows it.
    pub judge: fn(&Evidence) -> Vec<Finding>,
    /// Findings of later rules that are no causes of their own where this one finds something
    /// broken.
    pub explains: Explains,
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy)]
pub enum Explains {
    /// Whatever stands on it.
    Everything,
    /// Findings of these names about the same subject.
    These(&'static [&'static [&'static str]]),
}

use Explains::{Everything, These};

/// What a service shows whose tasks do not run or do not work.
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

/// How a task ends that gives up by itself.
const GIVES_UP: &[&str] = &["crash-loop", "exit-1"];
const UNSETTLED: &[&str] = &["target-unhealthy", "deployment-stuck", "deployment-failed"];

/// Causes before symptoms.
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
