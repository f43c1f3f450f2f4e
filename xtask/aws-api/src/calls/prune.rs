//! Old task definitions and images that nothing needs any more.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Removes old revisions of task definitions, and images that no remaining revision names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Only say what would be removed.
    pub dry_run: bool,
    /// How many of the newest stay in each family and each repository; at least one.
    pub keep: u32,
    /// Digests (`sha256:…`) of images that stay.
    pub protect: BTreeSet<String>,
}

/// What was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// ARNs of task definitions with their revisions.
    pub definitions: Vec<String>,
    /// Images of the environment's repositories.
    pub images: Vec<StoredImage>,
    /// Digests of all images that something needs, in any registry.
    pub needed: BTreeSet<String>,
    /// Whether nothing was removed.
    pub dry_run: bool,
}

/// An image in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    /// The repository, without its registry.
    pub repository: String,
    /// `sha256:…`
    pub digest: String,
    /// All tags of the image.
    pub tags: Vec<String>,
}
