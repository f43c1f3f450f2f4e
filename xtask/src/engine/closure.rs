//! What a Rust package is compiled from: the path packages it reaches, and the
//! registry packages with their features.
//!
//! `cargo tree -p` resolves as `cargo build -p` does (features not unified with
//! other members). It costs some 0.3 s, so its answer is kept by the bytes it
//! follows from: the lock, every manifest and the relevant configuration.

use super::cmd::Cmd;
use super::content::digest_file;
use super::entry::{Entries, Entry, digest_bytes, escape};
use super::stat_cache::StatCache;
use super::toolchain::{PASSED_ENVIRONMENT, TARGET};
use super::tree;
use anyhow::Context as _;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The packages that one binary is compiled from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// Path packages: name to folder relative to the checkout.
    pub members: BTreeMap<String, String>,
    /// All packages, `name version` to features, comma-separated.
    pub features: BTreeMap<String, String>,
    /// Registry packages, `name version` to the checksum of the lock.
    pub checksums: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<LockPackage>,
}

#[derive(Deserialize)]
struct LockPackage {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Resolves the closure of a package, from the cache in `records` where it holds.
///
/// # Errors
/// The lock is missing or out of date, or cargo refuses the workspace.
pub fn resolve(root: &Path, records: &Path, package: &str) -> anyhow::Result<Closure> {
    let cache = records
        .join("closures")
        .join(format!("{package}-{}.json", &source_digest(root)?[..16]));
    if let Some(closure) = std::fs::read(&cache)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
    {
        return Ok(closure);
    }
    let closure = ask_cargo(root, package)?;
    super::records::write_atomically(&cache, &serde_json::to_vec(&closure)?)?;
    Ok(closure)
}

/// Digest of everything the resolution follows from.
fn source_digest(root: &Path) -> anyhow::Result<String> {
    let mut text = String::from("1\n");
    let mut manifests = member_manifests(root)?;
    manifests.push(root.join("Cargo.lock"));
    manifests.push(root.join(".cargo/config.toml"));
    for path in manifests {
        if path.is_file() {
            text.push_str(&format!("{} {}\n", path.display(), digest_file(&path)?));
        }
    }
    Ok(digest_bytes(text.as_bytes()))
}

/// The manifests of the workspace and its members.
fn member_manifests(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Manifest {
        workspace: Workspace,
    }
    #[derive(Deserialize)]
    struct Workspace {
        members: Vec<String>,
    }
    let path = root.join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("{} is no workspace", path.display()))?;
    let mut manifests = vec![path];
    for member in manifest.workspace.members {
        manifests.push(root.join(member).join("Cargo.toml"));
    }
    Ok(manifests)
}

fn ask_cargo(root: &Path, package: &str) -> anyhow::Result<Closure> {
    let listing = Cmd::new("cargo")
        .args([
            "tree",
            "--locked",
            "--package",
            package,
            "--target",
            TARGET,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}|{f}",
        ])
        .folder(root)
        .only_env(PASSED_ENVIRONMENT)
        // A fresh machine downloads every manifest of the lock first.
        .timeout(Duration::from_secs(300))
        .read()?;
    let lock_path = root.join("Cargo.lock");
    let lock: Lock = toml::from_str(
        &std::fs::read_to_string(&lock_path)
            .with_context(|| format!("failed to read {}", lock_path.display()))?,
    )?;
    let checksums: BTreeMap<(&str, &str), &str> = lock
        .package
        .iter()
        .filter_map(|package| {
            Some((
                (package.name.as_str(), package.version.as_str()),
                package.checksum.as_deref()?,
            ))
        })
        .collect();
    let mut closure = Closure {
        members: BTreeMap::new(),
        features: BTreeMap::new(),
        checksums: BTreeMap::new(),
    };
    for line in listing.lines() {
        let (name_version_path, features) = line.split_once('|').unwrap_or((line, ""));
        let mut words = name_version_path.splitn(3, ' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        let version = version.trim_start_matches('v');
        let label = format!("{name} {version}");
        // `(*)` marks a package listed before, `(proc-macro)` one of that kind.
        let folder = words
            .next()
            .and_then(|rest| rest.split(['(', ')']).find(|part| part.starts_with('/')));
        if let Some(folder) = folder {
            let relative = Path::new(folder).strip_prefix(root).with_context(|| {
                format!("package {name} lies outside the checkout, in {folder}")
            })?;
            closure
                .members
                .insert(name.to_owned(), relative.to_string_lossy().into_owned());
        } else {
            let checksum = checksums
                .get(&(name, version))
                .with_context(|| format!("{label} has no checksum in Cargo.lock"))?;
            closure
                .checksums
                .insert(label.clone(), (*checksum).to_owned());
        }
        closure
            .features
            .insert(label, features.trim_end_matches(" (*)").to_owned());
    }
    Ok(closure)
}

/// The sources of the closure's path packages, by path relative to the checkout:
/// each folder less nested packages and less the package's `exclude`.
///
/// # Errors
/// Something cannot be read.
pub fn sources(root: &Path, closure: &Closure, cache: &StatCache) -> anyhow::Result<Entries> {
    let mut entries = Entries::new();
    for member in closure.members.values() {
        let folder = root.join(member);
        let files = tree::package(&folder, &excludes(&folder)?, cache)?;
        let prefix = escape(member.as_bytes());
        entries.extend(
            files
                .into_iter()
                .filter(|(_, entry)| *entry != Entry::Directory)
                .map(|(path, entry)| match prefix.as_str() {
                    "" => (path, entry),
                    prefix => (format!("{prefix}/{path}"), entry),
                }),
        );
    }
    Ok(entries)
}

fn excludes(folder: &Path) -> anyhow::Result<Gitignore> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        #[serde(default)]
        exclude: Vec<String>,
    }
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("failed to parse {}", path.display()))?;
    let mut builder = GitignoreBuilder::new("");
    for pattern in &manifest.package.exclude {
        builder
            .add_line(None, pattern)
            .with_context(|| format!("package.exclude of {}", path.display()))?;
    }
    Ok(builder.build()?)
}
