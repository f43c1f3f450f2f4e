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
#[cfg(fuzzing)]
#[path = "../fuzz/properties.rs"]
pub mod fuzzing;
mod hardening;
mod head;
mod json;
mod refusal;
mod registry;
mod serve;
mod sigv4;
mod store;
mod task;
#[cfg(test)]
mod tests;

pub use crate::access::{
    Credentials, KEY_HEADER, OPERATOR, create_key, operator, orchestrator, read_key,
};
pub use crate::serve::run;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What a gate stands before, and where it listens. It is the argument of the process, so that the
/// command line shows whether a gate that runs is the one that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Config {
    /// Before MiniStack, and between MiniStack and the engine.
    Cloud(Box<Cloud>),
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
    /// A folder with a [`Platform`] of each project whose tasks use this cloud, as JSON.
    pub platforms: PathBuf,
    /// The version of the program, so that an older gate is replaced.
    pub version: String,
}

impl Cloud {
    /// What tasks may use, by project. A file that is not of this form admits nothing.
    fn read_platforms(&self) -> Vec<Platform> {
        let files = std::fs::read_dir(&self.platforms).into_iter().flatten();
        files
            .flatten()
            .filter_map(|file| serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok())
            .collect()
    }
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
    pub version: String,
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
    /// The clusters of generators and previews.
    pub clusters: Vec<String>,
    /// The families of the task definitions of generators and of previews.
    pub families: Vec<String>,
    /// The log groups of generators.
    pub log_groups: Vec<String>,
    /// The tables of orchestrators that keep everything in DynamoDB.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The queues that wake them.
    #[serde(default)]
    pub queues: Vec<String>,
}

/// The sources of the gate. A gate that runs with others is replaced.
const SOURCES: [&str; 14] = [
    include_str!("access.rs"),
    include_str!("body.rs"),
    include_str!("cloud.rs"),
    include_str!("engine.rs"),
    include_str!("hardening.rs"),
    include_str!("head.rs"),
    include_str!("json.rs"),
    include_str!("lib.rs"),
    include_str!("refusal.rs"),
    include_str!("registry.rs"),
    include_str!("serve.rs"),
    include_str!("sigv4.rs"),
    include_str!("store.rs"),
    include_str!("task.rs"),
];

/// Which rules this program has: the beginning of the digest of the gate's sources.
#[must_use]
pub fn version() -> String {
    let digest = SOURCES.iter().fold(Sha256::new(), Sha256::chain_update);
    body::hex(&digest.finalize())[..16].to_owned()
}
