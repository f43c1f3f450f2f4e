//! The Machines API: requests with their bounds, and answers told apart.

mod calls;
mod refusal;
mod types;

pub(crate) use crate::api::calls::Created;
pub(crate) use crate::api::types::{App, Lease, Machine};

use crate::api::refusal::refusal;
use crate::error::Error;
use crate::settings::{Patience, Token};
use crate::step::Step;
use app_gen_oci_image::http_client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The longest answer that is read: a list of machines with all their events.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// What is waited where Fly.io limits requests and does not say for how long. Its limits are by the second.
const LIMIT_WAIT: Duration = Duration::from_secs(1);
/// The longest wait that it may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// The header with which the holder of a lease shows that it is the holder.
pub(crate) const NONCE: &str = "fly-machine-lease-nonce";

/// The API with the token, and what may still be waited for its limits.
pub(crate) struct Api<'a> {
    client: Client,
    base: &'a str,
    token: &'a Token,
    patience: Patience,
    limit_left: Mutex<Duration>,
    progress: &'a (dyn Fn(&Step) + Send + Sync),
}

/// One request.
pub(crate) struct Ask<'a> {
    /// What it is for, as it fits "failed to …".
    pub(crate) what: &'a str,
    pub(crate) method: Method,
    /// After `/v1`, with its query.
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    /// Of a lease.
    pub(crate) nonce: Option<&'a str>,
    /// What it is asked to wait for, besides the time of a request.
    pub(crate) waits: Duration,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(what: &'a str, method: Method, path: String) -> Self {
        Self {
            what,
            method,
            path,
            body: None,
            nonce: None,
            waits: Duration::ZERO,
        }
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn nonce(mut self, nonce: Option<&'a str>) -> Self {
        self.nonce = nonce;
        self
    }
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl<'a> Api<'a> {
    pub(crate) fn new(
        base: &'a str,
        extra_certificates: &str,
        token: &'a Token,
        patience: Patience,
        progress: &'a (dyn Fn(&Step) + Send + Sync),
    ) -> Result<Self, Error> {
        let client = client_for(base, extra_certificates)?;
        Ok(Self {
            client,
            base,
            token,
            patience,
            limit_left: Mutex::new(patience.limit),
            progress,
        })
    }

    /// Sends a request, again after each limit of requests that may still be waited for. Whatever else is
    /// answered is an answer.
    pub(crate) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Error> {
        loop {
            let (status, headers, body) = self.send(ask).await?;
            if status != StatusCode::TOO_MANY_REQUESTS {
                return Ok(Answer { status, body });
            }
            self.wait(ask.what, wait(&headers)).await?;
        }
    }

    /// Waits for a limit of requests, if that may still be waited for.
    pub(crate) async fn wait(&self, what: &str, wait: Duration) -> Result<(), Error> {
        // One of no time would be asked for again and again.
        let wait = wait.max(LIMIT_WAIT);
        let is_allowed = {
            let mut left = self
                .limit_left
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let rest = left.checked_sub(wait);
            *left = rest.unwrap_or(*left);
            rest.is_some()
        };
        if !is_allowed {
            return Err(Error::RateLimited {
                what: what.to_owned(),
                wait,
            });
        }
        (self.progress)(&Step::Wait {
            seconds: wait.as_secs(),
        });
        sleep(wait).await;
        Ok(())
    }

    /// Sends a request whose answer is success and has a document.
    pub(crate) async fn document<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, Error> {
        let answer = self.ask(ask).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(ask.what, &answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| Error::Answer {
            what: ask.what.to_owned(),
            status: answer.status.as_u16(),
            reason: format!("the answer is none that its documentation has: {error}"),
        })
    }

    /// Sends a request whose answer is success, whatever it holds.
    pub(crate) async fn done(&self, ask: &Ask<'_>) -> Result<(), Error> {
        let answer = self.ask(ask).await?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(self.refusal(ask.what, &answer)),
        }
    }

    /// Sends a request that changes a machine, as soon as nobody else may change it: a call that was killed may
    /// have left a lease behind.
    pub(crate) async fn done_when_free(
        &self,
        app: &str,
        machine: &str,
        ask: &Ask<'_>,
    ) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let answer = self.ask(ask).await?;
            match answer.status {
                StatusCode::CONFLICT if !self.is_lease_over(began) => {
                    sleep(self.patience.pause).await;
                }
                StatusCode::CONFLICT => {
                    return Err(Error::Busy {
                        app: app.to_owned(),
                        machine: machine.to_owned(),
                    });
                }
                status if status.is_success() => return Ok(()),
                _ => return Err(self.refusal(ask.what, &answer)),
            }
        }
    }

    /// Whether every lease of a call that was killed has ended since.
    pub(crate) fn is_lease_over(&self, began: Instant) -> bool {
        // A lease has whole seconds.
        began.elapsed() > self.patience.lease + self.patience.pause + Duration::from_secs(1)
    }

    /// The error for an answer.
    pub(crate) fn refusal(&self, what: &str, answer: &Answer) -> Error {
        refusal(what, answer, self.token)
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<(StatusCode, HeaderMap, Vec<u8>), Error> {
        let unreachable = |reason: String| Error::Unreachable {
            what: ask.what.to_owned(),
            reason,
        };
        let value = HeaderValue::from_str(&format!("Bearer {}", self.token.reveal()));
        let mut value = value.map_err(|_| Error::Token {
            reason: "it has characters that no token has".to_owned(),
        })?;
        value.set_sensitive(true);
        let url = format!("{}/v1{}", self.base, ask.path);
        let mut request = self
            .client
            .request(ask.method.clone(), url)
            .header(AUTHORIZATION, value)
            .timeout(self.patience.request + ask.waits);
        if let Some(nonce) = ask.nonce {
            request = request.header(NONCE, nonce);
        }
        if let Some(body) = &ask.body {
            let request_body = body.to_string();
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(request_body);
        }
        let response = request.send().await;
        let mut response = response.map_err(|error| unreachable(reason(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let chunk = chunk.map_err(|error| unreachable(reason(&error)))?;
            let Some(chunk) = chunk else {
                return Ok((status, headers, body));
            };
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES {
                return Err(unreachable(format!(
                    "the answer has more than {ANSWER_BYTES} bytes"
                )));
            }
        }
    }
}

/// A client for the server of an address.
pub(crate) fn client_for(address: &str, extra_certificates: &str) -> Result<Client, Error> {
    let input = |reason: String| Error::Input {
        reason: format!("{address}: {reason}"),
    };
    let url = Url::parse(address).map_err(|error| input(error.to_string()))?;
    let host = url
        .host_str()
        .ok_or_else(|| input("it has no host".to_owned()))?;
    http_client(extra_certificates, host).map_err(input)
}

/// How long Fly.io asks to wait.
fn wait(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds
        .map_or(LIMIT_WAIT, Duration::from_secs)
        .min(LONGEST_WAIT)
}

/// Why a request failed: the deepest cause says most.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "there is no answer in time".to_owned();
    }
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    match cause {
        Some(cause) => cause.to_string(),
        None => "the request failed".to_owned(),
    }
}
