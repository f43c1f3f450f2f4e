//! The inputs of an image, in the one form that is hashed, kept and compared.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xtask_tree::content::digest_json;
use xtask_tree::entry::Entries;

/// Version of the form below. A change of form is a change of every key.
pub const FORM: u32 = 1;

/// Build argument through which the image knows its key at run time.
const KEY_ARGUMENT: &str = "IMAGE_KEY";
/// Stands for the key while the key is computed. No image can have it in its name, so that no
/// base image can be named by the key that it is a part of.
pub const KEY_PLACEHOLDER: &str = "{IMAGE_KEY}";

/// All build arguments: the manifest's, and those of every build.
#[must_use]
pub fn build_arguments(args: &BTreeMap<String, String>, key: &str) -> BTreeMap<String, String> {
    let mut arguments = args.clone();
    arguments.insert(KEY_ARGUMENT.to_owned(), key.to_owned());
    // BuildKit takes every time in the image from here.
    arguments.insert("SOURCE_DATE_EPOCH".to_owned(), "0".to_owned());
    arguments
}

/// All inputs of one image, in canonical order. Its JSON is what is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// [`FORM`].
    pub form: u32,
    /// As Docker writes it.
    pub platform: String,
    /// Stage, where it is not the last.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// SHA-256 of the Dockerfile.
    pub dockerfile: String,
    /// SHA-256 of the ignore file, where there is one.
    pub ignore_file: Option<String>,
    /// Base images by reference, with the digest each stands for now.
    pub bases: BTreeMap<String, String>,
    /// What of the context folder the ignore file leaves in.
    pub context: Entries,
    /// What the binary is compiled from.
    pub rust: Option<RustInputs>,
    /// What the page is built from.
    pub npm: Option<NpmInputs>,
}

/// What a binary is compiled from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RustInputs {
    /// Package, binary, profile and target.
    pub build: [String; 4],
    /// Path in the context.
    pub to: String,
    /// Path packages: name to folder.
    pub members: BTreeMap<String, String>,
    /// Files of the path packages.
    pub sources: Entries,
    /// Packages with their features.
    pub features: BTreeMap<String, String>,
    /// Registry packages with their checksums.
    pub checksums: BTreeMap<String, String>,
    /// The parts of the workspace's manifest that reach every member.
    pub workspace: BTreeMap<String, String>,
    /// Compilers, linker, libc, cargo configuration.
    pub environment: BTreeMap<String, String>,
}

/// What a page is built from. The lock names the Node that builds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NpmInputs {
    /// What the build writes, relative to the folder.
    pub output: String,
    /// Path in the context.
    pub to: String,
    /// Files of the folder less what its `.dockerignore` leaves out.
    pub sources: Entries,
}

impl Inputs {
    /// The bytes that are hashed and kept.
    ///
    /// # Errors
    /// None that can happen: the value serialises.
    pub fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// The key.
    ///
    /// # Errors
    /// None that can happen: the value serialises.
    pub fn digest(&self) -> anyhow::Result<String> {
        Ok(digest_json(self)?.to_string())
    }
}

impl RustInputs {
    /// Names the bytes of the binary.
    ///
    /// # Errors
    /// None that can happen: the value serialises.
    pub fn digest(&self) -> anyhow::Result<String> {
        Ok(digest_json(self)?.to_string())
    }
}

impl NpmInputs {
    /// Names the bytes of the page.
    ///
    /// # Errors
    /// None that can happen: the value serialises.
    pub fn digest(&self) -> anyhow::Result<String> {
        Ok(digest_json(self)?.to_string())
    }
}
