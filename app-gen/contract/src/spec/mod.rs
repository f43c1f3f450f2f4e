//! The job spec: what the orchestrator asks of one generator process, which is one attempt of a job.
//!
//! Each attempt has a spec of its own, so that a task of an earlier one that starts late never reads what
//! a later one is asked.

mod attachment;
mod attempt;
mod checks;
mod choice;
mod start;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::CONTRACT_VERSION;
use crate::spec::checks::{invalid, validate_model, validate_provider, validate_word};
use crate::text::excerpt;

pub use attachment::{
    Attachment, MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MediaType, attachment_name,
    validate_attachment_name,
};
pub use attempt::{
    ApprovalPoint, Attempt, CheckpointId, Decided, Decision, MAX_DECISION_CHARS, Used,
    checkpoints_of,
};
pub use checks::{
    MAX_DESCRIPTION_CHARS, MAX_SPEC_BYTES, SpecError, validate_artifact_uri, validate_description,
    validate_job_id,
};
pub use choice::{Choice, Fallback};
pub use start::{START_BUNDLE_NAME, StartFrom, is_commit_id};

/// Name of the result under the job's artifact URI.
pub const ARTIFACT_NAME: &str = "app.zip";

/// Name, under the job's artifact URI, of the history of the application: a git bundle.
pub const BUNDLE_NAME: &str = "app.bundle";

/// One attempt of a job, as JSON in a file or an object of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// [`CONTRACT_VERSION`].
    pub version: u64,
    /// `[A-Za-z0-9_-]{1,64}`.
    pub job_id: String,
    /// What is to be done.
    pub kind: JobKind,
    /// The application, or the change, in the user's words; untrusted.
    pub description: String,
    /// What a change begins with; of a creation, the template that a person made, if it begins with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<StartFrom>,
    /// The built-in template that a creation begins with, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Files that the person attached. The number of each is its place here, from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Which attempt it is, and what came before it.
    pub attempt: Attempt,
    /// The provider of every role that chooses none, `template` for example.
    pub provider: String,
    /// The model of every role that chooses none; without it, each role has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who goes on for every role that chooses nobody, when a limit of its provider is reached; without it,
    /// the job waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// What is chosen for single roles, by the role's name.
    #[serde(default)]
    pub roles: BTreeMap<String, Choice>,
    /// How much all attempts together may use.
    #[serde(default)]
    pub budget: Budget,
    /// Where a person wants to decide before the work goes on.
    #[serde(default)]
    pub approvals: BTreeSet<ApprovalPoint>,
    /// The folder of the job's results, `s3://bucket/prefix` or `file:///absolute/path`.
    pub artifact_uri: String,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// A new application.
    Create,
    /// Another version of one that exists.
    Change,
}

/// How much may be used; what is left out has no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_usd: Option<u64>,
    /// Tokens of all kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Minutes that generators run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
    /// Iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
}

impl JobSpec {
    /// The checked spec of the first attempt to create an application, without choices for single roles,
    /// without bounds and without approvals.
    ///
    /// # Errors
    /// [`SpecError::Invalid`] for the first field that holds what it must not.
    pub fn new(
        job_id: &str,
        description: &str,
        provider: &str,
        artifact_uri: &str,
    ) -> Result<Self, SpecError> {
        let spec = Self {
            version: CONTRACT_VERSION,
            job_id: job_id.to_owned(),
            kind: JobKind::Create,
            description: description.to_owned(),
            start_from: None,
            template: None,
            attachments: Vec::new(),
            attempt: Attempt::default(),
            provider: provider.to_owned(),
            model: None,
            fallback: None,
            roles: BTreeMap::new(),
            budget: Budget::default(),
            approvals: BTreeSet::new(),
            artifact_uri: artifact_uri.to_owned(),
        };
        spec.checked()
    }

    /// The same spec with trimmed texts, once every field holds what it may.
    ///
    /// # Errors
    /// [`SpecError::Invalid`] for the first field that holds what it must not.
    pub fn checked(mut self) -> Result<Self, SpecError> {
        validate_job_id(&self.job_id)?;
        self.description = validate_description(&self.description)?.to_owned();
        match (self.kind, &self.start_from) {
            (_, Some(start)) => start.validate()?,
            (JobKind::Create, None) => {}
            (JobKind::Change, None) => {
                return Err(invalid("start_from", "is missing, and a change needs it"));
            }
        }
        if let Some(template) = &self.template {
            validate_word("template", template, 32)?;
            if self.kind == JobKind::Change || self.start_from.is_some() {
                let reason = "is given, and the job begins with something else";
                return Err(invalid("template", reason));
            }
        }
        if self.attachments.len() > MAX_ATTACHMENTS {
            let reason = format!(
                "has {} files, more than {MAX_ATTACHMENTS}",
                self.attachments.len()
            );
            return Err(invalid("attachments", reason));
        }
        for attachment in &self.attachments {
            attachment.validate()?;
        }
        self.attempt.check()?;
        validate_provider(&self.provider)?;
        if let Some(model) = &self.model {
            validate_model(model)?;
        }
        if let Some(fallback) = &self.fallback {
            fallback.validate()?;
        }
        for (role, choice) in &self.roles {
            validate_word("roles", role, 32)?;
            choice.validate()?;
        }
        validate_artifact_uri(&self.artifact_uri)?;
        self.artifact_uri = self.artifact_uri.trim_end_matches('/').to_owned();
        Ok(self)
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
        spec.checked()
    }

    /// The spec as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// `name` under the folder `base_uri`.
#[must_use]
pub fn join_uri(base_uri: &str, name: &str) -> String {
    format!("{}/{name}", base_uri.trim_end_matches('/'))
}

/// Name, under the job's artifact URI, of the spec of an attempt: `spec.json`, `spec-2.json`, …
#[must_use]
pub fn spec_name(attempt: u32) -> String {
    match attempt {
        0 | 1 => "spec.json".to_owned(),
        later => format!("spec-{later}.json"),
    }
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
        assert!(refusal(r#"{"version":2}"#).contains("missing field `job_id`"));
        assert_eq!(
            with("version", 1.into()),
            "job spec has version 1, this program reads version 2"
        );
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
        assert!(refusal(&" ".repeat(MAX_SPEC_BYTES + 1)).contains("more than 131072"));
    }

    /// What a later attempt to change an application may be asked.
    fn change() -> JobSpec {
        let spec = JobSpec {
            kind: JobKind::Change,
            start_from: Some(StartFrom {
                bundle_uri: "s3://bucket/jobs/job-0/app.bundle".to_owned(),
                commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            }),
            attempt: Attempt {
                number: 2,
                after_sequence: 17,
                used: Used {
                    micro_usd: 1_250_000,
                    tokens: 90_000,
                    seconds: 61,
                    iterations: 3,
                },
                checkpoint: Some(CheckpointId {
                    attempt: 1,
                    number: 4,
                }),
                decision: Some(Decided {
                    point: ApprovalPoint::BeforePublish,
                    decision: Decision::Rejected {
                        reason: " too blue ".to_owned(),
                    },
                }),
            },
            roles: BTreeMap::from([(
                "builder".to_owned(),
                Choice {
                    provider: Some("claude".to_owned()),
                    model: None,
                    fallback: Some(Fallback {
                        provider: "codex".to_owned(),
                        model: Some("gpt-6-sol".to_owned()),
                    }),
                },
            )]),
            budget: Budget {
                micro_usd: Some(5_000_000),
                iterations: Some(8),
                ..Budget::default()
            },
            model: Some("claude-opus-5-5".to_owned()),
            approvals: BTreeSet::from([ApprovalPoint::BeforePublish]),
            ..spec()
        };
        spec.checked().unwrap()
    }

    #[test]
    fn the_wire_form_is_the_documented_one() {
        let json = serde_json::json!({
            "version": 2, "job_id": "job-1", "kind": "change", "description": "a list of books",
            "start_from": {
                "bundle_uri": "s3://bucket/jobs/job-0/app.bundle",
                "commit": "0123456789abcdef0123456789abcdef01234567",
            },
            "attempt": {
                "number": 2, "after_sequence": 17,
                "used": { "micro_usd": 1_250_000, "tokens": 90_000, "seconds": 61, "iterations": 3 },
                "checkpoint": { "attempt": 1, "number": 4 },
                "decision": { "point": "before_publish", "decision": "rejected", "reason": "too blue" },
            },
            "provider": "template", "model": "claude-opus-5-5",
            "roles": { "builder": {
                "provider": "claude", "fallback": { "provider": "codex", "model": "gpt-6-sol" },
            } },
            "budget": { "micro_usd": 5_000_000, "iterations": 8 },
            "approvals": ["before_publish"],
            "artifact_uri": "s3://bucket/jobs/job-1",
        });
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&change().to_json()).unwrap(),
            json
        );
        assert_eq!(
            JobSpec::from_json(json.to_string().as_bytes()),
            Ok(change())
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refusal = |alter: fn(&mut JobSpec)| {
            let mut spec = change();
            alter(&mut spec);
            spec.checked().unwrap_err().to_string()
        };
        assert!(
            refusal(|spec| spec.template = Some("list".into())).starts_with("template is given")
        );
        assert!(refusal(|spec| spec.start_from = None).starts_with("start_from is missing"));
        assert!(refusal(|spec| spec.attempt.number = 1).starts_with("attempt has a number from 1"));
        assert!(refusal(|spec| spec.attempt.number = 0).starts_with("attempt has a number from 1"));
        for commit in ["HEAD", "0123", &"A".repeat(40)] {
            let mut spec = change();
            spec.start_from.as_mut().unwrap().commit = commit.to_owned();
            let refusal = spec.checked().unwrap_err().to_string();
            assert!(refusal.starts_with("start_from names commit"), "{refusal}");
        }
        let words = "é".repeat(MAX_DECISION_CHARS + 1);
        for (notes, reason) in [(" ", "attempt is empty"), (&*words, "attempt has 2001")] {
            let mut spec = change();
            spec.attempt.decision.as_mut().unwrap().decision = Decision::Deferred {
                notes: notes.to_owned(),
            };
            assert!(spec.checked().unwrap_err().to_string().starts_with(reason));
        }
        let mut spec = change();
        spec.roles.get_mut("builder").unwrap().model = Some("a b".to_owned());
        assert!(spec.checked().unwrap_err().to_string().starts_with("model"));
        assert!(refusal(|spec| spec.model = Some(String::new())).starts_with("model"));
        let json = change()
            .to_json()
            .replace("\"iterations\":8", "\"hours\":8");
        let refusal = JobSpec::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(refusal.contains("unknown field `hours`"), "{refusal}");
        let json = change().to_json().replace("5000000", "0.5");
        assert!(
            JobSpec::from_json(json.as_bytes()).is_err(),
            "money is whole"
        );
    }

    #[test]
    fn a_creation_may_begin_with_a_template() {
        let own = JobSpec {
            kind: JobKind::Create,
            ..change()
        };
        assert!(own.checked().is_ok());
        let with = |template: &str| JobSpec {
            template: Some(template.to_owned()),
            ..spec()
        };
        let spec = with("list").checked().unwrap();
        assert_eq!(JobSpec::from_json(spec.to_json().as_bytes()), Ok(spec));
        assert!(with("../list").checked().is_err());
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
        assert_eq!(
            [1, 2, 17].map(spec_name),
            ["spec.json", "spec-2.json", "spec-17.json"]
        );
        let checkpoint = CheckpointId {
            attempt: 2,
            number: 7,
        };
        assert_eq!(checkpoint.folder(), "checkpoints/2/0007");
    }
}
