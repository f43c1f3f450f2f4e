//! Why BuildKit would refuse a Dockerfile.

/// Something in a Dockerfile that BuildKit refuses too.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", .instruction.as_ref().map(|name| format!("{name}: ")).unwrap_or_default())]
pub(super) struct Refusal {
    /// Counted from 1; nothing where the whole file is meant.
    pub(super) line: Option<usize>,
    /// The instruction or directive; nothing where the whole file is meant.
    pub(super) instruction: Option<String>,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn at(line: usize, instruction: &str, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            instruction: Some(instruction.to_owned()),
            message: message.into(),
        }
    }

    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self {
            line: None,
            instruction: None,
            message: message.into(),
        }
    }
}
