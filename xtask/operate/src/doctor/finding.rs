//! What the rules find.

use serde::Serialize;
use xtask_aws_api::Rule;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Users or jobs are not served, or will not be when the next task starts.
    Broken,
    /// Users and jobs are served, at least for now.
    Warning,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The machine or the environment, on which everything depends.
    Whole,
    /// A service or a kind of task, by its name in the manifest.
    Consumer(String),
}

/// Something that is wrong. This is what `doctor --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the rule that found it.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// The part of this machine, service, kind of task or alarm that is wrong.
    pub subject: String,
    /// What is wrong with it, in plain words.
    pub says: String,
    /// The facts that it was concluded from, one per line, and the findings that follow from it.
    pub evidence: Vec<String>,
    /// What to do next, for instance a command.
    pub next: String,
    /// What it is about, for the rules.
    #[serde(skip)]
    pub(super) scope: Scope,
}

impl Finding {
    /// Something broken that everything may depend on.
    pub(super) fn whole(
        rule: impl Into<Rule>,
        subject: impl Into<String>,
        says: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            rule: rule.into(),
            severity: Severity::Broken,
            subject: subject.into(),
            says: says.into(),
            evidence: Vec::new(),
            next: next.into(),
            scope: Scope::Whole,
        }
    }

    /// Something broken in a service or a kind of task.
    pub(super) fn about(
        rule: impl Into<Rule>,
        consumer: &str,
        says: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            scope: Scope::Consumer(consumer.to_owned()),
            ..Self::whole(rule, consumer, says, next)
        }
    }

    /// The same as a warning.
    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Adds facts.
    pub(super) fn evidence(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(lines);
        self
    }
}
