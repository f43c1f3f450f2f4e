//! The answers to requests that cannot be served.
//!
//! `ApiError` is for the edge: its message goes to the caller. Inside, functions return `StoreError`,
//! `LaunchError` or the like where a caller branches, and `anyhow::Error` where none does; of those only
//! the log sees the text.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::problem::{Code, Problem};
use crate::stores::StoreError;

/// Seconds after which a part that does not answer may do so again: most are away for a moment.
const UNAVAILABLE_SECS: u32 = 5;

/// An answer that is an error.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the request is malformed; the message says what to change.
    #[error("{0}")]
    Invalid(String),
    /// 401: nobody knows who asks, or what they were let in with is not good; the message says what to do.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// 403: a page of another origin, or who asks, may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// 404: there is no such thing.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// 405: the path takes other methods.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// 409: the thing is not what it was.
    #[error("{0}")]
    Changed(&'static str),
    /// 413: the body is too large.
    #[error("request body has more than {0} bytes")]
    TooLarge(usize),
    /// 415: the content type is not JSON.
    #[error("expected a body of type application/json")]
    UnsupportedMediaType,
    /// 415: the body is nothing that is taken here; the message says what is.
    #[error("{0}")]
    NotTaken(&'static str),
    /// 421: the request is for another host.
    #[error(
        "the orchestrator does not serve host {0}; ALLOWED_HOSTS names the hosts that it serves"
    )]
    Misdirected(String),
    /// 429: who asks has as many as one may have; the message says of what.
    #[error("{message}; close some or try again later")]
    TooMany {
        /// For the caller.
        message: &'static str,
        /// When another attempt makes sense.
        retry_after_secs: u32,
    },
    /// 503: there is no room for another; the message says of what.
    #[error("{message}; try again later")]
    Busy {
        /// For the caller.
        message: &'static str,
        /// When another attempt makes sense.
        retry_after_secs: u32,
    },
    /// 503: there is no room for another before a time that the message names.
    #[error("{message}")]
    Full {
        /// For the caller.
        message: String,
        /// When another attempt makes sense.
        retry_after_secs: u32,
    },
    /// 503: something that this depends on does not answer; another attempt may succeed.
    #[error("{message}")]
    Unavailable {
        /// For the caller.
        message: &'static str,
        /// For the log.
        source: anyhow::Error,
    },
    /// 500: anything else.
    #[error("internal error")]
    Internal(anyhow::Error),
}

impl ApiError {
    const fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidRequest,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::MethodNotAllowed => Code::MethodNotAllowed,
            Self::Changed(_) => Code::Changed,
            Self::TooLarge(_) => Code::PayloadTooLarge,
            Self::UnsupportedMediaType | Self::NotTaken(_) => Code::UnsupportedMediaType,
            Self::Misdirected(_) => Code::Misdirected,
            Self::TooMany { .. } => Code::TooMany,
            Self::Busy { .. } | Self::Full { .. } => Code::Busy,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::Internal(_) => Code::Internal,
        }
    }

    const fn retry_after_secs(&self) -> Option<u32> {
        match self {
            Self::TooMany {
                retry_after_secs, ..
            }
            | Self::Busy {
                retry_after_secs, ..
            }
            | Self::Full {
                retry_after_secs, ..
            } => Some(*retry_after_secs),
            Self::Unavailable { .. } => Some(UNAVAILABLE_SECS),
            _ => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem::new(self.code(), self.to_string(), self.retry_after_secs());
        let instance = problem.instance();
        match &self {
            Self::Unavailable { source, .. } => {
                tracing::warn!(instance, error = format!("{source:#}"), "{self}");
            }
            Self::Internal(error) => {
                tracing::error!(instance, error = format!("{error:#}"), "request failed");
            }
            _ => {}
        }
        let mut response = problem.into_response();
        if matches!(self, Self::Unauthenticated(_)) {
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl ApiError {
    /// The artifact store failed, or did not answer.
    pub(crate) fn store(source: anyhow::Error) -> Self {
        Self::Unavailable {
            message: "the artifact store does not answer",
            source,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(source) => Self::Unavailable {
                message: "the database does not answer",
                source,
            },
            StoreError::Failed(source) => Self::Internal(source),
        }
    }
}
