//! The inputs of an image, in the form that is hashed, kept and compared.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xtask_tree::content::digest_json;
use xtask_tree::entry::Entries;

/// The version of this form. A change of the form changes every key.
pub const FORM: u32 = 3;

/// The build argument through which a running image knows its key.
const KEY_ARGUMENT: &str = "IMAGE_KEY";
/// Takes the place of the key while the key is computed. The name of an image cannot contain it, so
/// that the name of a base image cannot depend on the key.
pub const KEY_PLACEHOLDER: &str = "{IMAGE_KEY}";

/// All build arguments: those of the manifest, and those that every build has.
#[must_use]
pub fn build_arguments(args: &BTreeMap<String, String>, key: &str) -> BTreeMap<String, String> {
    let mut arguments = args.clone();
    arguments.insert(KEY_ARGUMENT.to_owned(), key.to_owned());
    // BuildKit uses this for every time stamp in the image.
    arguments.insert("SOURCE_DATE_EPOCH".to_owned(), "0".to_owned());
    arguments
}

/// All inputs of one image. Their JSON, whose order is fixed, is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// [`FORM`].
    pub form: u32,
    /// What the image is built for, such as `linux/amd64`.
    pub platform: String,
    /// The stage to build, if it is not the last.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// SHA-256 of the Dockerfile.
    pub dockerfile: String,
    /// SHA-256 of the ignore file, if there is one.
    pub ignore_file: Option<String>,
    /// The digests of the base images, by reference.
    pub bases: BTreeMap<String, String>,
    /// The entries of the context that the ignore file leaves.
    pub context: Entries,
    /// What the binary is compiled from, if there is one.
    pub rust: Option<RustInputs>,
    /// What the page is built from, if there is one.
    pub npm: Option<NpmInputs>,
}

/// What a binary is compiled from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RustInputs {
    /// The package, the binary, the profile and the target.
    pub build: [String; 4],
    /// Its path in the context.
    pub to: String,
    /// The folders of the path packages, by name.
    pub members: BTreeMap<String, String>,
    /// The files of the path packages.
    pub sources: Entries,
    /// The features of each package.
    pub features: BTreeMap<String, String>,
    /// The checksums of packages from registries.
    pub checksums: BTreeMap<String, String>,
    /// Digests of the parts of the workspace's manifest that these packages use.
    pub workspace: BTreeMap<String, String>,
    /// The versions of compilers, linker and libc, and digests of cargo's configuration.
    pub environment: BTreeMap<String, String>,
}

/// What a page is built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NpmInputs {
    /// The version of Node that the lock file pins and that builds it.
    pub node: String,
    /// The folder that the build makes, relative to the folder of the page.
    pub output: String,
    /// Its path in the context.
    pub to: String,
    /// The files of the folder without those that its `.dockerignore` excludes.
    pub sources: Entries,
}

impl Inputs {
    /// The bytes that are hashed and kept.
    ///
    /// # Errors
    /// The value cannot be serialised, which does not happen.
    pub fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// The key.
    ///
    /// # Errors
    /// The value cannot be serialised, which does not happen.
    pub fn digest(&self) -> anyhow::Result<String> {
        Ok(digest_json(self)?.to_string())
    }
}

impl RustInputs {
    /// A digest that identifies the binary.
    ///
    /// # Errors
    /// The value cannot be serialised, which does not happen.
    pub fn digest(&self) -> anyhow::Result<String> {
        Ok(digest_json(self)?.to_string())
    }
}

impl NpmInputs {
    /// A digest that identifies the page.
    ///
    /// # Errors
    /// The value cannot be serialised, which does not happen.
    pub fn digest(&self) -> anyhow::Result<String> {
        Ok(digest_json(self)?.to_string())
    }
}
