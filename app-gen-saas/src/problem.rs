//! Problem details (RFC 9457), the form of every answer that is an error, and the table of their kinds,
//! from which the document and the reference are made.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::limits::reached::ShownLimit;
use crate::models::Outcome;

/// The content type of problem details.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Where the API is described for people.
pub const REFERENCE_PATH: &str = "/api/reference";

/// What a program can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProblemCode)]
pub enum Code {
    /// The request is malformed.
    InvalidRequest,
    /// Nobody signed in, or what was sent to be let in with is not valid.
    Unauthenticated,
    /// Who asks may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The path takes other methods.
    MethodNotAllowed,
    /// The body does not come, or stops coming.
    RequestTimeout,
    /// The thing is not what it was, or not in the state that this needs.
    Changed,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is of a type that is not taken.
    UnsupportedMediaType,
    /// The request is for another host.
    Misdirected,
    /// A key of a model provider does not pass its test.
    KeyUnusable,
    /// The idempotency key was sent with another request.
    KeyReused,
    /// Who asks has as many as one may have.
    TooMany,
    /// Requests come too fast.
    TooFast,
    /// A limit of the tenant is reached.
    LimitReached,
    /// The head of the request is too large.
    HeadTooLarge,
    /// There is no room for another.
    Busy,
    /// Something that this depends on does not answer.
    Unavailable,
    /// A fault of the orchestrator.
    Internal,
}

impl Code {
    /// All of them, by their status.
    pub const ALL: [Self; 19] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Changed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::Misdirected,
        Self::KeyUnusable,
        Self::KeyReused,
        Self::TooMany,
        Self::TooFast,
        Self::LimitReached,
        Self::HeadTooLarge,
        Self::Internal,
        Self::Busy,
        Self::Unavailable,
    ];

    /// As it is written in an answer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::Changed => "changed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Misdirected => "misdirected",
            Self::KeyUnusable => "key_unusable",
            Self::KeyReused => "key_reused",
            Self::TooMany => "too_many",
            Self::TooFast => "too_fast",
            Self::LimitReached => "limit_reached",
            Self::HeadTooLarge => "head_too_large",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The status of its answers.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Changed => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::KeyUnusable | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany | Self::TooFast | Self::LimitReached => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What all problems of the kind are called.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is not valid",
            Self::Unauthenticated => "Nobody signed in",
            Self::Forbidden => "They may not do this",
            Self::NotFound => "There is no such thing",
            Self::MethodNotAllowed => "The path takes other methods",
            Self::RequestTimeout => "The request did not come in time",
            Self::Changed => "It is not in a state that allows this",
            Self::PayloadTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body is of a type that is not taken",
            Self::Misdirected => "The host is not served here",
            Self::KeyUnusable => "The key does not pass its test",
            Self::KeyReused => "The key belongs to another request",
            Self::TooMany => "There are as many as one client may have",
            Self::TooFast => "Requests come too fast",
            Self::LimitReached => "A limit of the tenant is reached",
            Self::HeadTooLarge => "The head of the request is too large",
            Self::Busy => "There is no room for another",
            Self::Unavailable => "A part that this depends on does not answer",
            Self::Internal => "The orchestrator failed",
        }
    }

    /// What a program does about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "Change the request as `detail` says; the same request is refused again."
            }
            Self::Unauthenticated => {
                "Sign in and send the access token, or an API key that the page made, as `Authorization: Bearer`."
            }
            Self::Forbidden => {
                "Ask somebody who may; a page of another origin may do nothing, so send the request from a program, or from the page that the orchestrator serves."
            }
            Self::NotFound => {
                "Look the id up in its list. Something that was deleted does not come back."
            }
            Self::MethodNotAllowed => "The header `Allow` names the methods that the path takes.",
            Self::RequestTimeout => {
                "Send the whole body without pauses; the same request may be sent again."
            }
            Self::Changed => {
                "Read the thing anew; `detail` says what is in the way. Then decide again."
            }
            Self::PayloadTooLarge => "Send less; the operation names its bound.",
            Self::UnsupportedMediaType => {
                "Send the header `Content-Type` that the operation names, and a body of that type."
            }
            Self::Misdirected => {
                "Use an address of the orchestrator; its setting `ALLOWED_HOSTS` names the hosts it serves."
            }
            Self::KeyUnusable => {
                "Do what `detail` says; `outcome` is for programs. Nothing was changed."
            }
            Self::KeyReused => {
                "Choose a new `Idempotency-Key` for every request that is not a repetition."
            }
            Self::TooFast => {
                "Send the same request again after `retry_after_secs` seconds, and fewer at a time."
            }
            Self::LimitReached => {
                "The field `limit` says which, how much, and when it begins anew; an operator can allow more."
            }
            Self::HeadTooLarge => "Send fewer or shorter headers, and a shorter address.",
            Self::TooMany => {
                "Close some of what is open, or try again after `retry_after_secs` seconds."
            }
            Self::Busy => "Try again after `retry_after_secs` seconds.",
            Self::Unavailable => {
                "Try again after `retry_after_secs` seconds; `/health` says when it works again."
            }
            Self::Internal => {
                "Try once more. If it stays, the orchestrator's log has the cause under `instance`."
            }
        }
    }

    /// The address of its description; relative, so that it resolves wherever the orchestrator serves.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("{REFERENCE_PATH}#{}", self.anchor())
    }

    /// Where its description is within the reference.
    #[must_use]
    pub fn anchor(self) -> String {
        format!("problem-{}", self.name())
    }
}

/// The body of every answer that is an error: problem details as of RFC 9457, of type
/// `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The address of what describes this kind of problem, relative to the one that was asked.
    #[schema(format = "uri-reference", example = "/api/reference#problem-not_found")]
    r#type: String,
    /// What all problems of the kind are called.
    #[schema(example = "There is no such thing")]
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// What went wrong this time, for people.
    #[schema(example = "job not found")]
    detail: String,
    /// This one occurrence; the orchestrator's log has it beside the cause of a 500 or 503.
    #[schema(
        format = "uri",
        example = "urn:uuid:0192f0c1-2345-7000-8000-000000000000"
    )]
    instance: String,
    /// The kind of problem, for programs.
    code: Code,
    /// After how many seconds another attempt makes sense; the header `Retry-After` says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    retry_after_secs: Option<u32>,
    /// Of a key that does not pass its test: what the test came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Outcome, required = false)]
    outcome: Option<Outcome>,
    /// The limit of the tenant that is reached, where the code says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ShownLimit, required = false)]
    limit: Option<ShownLimit>,
}

impl Problem {
    /// A problem that occurs now.
    #[must_use]
    pub fn new(code: Code, detail: String, retry_after_secs: Option<u32>) -> Self {
        Self {
            r#type: code.type_uri(),
            title: code.title(),
            status: code.status().as_u16(),
            detail,
            instance: format!("urn:uuid:{}", Uuid::now_v7()),
            code,
            retry_after_secs,
            outcome: None,
            limit: None,
        }
    }

    /// The same, with what the test of a key came to.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self {
            outcome: Some(outcome),
            ..self
        }
    }

    /// With the limit that is reached.
    #[must_use]
    pub fn with_limit(self, limit: ShownLimit) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    /// By which the log and whoever got the answer can talk about it.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after_secs = self.retry_after_secs;
        let mut response = (self.code.status(), Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(seconds) = retry_after_secs {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_code_is_written_as_it_is_named() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), json!(code.name()));
            assert!(code.status().is_client_error() || code.status().is_server_error());
            for text in [code.title(), code.advice()] {
                assert!(text.starts_with(char::is_uppercase), "{text}");
            }
        }
        let statuses = Code::ALL.map(|code| code.status().as_u16());
        assert!(statuses.is_sorted(), "{statuses:?}");
    }

    #[tokio::test]
    async fn it_is_answered_as_rfc_9457_says() {
        let problem = Problem::new(Code::Busy, "too many jobs wait".to_owned(), Some(60));
        let response = problem.into_response();
        assert_eq!(response.status().as_u16(), 503);
        assert_eq!(response.headers()["content-type"], CONTENT_TYPE);
        assert_eq!(response.headers()["retry-after"], "60");
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await;
        let mut body: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
        let instance = body["instance"].take();
        let id = instance.as_str().unwrap().strip_prefix("urn:uuid:");
        assert!(Uuid::try_parse(id.unwrap()).is_ok(), "{instance}");
        let expected = json!({
            "type": "/api/reference#problem-busy",
            "title": "There is no room for another",
            "status": 503,
            "detail": "too many jobs wait",
            "instance": null,
            "code": "busy",
            "retry_after_secs": 60,
        });
        assert_eq!(body, expected);

        let problem = Problem::new(Code::NotFound, "job not found".to_owned(), None);
        let response = problem.into_response();
        assert!(!response.headers().contains_key("retry-after"));
    }
}
