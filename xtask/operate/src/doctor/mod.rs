//! What is wrong with an environment, by cause.
//!
//! [`gather`](gather::gather) asks every source there is, side by side and bounded; a source
//! that does not answer is evidence too. The [`rules`] judge what was found, each a function
//! of the [`Evidence`](evidence::Evidence) alone, and [`examine`] leaves of their findings
//! those that do not follow from another.

pub mod evidence;
pub mod gather;
pub mod rules;

use evidence::Evidence;
use rules::{Explains, RULES, Rule};
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It keeps users or jobs from being served, now or with the next task that starts.
    Broken,
    /// It does not yet, or has passed.
    Warning,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The machine, the environment: everything stands on it.
    Whole,
    /// A service or a kind of task, by its name in the manifest.
    Consumer(String),
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The signal by which it is known.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: a part of this machine, a service, a kind of task, an alarm.
    pub subject: String,
    /// The cause, in plain words.
    pub says: String,
    /// What it was concluded from, line by line.
    pub evidence: Vec<String>,
    /// The next command.
    pub next: String,
    #[serde(skip)]
    scope: Scope,
}

impl Finding {
    /// A finding that everything may follow from.
    fn whole(
        rule: &str,
        subject: impl Into<String>,
        says: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            rule: rule.to_owned(),
            severity: Severity::Broken,
            subject: subject.into(),
            says: says.into(),
            evidence: Vec::new(),
            next: next.into(),
            scope: Scope::Whole,
        }
    }

    /// A finding about a service or a kind of task.
    fn about(rule: &str, consumer: &str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            scope: Scope::Consumer(consumer.to_owned()),
            ..Self::whole(rule, consumer, says, next)
        }
    }

    fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    fn evidence(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(lines);
        self
    }

    /// Whether the other one, of a later rule, is no cause of its own.
    fn explains(&self, by: &Rule, other: &Self) -> bool {
        let follows = match by.explains {
            Explains::Everything => true,
            Explains::These(groups) => groups
                .iter()
                .any(|rules| rules.contains(&other.rule.as_str())),
        };
        let same = self.scope == Scope::Whole || self.scope == other.scope;
        self.severity == Severity::Broken && follows && same
    }
}

/// How many signals are looked for.
#[must_use]
pub fn checks() -> usize {
    RULES.len()
}

/// All that is wrong, causes first. What follows from a cause is named in its evidence.
/// With the name of a service or of a kind of task: only what concerns it.
#[must_use]
pub fn examine(evidence: &Evidence) -> Vec<Finding> {
    let mut found: Vec<(&Rule, Finding)> = Vec::new();
    // Symptoms are kept to the end: what they explain has the same cause.
    let mut causes: Vec<Option<usize>> = Vec::new();
    for rule in RULES {
        for finding in (rule.judge)(evidence) {
            let cause = found
                .iter()
                .position(|(by, cause)| cause.explains(by, &finding))
                .map(|cause| causes[cause].unwrap_or(cause));
            if let Some(cause) = cause {
                let line = format!("so: {}: {}", finding.subject, finding.says);
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

#[cfg(test)]
mod tests;
