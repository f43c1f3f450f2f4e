//! Why a job ends without a result, as the `failed` event reports it.

use app_gen_contract::exit;

/// A reason, what to do about it, and the exit code it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    pub(crate) exit_code: u8,
}

impl Failure {
    /// The environment or the spec cannot be used.
    pub(crate) fn bad_spec(reason: impl Into<String>, hint: &str) -> Self {
        Self {
            reason: reason.into(),
            hint: Some(hint.to_owned()),
            exit_code: exit::BAD_SPEC,
        }
    }

    /// The job itself failed.
    pub(crate) fn job(reason: impl Into<String>, hint: &str) -> Self {
        Self {
            reason: reason.into(),
            hint: Some(hint.to_owned()),
            exit_code: exit::FAILED,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            reason: reason(&error),
            hint: None,
            exit_code: exit::FAILED,
        }
    }
}

/// An error and its causes in one line. A cause that the text already contains is left out: the
/// object store's errors print their sources themselves.
pub(crate) fn reason(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |text, cause| {
            if text.is_empty() {
                cause
            } else if text.contains(&cause) {
                text
            } else {
                format!("{text}: {cause}")
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_printed_once() {
        let error = anyhow::anyhow!("no route")
            .context("cannot connect: no route")
            .context("cannot read x");
        assert_eq!(reason(&error), "cannot read x: cannot connect: no route");
    }
}
