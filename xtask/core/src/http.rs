//! Small requests to services on this machine: bounded, and never through a proxy.

use std::time::Duration;

/// Status and body of an answer.
#[derive(Debug)]
pub struct Answer {
    /// As HTTP numbers it.
    pub status: u16,
    /// Names in small letters, values as text.
    pub headers: Vec<(String, String)>,
    /// The whole body as text.
    pub body: String,
}

impl Answer {
    /// The first header of that name, whatever the case of its letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// GET; an answer of any status is one.
///
/// # Errors
/// There is no answer within `bound`.
pub fn get(url: &str, bound: Duration) -> anyhow::Result<Answer> {
    read(agent(bound).get(url).call()?)
}

/// POST without a body; an answer of any status is one.
///
/// # Errors
/// There is no answer within `bound`.
pub fn post(url: &str, bound: Duration) -> anyhow::Result<Answer> {
    read(agent(bound).post(url).send_empty()?)
}

fn agent(bound: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(bound))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent()
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> anyhow::Result<Answer> {
    Ok(Answer {
        status: answer.status().as_u16(),
        headers: answer
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body: answer.body_mut().read_to_string()?,
    })
}
