//! What a job begins with that does not begin with nothing.

use serde::{Deserialize, Serialize};

use crate::spec::checks::{SpecError, invalid, validate_uri};
use crate::text::excerpt;

/// Name, under the job's artifact URI, of the history that a job begins with: a git bundle. It is a copy,
/// so that a generator reads nothing outside of its job's folder.
pub const START_BUNDLE_NAME: &str = "start.bundle";

/// A commit of an application that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFrom {
    /// A git bundle that holds the commit, `s3://…` or `file:///…`.
    pub bundle_uri: String,
    /// The commit's id: 40 or 64 hexadecimal digits in lower case.
    pub commit: String,
}

impl StartFrom {
    pub(super) fn validate(&self) -> Result<(), SpecError> {
        validate_uri("start_from", &self.bundle_uri)?;
        if is_commit_id(&self.commit) {
            return Ok(());
        }
        let commit = excerpt(self.commit.as_bytes());
        Err(invalid(
            "start_from",
            format!("names commit {commit:?}, which is no id of one"),
        ))
    }
}

/// Whether it is the id of a commit: 40 or 64 hexadecimal digits in lower case.
#[must_use]
pub fn is_commit_id(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    matches!(text.len(), 40 | 64) && text.bytes().all(is_digit)
}
