//! What is wrong with an environment, and why.
//!
//! [`gather`](gather::gather) asks every source there is, side by side and bounded; a source that
//! does not answer is evidence too. The [`rules`] judge the [`Evidence`] and nothing else.
//! [`examine`] removes the findings that follow from others. To add a rule, write its function in a
//! file of `rules` and name it in [`CHECKS`].

pub mod evidence;
pub mod finding;
pub mod gather;
pub mod rules;
#[cfg(test)]
mod tests;

use crate::doctor::evidence::Evidence;
use crate::doctor::finding::{Finding, Scope};
use crate::doctor::rules::{CHECKS, Check};

/// How many rules there are.
#[must_use]
pub fn checks() -> usize {
    CHECKS.len()
}

/// Everything that is wrong, causes first. A finding that follows from a cause is only named in the
/// evidence of the cause. If one service or kind of task is asked about, findings of others are
/// left out.
#[must_use]
pub fn examine(evidence: &Evidence) -> Vec<Finding> {
    let mut found: Vec<(&Check, Finding)> = Vec::new();
    // For each finding, the index of its cause. Findings with a cause are removed only at the end,
    // because what follows from them has the same cause.
    let mut causes: Vec<Option<usize>> = Vec::new();
    for rule in CHECKS {
        for finding in (rule.judge)(evidence) {
            let cause = found
                .iter()
                .position(|(by, cause)| by.explains(cause, &finding))
                .map(|cause| causes[cause].unwrap_or(cause));
            if let Some(cause) = cause {
                let line = format!("consequence: {}: {}", finding.subject, finding.says);
                found[cause].1.evidence.push(line);
            }
            causes.push(cause);
            found.push((rule, finding));
        }
    }
    found
        .into_iter()
        .zip(causes)
        .filter(|(_, cause)| cause.is_none())
        .map(|((_, finding), _)| finding)
        .filter(|finding| match (&finding.scope, &evidence.focus) {
            (Scope::Consumer(name), Some(focus)) => *name == focus.consumer,
            _ => true,
        })
        .collect()
}
