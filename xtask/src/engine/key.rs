//! The key of an image: a digest of everything that can change its bytes, and
//! of nothing else. The inputs are kept beside the result, so that any two keys
//! can be compared by name.

use super::content::digest_json;
use super::dockerfile;
use super::entry::{Entries, digest_bytes};
use super::error::{Code, Failure, FailureContext as _};
use super::ignore::Rules;
use super::stat_cache::StatCache;
use super::{base, closure, records, toolchain, tree};
use anyhow::Context as _;
use app_gen_infra::{Image, NpmPrebuild, Platform, RustPrebuild};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Version of the form below. A change of form is a change of every key.
pub const FORM: u32 = 1;

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

/// An image's key with all that it follows from.
#[derive(Debug, Clone)]
pub struct Key {
    /// SHA-256 of the inputs, hexadecimal.
    pub hex: String,
    /// What was hashed.
    pub inputs: Inputs,
    /// Where the digest of each base was read.
    pub base_sources: BTreeMap<String, base::Source>,
    /// The Dockerfile's own bytes, as hashed.
    pub dockerfile: Vec<u8>,
}

impl Key {
    /// The tag under which the image is found: `key-…`.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("key-{}", self.hex)
    }

    /// The first characters, enough for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex[..12]
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

/// Computes the key of an image of the manifest.
///
/// # Errors
/// An input cannot be read, a pattern or Dockerfile is malformed, or a base
/// image is neither in a registry nor in the engine.
pub fn compute(
    root: &Path,
    records: &Path,
    platform: &Platform,
    image: &Image,
) -> anyhow::Result<Key> {
    let cache = StatCache::open(records, &image.repository);
    let dockerfile_path = root.join(image.dockerfile.get_ref());
    let dockerfile = std::fs::read(&dockerfile_path)
        .with_context(|| format!("failed to read {}", dockerfile_path.display()))?;
    let text = std::str::from_utf8(&dockerfile)
        .with_context(|| format!("{} is not UTF-8", dockerfile_path.display()))?;

    let context = root.join(image.context.get_ref());
    let ignore_path = ignore_file(&context, &dockerfile_path);
    let (rules, ignore_digest) = read_rules(ignore_path.as_deref())?;

    let references = dockerfile::external_images(text, &image.args)
        .with_context(|| format!("in {}", dockerfile_path.display()))?;
    let mut bases = BTreeMap::new();
    let mut base_sources = BTreeMap::new();
    for reference in references {
        let (digest, source) = base::resolve(&reference).failure(|| {
            Failure::new(
                Code::Prerequisite,
                format!("base image {reference} is neither in a registry nor in the engine"),
            )
            .hint("cargo xtask setup")
        })?;
        bases.insert(reference.clone(), digest);
        base_sources.insert(reference, source);
    }

    let inputs = Inputs {
        form: FORM,
        platform: platform.platform.clone(),
        target: image.target.clone(),
        args: image.args.clone(),
        dockerfile: digest_bytes(&dockerfile),
        ignore_file: ignore_digest,
        bases,
        context: tree::context(&context, &rules, &cache)?,
        rust: image
            .rust
            .as_ref()
            .map(|rust| rust_inputs(root, records, rust, &cache))
            .transpose()?,
        npm: image
            .npm
            .as_ref()
            .map(|npm| npm_inputs(root, npm, &cache))
            .transpose()?,
    };
    // Where it cannot be written, the next key takes longer; this one is right.
    let _ = cache.save();
    Ok(Key {
        hex: digest_json(&inputs)?.to_string(),
        inputs,
        base_sources,
        dockerfile,
    })
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, else `.dockerignore` of the context.
fn ignore_file(context: &Path, dockerfile: &Path) -> Option<PathBuf> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    [PathBuf::from(own), context.join(".dockerignore")]
        .into_iter()
        .find(|path| path.is_file())
}

fn read_rules(path: Option<&Path>) -> anyhow::Result<(Rules, Option<String>)> {
    let Some(path) = path else {
        return Ok((Rules::default(), None));
    };
    let bytes =
        std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let rules = Rules::parse(&bytes).with_context(|| format!("in {}", path.display()))?;
    Ok((rules, Some(digest_bytes(&bytes))))
}

fn rust_inputs(
    root: &Path,
    records: &Path,
    rust: &RustPrebuild,
    cache: &StatCache,
) -> anyhow::Result<RustInputs> {
    let closure = closure::resolve(root, records, &rust.package)?;
    Ok(RustInputs {
        build: [
            rust.package.clone(),
            rust.binary.clone(),
            toolchain::PROFILE.to_owned(),
            toolchain::TARGET.to_owned(),
        ],
        to: rust.to.clone(),
        sources: closure::sources(root, &closure, cache)?,
        members: closure.members,
        features: closure.features,
        checksums: closure.checksums,
        workspace: workspace_tables(root)?,
        environment: toolchain::fingerprint(root)?,
    })
}

/// What every member inherits and no resolution shows: profiles, patches,
/// package fields. Dependencies are in the closure.
fn workspace_tables(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = root.join("Cargo.toml");
    let table: toml::Table = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {}", path.display()))?
        .parse()
        .with_context(|| format!("failed to parse {}", path.display()))?;
    let workspace = table.get("workspace").and_then(toml::Value::as_table);
    let profile = table
        .get("profile")
        .and_then(|profiles| profiles.get(toolchain::PROFILE));
    let parts = [
        ("profile", profile),
        ("patch", table.get("patch")),
        ("package", workspace.and_then(|table| table.get("package"))),
        (
            "resolver",
            workspace.and_then(|table| table.get("resolver")),
        ),
    ];
    Ok(parts
        .into_iter()
        .filter_map(|(name, value)| {
            Some((name.to_owned(), digest_bytes(value?.to_string().as_bytes())))
        })
        .collect())
}

fn npm_inputs(root: &Path, npm: &NpmPrebuild, cache: &StatCache) -> anyhow::Result<NpmInputs> {
    let folder = root.join(npm.folder.get_ref());
    let (rules, _) = read_rules(Some(&folder.join(".dockerignore")))?;
    Ok(NpmInputs {
        output: npm.output.clone(),
        to: npm.to.clone(),
        sources: tree::context(&folder, &rules, cache)?,
    })
}

/// Keeps the inputs of a key, for later comparison.
///
/// # Errors
/// The record cannot be written.
pub fn remember(records: &Path, image: &str, key: &Key) -> anyhow::Result<()> {
    let folder = records.join("keys").join(image);
    let bytes = serde_json::to_vec(&key.inputs)?;
    records::write_atomically(&folder.join(format!("{}.json", key.hex)), &bytes)?;
    records::write_atomically(&folder.join("latest"), key.hex.as_bytes())
}

/// The inputs that this checkout last built or found, if it did.
#[must_use]
pub fn last_inputs(records: &Path, image: &str) -> Option<Inputs> {
    let folder = records.join("keys").join(image);
    let hex = std::fs::read_to_string(folder.join("latest")).ok()?;
    serde_json::from_slice(&std::fs::read(folder.join(format!("{hex}.json"))).ok()?).ok()
}

/// What differs between two sets of inputs, one line per difference.
#[must_use]
pub fn explain(before: &Inputs, after: &Inputs) -> Vec<String> {
    let (Ok(before), Ok(after)) = (serde_json::to_value(before), serde_json::to_value(after))
    else {
        return Vec::new();
    };
    let mut differences = Vec::new();
    compare("", &before, &after, &mut differences);
    differences
}

fn compare(
    path: &str,
    before: &serde_json::Value,
    after: &serde_json::Value,
    differences: &mut Vec<String>,
) {
    use serde_json::Value::{Null, Object};
    match (before, after) {
        _ if before == after => {}
        // An entry of a tree is one thing to a person, not three fields.
        (Object(left), Object(right))
            if !left.contains_key("kind") && !right.contains_key("kind") =>
        {
            let names: std::collections::BTreeSet<&String> =
                left.keys().chain(right.keys()).collect();
            for name in names {
                let inner = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}: {name}")
                };
                compare(
                    &inner,
                    left.get(name).unwrap_or(&Null),
                    right.get(name).unwrap_or(&Null),
                    differences,
                );
            }
        }
        (Null, _) => differences.push(format!("{path} added")),
        (_, Null) => differences.push(format!("{path} removed")),
        (left, right) => {
            let same_content =
                left.get("digest").is_some() && left.get("digest") == right.get("digest");
            let what = if same_content {
                "mode changed"
            } else {
                "changed"
            };
            differences.push(format!("{path} {what}"));
        }
    }
}
