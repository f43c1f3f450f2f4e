//! What can go wrong, said in our words.
//!
//! Service modules and the configuration return [`CloudError`], because callers
//! branch on its [`Kind`]; commands use `anyhow` and add context. `main` finds
//! the `CloudError` in the chain and takes exit code and hint from it.

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// What kind of failure it was; callers branch on it and it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command line contradicts itself or the manifest.
    Usage,
    /// Something has to be set up first.
    Prerequisite,
    /// There are no credentials, or the service does not accept them.
    Credentials,
    /// `platform.toml` is invalid.
    Manifest,
    /// No answer: refused, unresolved or past its time.
    Unreachable,
    /// The credentials lack the right.
    Denied,
    /// The thing named does not exist.
    NotFound,
    /// The thing named exists already.
    Exists,
    /// Somebody else changed the thing in between, or it is not as the call expected.
    Conflict,
    /// Somebody else holds the lock.
    Busy,
    /// The service answered with any other error, or with a failure in a success.
    Service,
    /// A secret or one of its keys does not exist.
    SecretMissing,
    /// The service did its part and the thing that ran failed.
    Failed,
    /// What was deployed does not serve.
    Deploy,
    /// A signal ended the command.
    Interrupted,
}

impl Kind {
    /// The exit code of the process; the codes are those of `cargo xtask`.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Prerequisite | Self::Credentials => 3,
            Self::Manifest => 4,
            Self::Busy => 7,
            Self::Unreachable
            | Self::Denied
            | Self::NotFound
            | Self::Exists
            | Self::Conflict
            | Self::Service => 8,
            Self::SecretMissing => 9,
            Self::Deploy => 10,
            Self::Interrupted => 130,
        }
    }

    /// The next command where the error itself knows none.
    fn default_hint(self, environment: &str) -> Option<String> {
        let local = environment == "local";
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

/// A failure with its kind, what failed and why, and the next command where one helps.
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

    /// What an SDK call came to. `action` names the service, the call and its subject.
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

/// Turns the error codes that we act on into kinds. Where a service has no code
/// of its own for "not found", its message decides.
fn kind_of(code: &str, message: &str) -> Kind {
    match code {
        "ClusterNotFoundException"
        | "NoSuchBucket"
        | "NoSuchEntity"
        | "NoSuchKey"
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
        // Asked too often: the same as no answer, to be asked again.
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => Kind::Unreachable,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Kind::Credentials,
        _ => Kind::Service,
    }
}

/// The chain of sources on one line, less repetitions.
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
