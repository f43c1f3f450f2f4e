//! The HTTP agent of every request that the build system makes, and small requests in one call.
//!
//! An agent is bounded in time, takes an answer of any status for an answer, and asks a service of
//! this machine directly where a proxy is set for the rest of the world.

use std::net::IpAddr;
use std::time::Duration;
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

/// An agent for requests to `service` (a URL, or a host with or without a port), each of which is
/// given up after `bound`.
#[must_use]
pub fn agent(service: &str, bound: Duration) -> Agent {
    config(service, bound).build().into()
}

/// As [`agent`], for a caller that has more to set: how many redirects are followed, how long a
/// connection may take.
#[must_use]
pub fn config(service: &str, bound: Duration) -> ConfigBuilder<AgentScope> {
    let config = Agent::config_builder()
        .timeout_global(Some(bound))
        .http_status_as_error(false)
        .user_agent("app-gen-xtask");
    match is_on_this_machine(service) {
        true => config.proxy(None),
        false => config,
    }
}

/// Whether the host of a service (a URL, or a host with or without a port) is this machine: a
/// loopback address, or a name that is one by definition (RFC 6761).
#[must_use]
pub fn is_on_this_machine(service: &str) -> bool {
    let authority = service
        .split_once("://")
        .map_or(service, |(_, rest)| rest)
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Status and body of an answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code: 200, 404 and so on.
    pub status: u16,
    /// Names in lower case, values as text.
    pub headers: Vec<(String, String)>,
    /// The whole body as text.
    pub body: String,
}

impl Answer {
    /// The first header of that name; the case of its letters does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Sends a GET request. An answer of any status is an answer.
///
/// # Errors
/// No answer came within `bound`.
pub fn get(url: &str, bound: Duration) -> anyhow::Result<Answer> {
    read(agent(url, bound).get(url).call()?)
}

/// Sends a POST request with these headers and without a body. An answer of any status is an answer.
///
/// # Errors
/// No answer came within `bound`.
pub fn post(url: &str, headers: &[(&str, &str)], bound: Duration) -> anyhow::Result<Answer> {
    let request = headers
        .iter()
        .fold(agent(url, bound).post(url), |request, (name, value)| {
            request.header(*name, *value)
        });
    read(request.send_empty()?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_this_machine_are_recognised_by_their_host() {
        for service in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "http://127.8.0.1:4566/_ministack/reset",
            "http://platform.alb.localhost:4566/api",
            "[::1]:5000",
            "[::1]",
            "http://[::1]/v2/",
        ] {
            assert!(is_on_this_machine(service), "{service}");
        }
        for service in [
            "",
            "example.com",
            "127.example.com",
            "localhost.example.com:80",
            "http://172.17.0.1:5000/v2/",
            "https://example.com/localhost",
            "[2001:db8::1]:5000",
        ] {
            assert!(!is_on_this_machine(service), "{service}");
        }
    }

    #[test]
    fn an_agent_is_bounded_and_takes_any_status_for_an_answer() {
        let bound = Duration::from_secs(1);
        let config = config("127.0.0.1:80", bound).build();
        assert_eq!(config.timeouts().global, Some(bound));
        assert!(!config.http_status_as_error());
        assert!(config.proxy().is_none());
    }
}
