//! The job spec: what the orchestrator asks of one generator process, which is one attempt of a job.
//!
//! Each attempt has a spec of its own, so that a task of an earlier one that starts late never reads what
//! a later one is asked.

mod attachment;
mod attempt;
mod checks;
mod choice;
mod delivery;
mod origin;
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
pub use delivery::{Delivery, DeliveryTarget, MAX_URL_BYTES};
pub use origin::{MAX_REQUEST_ID_BYTES, Origin, is_request_id, trace_of};
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
    /// What a change begins with, or what is delivered; of a creation, the template that a person made, if it
    /// begins with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<StartFrom>,
    /// Where it is delivered to. Nothing but a delivery has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
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
    /// The request that the job comes from; a job that nobody asked for over HTTP has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// A new application.
    Create,
    /// Another version of one that exists.
    Change,
    /// A version goes to where its users get it. No agent has a part in it.
    Deliver,
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
            delivery: None,
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
            origin: None,
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
            (JobKind::Deliver, None) => {
                return Err(invalid("start_from", "is missing, and a delivery needs it"));
            }
        }
        match (self.kind, &mut self.delivery) {
            (JobKind::Deliver, Some(delivery)) => delivery.checked()?,
            (JobKind::Create | JobKind::Change, None) => {}
            (JobKind::Deliver, None) => {
                return Err(invalid("delivery", "is missing, and a delivery needs it"));
            }
            (JobKind::Create | JobKind::Change, Some(_)) => {
                return Err(invalid("delivery", "is given, and only a delivery has one"));
            }
        }
        if let Some(template) = &self.template {
            validate_word("template", template, 32)?;
            if self.kind != JobKind::Create || self.start_from.is_some() {
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
        if let Some(origin) = &self.origin {
            origin.validate()?;
        }
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
mod tests;
