//! What the fields of a spec may hold, and why a spec is refused.

use crate::CONTRACT_VERSION;
use crate::text::excerpt;

/// Maximum number of characters of a description, after trimming.
pub const MAX_DESCRIPTION_CHARS: usize = 4000;

/// Maximum size of a spec file in bytes. The longest texts fit, even if JSON escapes each of their
/// characters as a surrogate pair.
pub const MAX_SPEC_BYTES: usize = 128 * 1024;

/// Why a spec is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// More than [`MAX_SPEC_BYTES`].
    #[error("job spec has {bytes} bytes, more than {MAX_SPEC_BYTES}")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON, or fields are missing or of the wrong type.
    #[error("job spec is not valid JSON: {reason}")]
    NotJson {
        /// What the JSON reader says.
        reason: String,
    },
    /// Written for another contract.
    #[error("job spec has version {found}, this program reads version {CONTRACT_VERSION}")]
    WrongVersion {
        /// The version found.
        found: String,
    },
    /// A field holds what it must not.
    #[error("{field} {reason}")]
    Invalid {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> SpecError {
    SpecError::Invalid {
        field,
        reason: reason.into(),
    }
}

/// Checks `[A-Za-z0-9_-]{1,64}`.
///
/// # Errors
/// [`SpecError::Invalid`].
pub fn validate_job_id(job_id: &str) -> Result<(), SpecError> {
    validate_word("job_id", job_id, 64)
}

/// Trims a description and checks that 1 to [`MAX_DESCRIPTION_CHARS`] characters are left, NUL not
/// among them (PostgreSQL cannot store it).
///
/// # Errors
/// [`SpecError::Invalid`].
pub fn validate_description(description: &str) -> Result<&str, SpecError> {
    validate_text("description", description, MAX_DESCRIPTION_CHARS)
}

pub(super) fn validate_text<'text>(
    field: &'static str,
    text: &'text str,
    max_chars: usize,
) -> Result<&'text str, SpecError> {
    let trimmed = text.trim();
    let characters = trimmed.chars().count();
    if characters == 0 {
        return Err(invalid(field, "is empty"));
    }
    if characters > max_chars {
        let reason = format!("has {characters} characters, more than {max_chars}");
        return Err(invalid(field, reason));
    }
    if trimmed.contains('\0') {
        return Err(invalid(field, "contains a NUL character"));
    }
    Ok(trimmed)
}

/// Checks for `s3://bucket/prefix` or `file:///absolute/path`, without empty, `.` or `..` segments.
///
/// # Errors
/// [`SpecError::Invalid`].
pub fn validate_artifact_uri(uri: &str) -> Result<(), SpecError> {
    validate_uri("artifact_uri", uri)
}

pub(super) fn validate_uri(field: &'static str, uri: &str) -> Result<(), SpecError> {
    let refused = |reason: &str| {
        let uri = excerpt(uri.as_bytes());
        Err(invalid(field, format!("{uri:?} {reason}")))
    };
    let Some(path) = uri
        .strip_prefix("s3://")
        .or_else(|| uri.strip_prefix("file:///"))
    else {
        return refused("is neither s3://bucket/prefix nor file:///absolute/path");
    };
    let path = path.trim_end_matches('/');
    if path
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
    {
        return refused("has an empty, `.` or `..` segment");
    }
    if path.chars().any(char::is_control) {
        return refused("has a control character");
    }
    Ok(())
}

/// Providers choose the names of their models, so only what no name has is refused.
pub(super) fn validate_model(model: &str) -> Result<(), SpecError> {
    let fits =
        (1..=128).contains(&model.len()) && model.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(());
    }
    let model = excerpt(model.as_bytes());
    Err(invalid(
        "model",
        format!("{model:?} is not 1 to 128 printable characters of ASCII"),
    ))
}

pub(super) fn validate_provider(provider: &str) -> Result<(), SpecError> {
    validate_word("provider", provider, 32)
}

pub(super) fn validate_word(
    field: &'static str,
    word: &str,
    max_length: usize,
) -> Result<(), SpecError> {
    let fits = (1..=max_length).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if fits {
        return Ok(());
    }
    let word = excerpt(word.as_bytes());
    Err(invalid(
        field,
        format!("{word:?} is not [A-Za-z0-9_-]{{1,{max_length}}}"),
    ))
}
