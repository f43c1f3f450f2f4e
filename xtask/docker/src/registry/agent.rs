//! The HTTP agent for registries and their token services.

use std::time::Duration;
use ureq::Agent;
use xtask_core::http;

const CONNECT_BOUND: Duration = Duration::from_secs(3);

/// An agent that gives up a connection early: a host that does not answer must not use up the
/// time that a slow answer may take.
pub(super) fn agent(service: &str, bound: Duration) -> Agent {
    http::config(service, bound)
        .timeout_connect(Some(CONNECT_BOUND.min(bound)))
        .build()
        .into()
}
