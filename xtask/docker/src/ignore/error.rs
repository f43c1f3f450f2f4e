//! The error for a pattern that Docker refuses.

/// A pattern that Docker refuses too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern `{pattern}` is malformed: {reason}")]
pub struct PatternError {
    /// The line in the ignore file, counted from 1.
    pub line: usize,
    /// The pattern as Docker reads it, without blanks around it.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl PatternError {
    pub(super) fn new(line: usize, pattern: &str, reason: &str) -> Self {
        let visible = |character: char| match character {
            _ if character.is_control() => character.escape_default().to_string(),
            _ => character.to_string(),
        };
        Self {
            line,
            pattern: pattern.chars().map(visible).collect(),
            reason: reason.to_owned(),
        }
    }
}
