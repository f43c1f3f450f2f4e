//! The key of an image: a digest of everything that can change its bytes, and of nothing else.
//!
//! `inputs` is the form that is hashed, and `compute` fills it in, with `page` for a page, `apt` for
//! packages of Debian and `npm_tools` for those of npm. `store` keeps the inputs of earlier keys,
//! `explain` compares the inputs of two, and `difference` puts one difference into words.

pub mod apt;
pub mod compute;
pub mod difference;
pub mod explain;
pub mod inputs;
pub mod npm_tools;
mod page;
pub mod store;

use crate::base::Source;
use crate::key::inputs::Inputs;
use std::collections::BTreeMap;
use std::path::PathBuf;
use xtask_docker::dockerfile::Dockerfile;

/// A build in the terms of Docker: of an image of ours, or of any folder.
#[derive(Debug, Clone)]
pub struct DockerBuild {
    /// The folder whose files the build gets.
    pub context: PathBuf,
    /// The Dockerfile, which may be outside of the context.
    pub dockerfile: PathBuf,
    /// The stage to build, if it is not the last.
    pub target: Option<String>,
    /// Build arguments.
    pub arguments: BTreeMap<String, String>,
    /// What the image is built for, such as `linux/amd64`.
    pub platform: String,
}

/// The key of an image, with everything that it was computed from.
#[derive(Debug, Clone)]
pub struct Key {
    /// SHA-256 of the inputs, hexadecimal.
    pub hex: String,
    /// What was hashed.
    pub inputs: Inputs,
    /// Who named the digest of each base image.
    pub base_sources: BTreeMap<String, Source>,
    /// The Dockerfile that was opened, and its bytes that were hashed.
    pub dockerfile: Dockerfile,
    /// The ignore file, if there is one.
    pub ignore_file: Option<PathBuf>,
}

impl Key {
    /// The tag of the image: `key-…`.
    #[must_use]
    pub fn tag(&self) -> String {
        tag(&self.hex)
    }

    /// The first characters, which are enough for people.
    #[must_use]
    pub fn short(&self) -> &str {
        short(&self.hex)
    }
}

/// The tag of a key begins with this.
pub const TAG_PREFIX: &str = "key-";

/// The tag of a key.
#[must_use]
pub fn tag(hex: &str) -> String {
    format!("{TAG_PREFIX}{hex}")
}

/// The first characters of a key, which are enough for people.
#[must_use]
pub fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
