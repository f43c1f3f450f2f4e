//! The inputs of an image, in the form that is hashed, kept and compared.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xtask_tree::content::digest_json;
use xtask_tree::entry::Entries;

/// The version of this form. A change of the form changes every key.
pub const FORM: u32 = 5;

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
    /// The packages of Debian that are unpacked, if there are any.
    pub apt: Option<AptInputs>,
    /// The files of npm's packages that are packed, if there are any.
    pub npm_tools: Option<NpmToolsInputs>,
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

/// The packages of Debian that are unpacked. What is made of a package follows from its bytes alone, and
/// from `debian::package` and `debian::tree`: a change there that changes files raises [`FORM`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AptInputs {
    /// The folder of their files in the context.
    pub to: String,
    /// The packages, by name.
    pub packages: BTreeMap<String, DebianPackage>,
}

/// One package of Debian, as its lock file has it. Where it is downloaded from is no input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebianPackage {
    /// Such as `1:2.47.3-0+deb13u1`.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// The files of npm's packages that are packed. No script of a package runs, so each of its files
/// follows from the bytes of its archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NpmToolsInputs {
    /// The path in the context, and the path below `node_modules`, of each file or folder.
    pub files: BTreeMap<String, String>,
    /// The packages that they are of, by their path below `node_modules`.
    pub packages: BTreeMap<String, NpmPackage>,
}

/// One package of npm, as its lock file has it. Where it is downloaded from is no input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NpmPackage {
    /// Such as `24.22.3`.
    pub version: String,
    /// The digest of its archive: `sha512-…`.
    pub integrity: String,
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

impl AptInputs {
    /// A digest that identifies the unpacked files.
    ///
    /// # Errors
    /// The value cannot be serialised, which does not happen.
    pub fn digest(&self) -> anyhow::Result<String> {
        Ok(digest_json(self)?.to_string())
    }
}

impl NpmToolsInputs {
    /// A digest that identifies the packed files.
    ///
    /// # Errors
    /// The value cannot be serialised, which does not happen.
    pub fn digest(&self) -> anyhow::Result<String> {
        Ok(digest_json(self)?.to_string())
    }
}
