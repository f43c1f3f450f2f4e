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

#[expect(dead_code, reason = "the tests of its own crate use all of it")]
#[path = "../../fly/tests/registry/fly.rs"]
mod fly;
#[path = "../../fly/tests/registry/schema.rs"]
mod schema;
#[path = "../../fly/tests/registry/server.rs"]
mod server;
#[expect(dead_code, reason = "the tests of its own crate use all of it")]
#[path = "../../oci-image/tests/offline/stand_in.rs"]
mod stand_in;

mod job;
mod to_fly;
mod to_github;
