//! The key of an image: a digest of everything that can change its bytes, and
//! of nothing else. `inputs` is the form that is hashed, `key_store` keeps it and
//! `explain` compares two by name.

use super::dockerfile;
use super::entry::{self, digest_bytes};
use super::error::{Code, Failure, FailureContext as _};
use super::ignore::Rules;
use super::inputs::{FORM, Inputs, NpmInputs, RustInputs};
use super::{base, closure, toolchain};
use anyhow::Context as _;
use app_gen_infra::{Image, NpmPrebuild, Platform, RustPrebuild};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
        context: entry::read_tree(&context, &rules)?,
        rust: image
            .rust
            .as_ref()
            .map(|rust| rust_inputs(root, records, rust))
            .transpose()?,
        npm: image
            .npm
            .as_ref()
            .map(|npm| npm_inputs(root, npm))
            .transpose()?,
    };
    Ok(Key {
        hex: digest_bytes(&serde_json::to_vec(&inputs)?),
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

fn rust_inputs(root: &Path, records: &Path, rust: &RustPrebuild) -> anyhow::Result<RustInputs> {
    let closure = closure::resolve(root, records, &rust.package)?;
    Ok(RustInputs {
        build: [
            rust.package.clone(),
            rust.binary.clone(),
            toolchain::PROFILE.to_owned(),
            toolchain::TARGET.to_owned(),
        ],
        to: rust.to.clone(),
        sources: closure::sources(root, &closure)?,
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

fn npm_inputs(root: &Path, npm: &NpmPrebuild) -> anyhow::Result<NpmInputs> {
    let folder = root.join(npm.folder.get_ref());
    let (rules, _) = read_rules(Some(&folder.join(".dockerignore")))?;
    Ok(NpmInputs {
        output: npm.output.clone(),
        to: npm.to.clone(),
        sources: entry::read_tree(&folder, &rules)?,
    })
}
