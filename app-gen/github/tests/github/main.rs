//! Deliveries to a stand-in of GitHub: its repositories are served by the real `git http-backend`, and
//! every request to its API and every answer is judged by GitHub's own OpenAPI description.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

#[path = "../../../scripted-model/tests/agents/process.rs"]
mod process;

mod api;
mod creating;
mod faults;
mod git;
mod hub;
mod kills;
mod looking;
mod openapi;
mod pulling;
mod refusals;
mod secrets;
mod world;
