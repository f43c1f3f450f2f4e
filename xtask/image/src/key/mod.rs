//! The key of an image: a digest of everything that can change its bytes, and of nothing else.
//!
//! `inputs` is the form that is hashed, and `compute` fills it in. `store` keeps the inputs of
//! earlier keys, `explain` compares the inputs of two, and `difference` puts one difference into
//! words.

pub mod compute;
pub mod difference;
pub mod explain;
pub mod inputs;
pub mod store;

use crate::base::Source;
use crate::key::inputs::Inputs;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What Docker calls a Dockerfile that nobody named.
pub const DOCKERFILE_NAME: &str = "Dockerfile";

/// A build as it is asked of Docker: of an image of ours, or of any folder.
#[derive(Debug, Clone)]
pub struct DockerBuild {
    /// The folder whose files are given to the build.
    pub context: PathBuf,
    /// Inside the context or anywhere else.
    pub dockerfile: PathBuf,
    /// Stage, where it is not the last.
    pub target: Option<String>,
    /// Build arguments.
    pub arguments: BTreeMap<String, String>,
    /// As Docker writes it.
    pub platform: String,
}

/// An image's key with all that it follows from.
#[derive(Debug, Clone)]
pub struct Key {
    /// SHA-256 of the inputs, hexadecimal.
    pub hex: String,
    /// What was hashed.
    pub inputs: Inputs,
    /// Where the digest of each base was read.
    pub base_sources: BTreeMap<String, Source>,
    /// The Dockerfile's own bytes, as hashed.
    pub dockerfile: Vec<u8>,
    /// Where the ignore file lies, if there is one.
    pub ignore_file: Option<PathBuf>,
}

impl Key {
    /// The tag under which the image is found: `key-…`.
    #[must_use]
    pub fn tag(&self) -> String {
        tag(&self.hex)
    }

    /// The first characters, enough for people.
    #[must_use]
    pub fn short(&self) -> &str {
        short(&self.hex)
    }
}

/// What a key's tag begins with.
pub const TAG_PREFIX: &str = "key-";

/// The tag of a key.
#[must_use]
pub fn tag(hex: &str) -> String {
    format!("{TAG_PREFIX}{hex}")
}

/// The first characters of a key, enough for people.
#[must_use]
pub fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
