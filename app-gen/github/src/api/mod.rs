//! GitHub's REST API: requests with bounds, limits that are waited for, and refusals told apart.

mod limit;
mod repository;

pub(crate) use crate::api::repository::{New, Pull, Repository};

use crate::address::Addresses;
use crate::error::Error;
use crate::patience::Patience;
use crate::token::Token;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// The version of the API that this is written for.
const VERSION: &str = "2022-11-28";
/// The largest answer. A list of pull requests has some 25 KB for each.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The longest text of an answer that becomes part of an error, in characters.
const MAX_REASON: usize = 500;

/// The API, for one token.
#[derive(Debug)]
pub(crate) struct Api<'call> {
    addresses: &'call Addresses,
    token: &'call Token,
    patience: &'call Patience<'call>,
    bound: Duration,
}

/// A request.
#[derive(Debug)]
struct Request {
    /// What it is for, in an error: "create the repository acme/diary".
    what: String,
    method: Method,
    url: Url,
    body: Option<Value>,
}

/// An answer: a success, or a refusal that only who asked can judge.
#[derive(Debug)]
struct Answer {
    what: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
    /// GitHub's words, without the token.
    message: String,
}

impl Answer {
    /// The content of a success, or the error of a refusal.
    fn into_content<Content: DeserializeOwned>(self) -> Result<Content, Error> {
        if !self.status.is_success() {
            return Err(self.into_refusal());
        }
        let Self { what, body, .. } = self;
        serde_json::from_value(body).map_err(|error| Error::Unexpected {
            what,
            reason: error.to_string(),
        })
    }

    fn into_refusal(self) -> Error {
        let Self {
            what,
            status,
            message,
            ..
        } = self;
        let reason = match message.is_empty() {
            true => format!("the status is {status}"),
            false => message,
        };
        match status {
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Error::NoRight { what, reason },
            _ if status.is_client_error() => Error::Refused { what, reason },
            _ => Error::Unexpected { what, reason },
        }
    }

    /// Whether GitHub says this, in any case of letters.
    fn says(&self, text: &str) -> bool {
        self.message.to_lowercase().contains(text)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl<'call> Api<'call> {
    pub(crate) const fn new(
        addresses: &'call Addresses,
        token: &'call Token,
        patience: &'call Patience<'call>,
        bound: Duration,
    ) -> Self {
        Self {
            addresses,
            token,
            patience,
            bound,
        }
    }

    /// Sends a request until it is no more limited, and sorts out what concerns every request.
    async fn ask(&self, request: Request) -> Result<Answer, Error> {
        let mut limits = 0;
        loop {
            let answer = self.once(&request).await?;
            let Answer {
                status,
                headers,
                message,
                ..
            } = &answer;
            match limit::wait(*status, headers, message, limits, SystemTime::now()) {
                Some(wait) => self.patience.wait(wait).await?,
                None => return judged(answer),
            }
            limits += 1;
        }
    }

    async fn once(&self, request: &Request) -> Result<Answer, Error> {
        let unavailable = |reason: String| Error::Unavailable {
            what: request.what.clone(),
            reason,
        };
        let exchange = async {
            let response = self.send(request).await;
            let response = response.map_err(|error| unavailable(words(&error)))?;
            let status = response.status();
            let headers = response.headers().clone();
            let body = content(response).await.map_err(unavailable)?;
            Ok::<_, Error>((status, headers, body))
        };
        let ended = tokio::time::timeout(self.bound, exchange).await;
        let late = |_| unavailable(format!("no answer in {} s", self.bound.as_secs()));
        let (status, headers, body) = ended.map_err(late)??;
        let message = self.token.scrub(&message(&body));
        Ok(Answer {
            what: request.what.clone(),
            status,
            headers,
            body,
            message: message.chars().take(MAX_REASON).collect(),
        })
    }

    async fn send(&self, request: &Request) -> reqwest::Result<Response> {
        let mut sent = self
            .addresses
            .client
            .request(request.method.clone(), request.url.clone())
            .bearer_auth(self.token.reveal())
            .header(
                ACCEPT,
                HeaderValue::from_static("application/vnd.github+json"),
            )
            .header(USER_AGENT, HeaderValue::from_static("app-gen"))
            .header("x-github-api-version", HeaderValue::from_static(VERSION));
        if let Some(body) = &request.body {
            sent = sent
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.to_string());
        }
        sent.send().await
    }
}

/// What is the same for every request: the token, single sign-on, archives, and what passes.
fn judged(answer: Answer) -> Result<Answer, Error> {
    let status = answer.status;
    if status.is_server_error() {
        let reason = format!("GitHub answers {status} {}", answer.message);
        return Err(Error::Unavailable {
            what: answer.what,
            reason: reason.trim_end().to_owned(),
        });
    }
    if status == StatusCode::UNAUTHORIZED {
        return Err(Error::TokenRefused {
            reason: answer.message,
        });
    }
    if status == StatusCode::FORBIDDEN {
        if let Some(header) = answer.header("x-github-sso") {
            let url = sso_url(header);
            let what = answer.what;
            return Err(Error::SingleSignOn { what, url });
        }
        if answer.says("saml") {
            let what = answer.what;
            return Err(Error::SingleSignOn { what, url: None });
        }
    }
    Ok(answer)
}

/// The page of `required; url=https://…`. It is for people to open, so it must be one of the web.
fn sso_url(header: &str) -> Option<String> {
    let (_, url) = header.split_once("url=")?;
    let url = url.split(';').next().unwrap_or(url).trim();
    let url = Url::parse(url).ok()?;
    (url.scheme() == "https").then(|| url.into())
}

/// The JSON of an answer, or nothing where it is none: then its status speaks.
async fn content(mut response: Response) -> Result<Value, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| words(&error))? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(format!("the answer has more than {MAX_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// `message` with those of `errors`, which say what it is about.
fn message(body: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut message = text(&body["message"]).unwrap_or_default();
    let errors = body["errors"].as_array().map(Vec::as_slice);
    let details: Vec<String> = errors
        .unwrap_or_default()
        .iter()
        .filter_map(|error| text(error).or_else(|| text(&error["message"])))
        .collect();
    if !details.is_empty() {
        message = format!("{message} ({})", details.join("; "));
    }
    message
}

/// An error of the client with its causes, without the address, which says nothing to a reader.
fn words(error: &reqwest::Error) -> String {
    let mut said = match error {
        error if error.is_timeout() => "it takes too long".to_owned(),
        error if error.is_connect() => "no connection comes about".to_owned(),
        _ => "the connection breaks".to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_has_its_details() {
        let body = json!({
            "message": "Repository creation failed.",
            "errors": [{ "resource": "Repository", "message": "name already exists on this account" }],
        });
        let expected = "Repository creation failed. (name already exists on this account)";
        assert_eq!(message(&body), expected);
        let body = json!({ "message": "Validation failed", "errors": ["a", "b"] });
        assert_eq!(message(&body), "Validation failed (a; b)");
        assert_eq!(message(&json!({ "message": 7 })), "");
        assert_eq!(message(&Value::Null), "");
    }

    #[test]
    fn the_page_of_single_sign_on_is_a_page() {
        let header = "required; url=https://github.com/orgs/acme/sso?authorization_request=A1";
        let url = "https://github.com/orgs/acme/sso?authorization_request=A1";
        assert_eq!(sso_url(header).as_deref(), Some(url));
        assert_eq!(sso_url("required; url=javascript:alert(1)"), None);
        assert_eq!(sso_url("partial-results; organizations=1"), None);
    }
}
