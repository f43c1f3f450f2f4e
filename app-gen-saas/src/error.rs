//! The answers to requests that cannot be served.
//!
//! `ApiError` is for the edge: its message goes to the caller. Inside, functions return `sqlx::Error`,
//! `LaunchError` or the like where a caller branches, and `anyhow::Error` where none does; of those only
//! the log sees the text.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// An answer that is an error.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the request is malformed; the message says what to change.
    #[error("{0}")]
    Invalid(String),
    /// 403: a page of another origin may not do this.
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

/// The body of every answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// For programs: `invalid_request`, `forbidden`, `not_found`, `method_not_allowed`, `changed`,
    /// `payload_too_large`, `unsupported_media_type`, `misdirected`, `busy`, `unavailable`, `internal`.
    code: &'static str,
    /// For people.
    message: String,
}

impl ApiError {
    const fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Changed(_) => (StatusCode::CONFLICT, "changed"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Self::UnsupportedMediaType | Self::NotTaken(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::Misdirected(_) => (StatusCode::MISDIRECTED_REQUEST, "misdirected"),
            Self::Busy { .. } | Self::Full { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            Self::Unavailable { source, .. } => {
                tracing::warn!(error = format!("{source:#}"), "{self}");
            }
            Self::Internal(error) => {
                tracing::error!(error = format!("{error:#}"), "request failed");
            }
            _ => {}
        }
        let (status, code) = self.status();
        let message = self.to_string();
        let error = ErrorDetail { code, message };
        let mut response = (status, Json(ErrorBody { error })).into_response();
        if let Self::Busy {
            retry_after_secs, ..
        }
        | Self::Full {
            retry_after_secs, ..
        } = self
        {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, retry_after_secs.into());
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

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Self::Unavailable {
                    message: "the database does not answer",
                    source: error.into(),
                }
            }
            other => Self::Internal(other.into()),
        }
    }
}
