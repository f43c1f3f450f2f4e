//! Small requests to services on this machine: bounded, and never through a proxy.

use std::time::Duration;

/// Status and body of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// GET; whatever the status.
pub(super) fn get(url: &str, bound: Duration) -> anyhow::Result<Answer> {
    read(agent(bound).get(url).call()?)
}

/// POST without a body; whatever the status.
pub(super) fn post(url: &str, bound: Duration) -> anyhow::Result<Answer> {
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
