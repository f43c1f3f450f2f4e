//! The gate: it decides who may ask what of the local cloud, of the Docker Engine behind it, and of
//! the local registry. ARCHITECTURE.md has its rules in one section.
//!
//! A connection carries one request. Its head is read completely and strictly (`head`), a policy
//! decides (`cloud` with `task`, `engine`, `registry`), and what is sent on is written anew from what
//! was read, so that nothing reaches the server behind that the policy has not seen. The answer is
//! passed on unchanged. Reading is blocking and bounded (`body`, `serve`), and HTTP is read with
//! `httparse`, because the binary that runs this has no async runtime.

mod access;
mod body;
mod cloud;
mod engine;
mod hardening;
mod head;
mod json;
mod refusal;
mod registry;
mod serve;
mod sigv4;
mod task;
#[cfg(test)]
mod tests;

pub use crate::access::{
    Credentials, KEY_HEADER, OPERATOR, create_key, generator, operator, orchestrator, read_key,
};
pub use crate::serve::run;

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What a gate stands before, and where it listens. It is the argument of the process, so that the
/// command line shows whether a gate that runs is the one that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Config {
    /// Before MiniStack, and between MiniStack and the engine.
    Cloud(Cloud),
    /// Before the registry.
    Registry(Registry),
}

/// The gate of the local cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cloud {
    /// The port on loopback, and on the bridge.
    pub port: u16,
    /// The address of the docker bridge, if it belongs to this machine.
    pub bridge: Option<Ipv4Addr>,
    /// Where MiniStack listens.
    pub upstream: PathBuf,
    /// The file of the access key.
    pub key: PathBuf,
    /// Where MiniStack finds an engine.
    pub engine_for_cloud: PathBuf,
    /// Where the engine listens.
    pub engine: PathBuf,
    /// What tasks may use.
    pub platform: Platform,
    /// The version of the program, so that an older gate is replaced.
    pub version: u32,
}

/// The gate of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The port on loopback.
    pub port: u16,
    /// Where the registry listens.
    pub upstream: PathBuf,
    /// As in [`Cloud`].
    pub version: u32,
}

/// The names of what the platform's own tasks use in the local cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// The container of the orchestrator in its task definitions.
    pub orchestrator: String,
    /// The container of the generator in its task definitions.
    pub generator: String,
    /// The buckets of specs and results.
    pub buckets: Vec<String>,
    /// The clusters of generators.
    pub clusters: Vec<String>,
    /// The families of the generator's task definitions.
    pub families: Vec<String>,
    /// The log groups of generators.
    pub log_groups: Vec<String>,
}

/// The version of the rules and of the protocol. It changes with every change of either.
pub const VERSION: u32 = 1;
