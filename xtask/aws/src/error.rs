//! What can go wrong, in our own words.
//!
//! Service modules and the configuration return a [`CloudError`], because callers branch on its
//! [`Kind`]. Commands use `anyhow` and add context; `main` finds the `CloudError` in the chain and
//! takes the exit code and the hint from it. A command whose answer to a failure holds more than
//! the error returns a [`DetailedFailure`].

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use serde::Serialize;
use serde_json::Value;
use std::error::Error;
use xtask_aws_api::calls::services::FailedDeployment;
use xtask_aws_api::calls::tasks::TaskRun;
use xtask_aws_api::names::LOCAL;
use xtask_aws_api::{ErrorBody, ExitCode};

/// The kind of a failure. Callers branch on it, and it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request contradicts the manifest, or no request can be read.
    Usage,
    /// Something has to be set up first.
    Prerequisite,
    /// There are no credentials, or the service does not accept them.
    Credentials,
    /// `platform.toml` is invalid.
    Manifest,
    /// Nobody answered: the connection was refused, the host is unknown, or the time ran out.
    Unreachable,
    /// The credentials lack the right.
    Denied,
    /// What was named does not exist.
    NotFound,
    /// What was named exists already.
    Exists,
    /// Somebody else changed the thing in between, or it is not in the state that the call needs.
    Conflict,
    /// Somebody else holds the lock.
    Busy,
    /// The service answered with any other error, or reported a failure within a success.
    Service,
    /// A secret or one of its keys does not exist.
    SecretMissing,
    /// The service did its part, and what it ran failed.
    Failed,
    /// A signal ended the command.
    Interrupted,
}

impl Kind {
    /// The exit code of the process.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Failed => ExitCode::Failed,
            Self::Usage => ExitCode::Usage,
            Self::Prerequisite | Self::Credentials => ExitCode::Prerequisite,
            Self::Manifest => ExitCode::Manifest,
            Self::Busy => ExitCode::Busy,
            Self::Unreachable
            | Self::Denied
            | Self::NotFound
            | Self::Exists
            | Self::Conflict
            | Self::Service => ExitCode::Service,
            Self::SecretMissing => ExitCode::Secret,
            Self::Interrupted => ExitCode::Interrupted,
        }
    }

    /// The next command, where the error itself does not know one.
    fn default_hint(self, environment: &str) -> Option<String> {
        let local = environment == LOCAL;
        match self {
            Self::Unreachable if local => Some("cargo xtask cloud up".to_owned()),
            Self::Credentials if !local => Some(format!(
                "aws sso login, or set AWS_PROFILE, then cargo xtask preflight --env {environment}"
            )),
            Self::Denied if !local => Some(format!("cargo xtask preflight --env {environment}")),
            _ => None,
        }
    }
}

/// A failure: its kind, what failed and why, and the next command where one helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CloudError {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl CloudError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The hint to show for this error in `environment`.
    pub(crate) fn hint_for(&self, environment: &str) -> Option<String> {
        self.hint
            .clone()
            .or_else(|| self.kind.default_hint(environment))
    }

    /// The failure of an SDK call. `action` names the service, the call and its subject.
    pub(crate) fn from_sdk<E, R>(action: &str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(context) => {
                let code = context.err().code().unwrap_or("unknown error");
                let text = context.err().message().unwrap_or("no message");
                Self::new(
                    kind_of(code, text),
                    format!("{action}: {code}: {}", text.trim()),
                )
            }
            SdkError::TimeoutError(_) => Self::new(
                Kind::Unreachable,
                format!("{action}: no answer within the time allowed"),
            ),
            SdkError::DispatchFailure(failure) => {
                let causes = causes(&error);
                // The identity cache reports missing credentials as a failure to dispatch.
                let credentials = failure.is_other() && causes.contains("credential");
                let kind = if credentials {
                    Kind::Credentials
                } else {
                    Kind::Unreachable
                };
                Self::new(kind, format!("{action}: {causes}"))
            }
            _ => {
                let causes = causes(&error);
                let kind = if causes.contains("credential") {
                    Kind::Credentials
                } else {
                    Kind::Service
                };
                Self::new(kind, format!("{action}: {causes}"))
            }
        }
    }
}

/// A failure that is answered by an object with an `error` and more.
#[derive(Debug, thiserror::Error)]
#[error("{}", .error.message)]
pub(crate) struct DetailedFailure {
    error: ErrorBody,
    /// The whole object.
    pub(crate) value: Value,
    pub(crate) exit_code: ExitCode,
}

impl DetailedFailure {
    /// # Errors
    /// The object cannot be written as JSON.
    fn new(error: ErrorBody, exit_code: ExitCode, object: &impl Serialize) -> anyhow::Result<Self> {
        Ok(Self {
            error,
            value: serde_json::to_value(object)?,
            exit_code,
        })
    }

    /// A deployment does not serve.
    ///
    /// # Errors
    /// The object cannot be written as JSON.
    pub(crate) fn deployment(failed: &FailedDeployment) -> anyhow::Result<Self> {
        Self::new(failed.error.clone(), ExitCode::Deploy, failed)
    }

    /// A task ran and failed with this error.
    ///
    /// # Errors
    /// The object cannot be written as JSON.
    pub(crate) fn task(error: ErrorBody, run: &TaskRun) -> anyhow::Result<Self> {
        Self::new(error, ExitCode::Failed, run)
    }
}

/// Turns the error codes that we act on into kinds. Where a service does not have a code of its
/// own for "not found", its message decides.
fn kind_of(code: &str, message: &str) -> Kind {
    match code {
        "ClusterNotFoundException"
        | "NoSuchBucket"
        | "NoSuchEntity"
        | "NoSuchKey"
        // Of S3, where the answer has no body.
        | "NotFound"
        | "RepositoryNotFoundException"
        | "ResourceNotFoundException"
        | "ServiceNotFoundException" => Kind::NotFound,
        "ClientException" if message.contains("Unable to describe task definition") => {
            Kind::NotFound
        }
        "ClientException" if message.contains("Unable to find task definition") => Kind::NotFound,
        "ValidationError" if message.contains("does not exist") => Kind::NotFound,
        "BucketAlreadyOwnedByYou"
        | "EntityAlreadyExists"
        | "ImageAlreadyExistsException"
        | "RepositoryAlreadyExistsException"
        | "ResourceAlreadyExistsException"
        | "ResourceExistsException" => Kind::Exists,
        "ConditionalRequestConflict" | "PreconditionFailed" => Kind::Conflict,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => Kind::Denied,
        // The service was asked too often. As without an answer, it can be asked again.
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => Kind::Unreachable,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Kind::Credentials,
        _ => Kind::Service,
    }
}

/// The chain of sources on one line, without repetitions.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_kinds() {
        assert_eq!(kind_of("NoSuchEntity", ""), Kind::NotFound);
        assert_eq!(
            kind_of("ValidationError", "Stack with id CDKToolkit does not exist"),
            Kind::NotFound
        );
        assert_eq!(kind_of("ValidationError", "name too long"), Kind::Service);
        assert_eq!(kind_of("AccessDeniedException", ""), Kind::Denied);
        assert_eq!(kind_of("ExpiredToken", ""), Kind::Credentials);
    }

    #[test]
    fn unreachable_hints_at_the_local_cloud_only_locally() {
        let error = CloudError::new(Kind::Unreachable, "sts GetCallerIdentity: refused");
        assert_eq!(
            error.hint_for("local").as_deref(),
            Some("cargo xtask cloud up")
        );
        assert_eq!(error.hint_for("dev"), None);
        assert_eq!(
            error.hint("look elsewhere").hint_for("local").as_deref(),
            Some("look elsewhere")
        );
    }
}
