//! What those who read an application found.

use crate::roles::json_block;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Findings that are read of one answer. More would be noise for whoever must mend them.
const MAX_FINDINGS: usize = 20;

/// The answer of a reviewer, tester, or whoever else looks at an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Review {
    verdict: Verdict,
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Approve,
    Changes,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// How much it matters.
    pub(crate) severity: Severity,
    /// Where.
    #[serde(default)]
    pub(crate) file: Option<String>,
    /// What is wrong, and what would be right.
    pub(crate) says: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// It must be mended.
    Blocking,
    /// It could be better.
    Advice,
}

impl Review {
    /// The review in the words of who made it.
    ///
    /// # Errors
    /// It is of another form. The words are for who made it.
    pub(crate) fn read(words: &str) -> Result<Self> {
        let block = json_block(words)?;
        serde_json::from_str(&block).context("the code block is not what was asked for")
    }

    /// Whether it asks for nothing that must be mended. An approval with a blocking finding is none, and
    /// changes without one are advice.
    pub(crate) fn approves(&self) -> bool {
        self.blocking().next().is_none()
    }

    /// What must be mended.
    pub(crate) fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings()
            .filter(|finding| finding.severity == Severity::Blocking)
    }

    /// All of it, within bounds.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().take(MAX_FINDINGS)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(formatter, "{file}: {}", self.says),
            None => formatter.write_str(&self.says),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(json: &str) -> Review {
        Review::read(&format!("```json\n{json}\n```")).unwrap()
    }

    #[test]
    fn only_what_blocks_keeps_it_from_being_published() {
        let nothing = review(r#"{"verdict":"approve","findings":[]}"#);
        assert!(nothing.approves() && nothing.findings().next().is_none());
        assert!(review(r#"{"verdict":"changes"}"#).approves());
        let blocked = review(
            r#"{"verdict":"approve","findings":[
                {"severity":"advice","says":"a"},
                {"severity":"blocking","file":"b.js","says":"it loses data"}
            ]}"#,
        );
        assert!(!blocked.approves());
        let blocking: Vec<String> = blocked.blocking().map(Finding::to_string).collect();
        assert_eq!(blocking, ["b.js: it loses data"]);
        assert_eq!(blocked.findings().next().unwrap().to_string(), "a");
    }

    #[test]
    fn an_answer_of_another_form_is_refused() {
        for json in [
            "[]",
            r#"{"verdict":"fine"}"#,
            r#"{"verdict":"approve","findings":[{}]}"#,
        ] {
            assert!(Review::read(&format!("```json\n{json}\n```")).is_err());
        }
    }
}
