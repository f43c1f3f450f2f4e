//! The job spec: what the orchestrator asks of one generator process.

use serde::{Deserialize, Serialize};

use crate::CONTRACT_VERSION;
use crate::text::excerpt;

/// Maximum number of characters of a description, after trimming.
pub const MAX_DESCRIPTION_CHARS: usize = 4000;

/// Maximum size of a spec file in bytes. 4000 characters fit, even if JSON escapes each of them as a
/// surrogate pair.
pub const MAX_SPEC_BYTES: usize = 64 * 1024;

/// Name of the result under the job's artifact URI.
pub const ARTIFACT_NAME: &str = "app.zip";

/// Name of the spec under the job's artifact URI.
pub const SPEC_NAME: &str = "spec.json";

/// One job, as JSON in a file or an object of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// [`CONTRACT_VERSION`].
    pub version: u64,
    /// `[A-Za-z0-9_-]{1,64}`.
    pub job_id: String,
    /// Description of the application in the user's words; untrusted.
    pub description: String,
    /// The provider that makes it, `template` for example.
    pub provider: String,
    /// The folder of the job's results, `s3://bucket/prefix` or `file:///absolute/path`.
    pub artifact_uri: String,
}

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

impl JobSpec {
    /// A checked spec of the present version; `description` is trimmed.
    ///
    /// # Errors
    /// [`SpecError::Invalid`] for the first field that holds what it must not.
    pub fn new(
        job_id: &str,
        description: &str,
        provider: &str,
        artifact_uri: &str,
    ) -> Result<Self, SpecError> {
        validate_job_id(job_id)?;
        let description = validate_description(description)?;
        validate_provider(provider)?;
        validate_artifact_uri(artifact_uri)?;
        Ok(Self {
            version: CONTRACT_VERSION,
            job_id: job_id.to_owned(),
            description: description.to_owned(),
            provider: provider.to_owned(),
            artifact_uri: artifact_uri.trim_end_matches('/').to_owned(),
        })
    }

    /// Reads and checks a spec. Fields this version does not know are ignored.
    ///
    /// # Errors
    /// Any [`SpecError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, SpecError> {
        if bytes.len() > MAX_SPEC_BYTES {
            return Err(SpecError::TooLong { bytes: bytes.len() });
        }
        let not_json = |error: serde_json::Error| SpecError::NotJson {
            reason: error.to_string(),
        };
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(not_json)?;
        match value.get("version") {
            Some(version) if version.as_u64() == Some(CONTRACT_VERSION) => {}
            Some(version) => {
                return Err(SpecError::WrongVersion {
                    found: excerpt(version.to_string().as_bytes()),
                });
            }
            None => {
                return Err(SpecError::WrongVersion {
                    found: "none".to_owned(),
                });
            }
        }
        let spec: Self = serde_json::from_value(value).map_err(not_json)?;
        Self::new(
            &spec.job_id,
            &spec.description,
            &spec.provider,
            &spec.artifact_uri,
        )
    }

    /// The spec as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
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
    let invalid = |reason: String| {
        Err(SpecError::Invalid {
            field: "description",
            reason,
        })
    };
    let trimmed = description.trim();
    let characters = trimmed.chars().count();
    if characters == 0 {
        return invalid("is empty".to_owned());
    }
    if characters > MAX_DESCRIPTION_CHARS {
        return invalid(format!(
            "has {characters} characters, more than {MAX_DESCRIPTION_CHARS}"
        ));
    }
    if trimmed.contains('\0') {
        return invalid("contains a NUL character".to_owned());
    }
    Ok(trimmed)
}

/// Checks for `s3://bucket/prefix` or `file:///absolute/path`, without empty, `.` or `..` segments.
///
/// # Errors
/// [`SpecError::Invalid`].
pub fn validate_artifact_uri(uri: &str) -> Result<(), SpecError> {
    let invalid = |reason: &str| {
        Err(SpecError::Invalid {
            field: "artifact_uri",
            reason: format!("{:?} {reason}", excerpt(uri.as_bytes())),
        })
    };
    let Some(path) = uri
        .strip_prefix("s3://")
        .or_else(|| uri.strip_prefix("file:///"))
    else {
        return invalid("is neither s3://bucket/prefix nor file:///absolute/path");
    };
    let path = path.trim_end_matches('/');
    if path
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
    {
        return invalid("has an empty, `.` or `..` segment");
    }
    if path.chars().any(char::is_control) {
        return invalid("has a control character");
    }
    Ok(())
}

fn validate_provider(provider: &str) -> Result<(), SpecError> {
    validate_word("provider", provider, 32)
}

fn validate_word(field: &'static str, word: &str, max_length: usize) -> Result<(), SpecError> {
    let fits = (1..=max_length).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if fits {
        return Ok(());
    }
    Err(SpecError::Invalid {
        field,
        reason: format!(
            "{:?} is not [A-Za-z0-9_-]{{1,{max_length}}}",
            excerpt(word.as_bytes())
        ),
    })
}

/// `name` under the folder `base_uri`.
#[must_use]
pub fn join_uri(base_uri: &str, name: &str) -> String {
    format!("{}/{name}", base_uri.trim_end_matches('/'))
}

/// Name, under the job's artifact URI, of a body that was too long for its line.
#[must_use]
pub fn event_body_name(sequence: u64) -> String {
    format!("events/{sequence:06}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> JobSpec {
        JobSpec::new(
            "job-1",
            " a list of books ",
            "template",
            "s3://bucket/jobs/job-1/",
        )
        .unwrap()
    }

    #[test]
    fn round_trip() {
        let spec = spec();
        assert_eq!(spec.description, "a list of books");
        assert_eq!(spec.artifact_uri, "s3://bucket/jobs/job-1");
        assert_eq!(JobSpec::from_json(spec.to_json().as_bytes()), Ok(spec));
    }

    #[test]
    fn the_longest_description_fits() {
        let description = "\u{1}".repeat(MAX_DESCRIPTION_CHARS - 2);
        let spec =
            JobSpec::new("j", &format!("x{description}x"), "template", "file:///out").unwrap();
        assert_eq!(JobSpec::from_json(spec.to_json().as_bytes()), Ok(spec));
    }

    #[test]
    fn refusals_name_the_field() {
        let refusal = |json: &str| JobSpec::from_json(json.as_bytes()).unwrap_err().to_string();
        let with = |field: &str, value: serde_json::Value| {
            let mut json = serde_json::json!(spec());
            json[field] = value;
            refusal(&json.to_string())
        };
        assert!(refusal("{").starts_with("job spec is not valid JSON"));
        assert!(refusal("[]").contains("version none"));
        assert!(refusal(r#"{"version":1}"#).contains("missing field `job_id`"));
        assert!(with("version", 2.into()).contains("version 2"));
        assert!(with("job_id", "a/../b".into()).starts_with("job_id \"a/../b\" is not"));
        assert!(with("job_id", "".into()).starts_with("job_id"));
        assert_eq!(with("description", " \n ".into()), "description is empty");
        assert!(with("description", "é".repeat(4001).into()).contains("4001 characters"));
        assert!(with("description", "a\0b".into()).contains("NUL"));
        assert!(with("provider", "Template!".into()).starts_with("provider"));
        for uri in [
            "http://x/y",
            "s3://",
            "s3://b/../c",
            "file://host/x",
            "file:///",
            "s3://b//c",
            "s3://b/a\nb",
        ] {
            assert!(
                with("artifact_uri", uri.into()).starts_with("artifact_uri"),
                "{uri}"
            );
        }
        assert!(refusal(&" ".repeat(MAX_SPEC_BYTES + 1)).contains("more than 65536"));
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let mut json = serde_json::json!(spec());
        json["later"] = true.into();
        assert_eq!(JobSpec::from_json(json.to_string().as_bytes()), Ok(spec()));
    }

    #[test]
    fn names() {
        assert_eq!(
            join_uri("s3://bucket/jobs/1/", ARTIFACT_NAME),
            "s3://bucket/jobs/1/app.zip"
        );
        assert_eq!(event_body_name(7), "events/000007.json");
    }
}
