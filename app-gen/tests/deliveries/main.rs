//! The built generator delivers: to a stand-in of GitHub whose repositories are served by the real
//! `git http-backend`, and to stand-ins of Fly.io's Machines API and registry. It is killed at every call that
//! it makes.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

#[path = "../../scripted-model/tests/agents/process.rs"]
mod process;

#[path = "../../github/tests/github/api.rs"]
mod api;
#[path = "../../github/tests/github/git.rs"]
mod git;
#[path = "../../github/tests/github/hub.rs"]
mod hub;
#[path = "../../github/tests/github/openapi.rs"]
mod openapi;

mod job;
mod to_github;
