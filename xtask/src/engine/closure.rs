//! What a Rust package is compiled from: the path packages it reaches, and the
//! registry packages with their features.
//!
//! `cargo tree -p` resolves as `cargo build -p` does (features not unified with
//! other members). It costs some 0.3 s, so its answer is kept with the digests of
//! what it follows from: the lock, the workspace's manifest, those of the path
//! packages, and cargo's configuration. A member that the package does not reach is
//! none of it: what it adds to the lock is seen there.

use super::cmd::Cmd;
use super::entry::{Entries, Entry, digest_bytes, escape, read_entry, unescape};
use super::error::{Code, Failure, FailureContext as _};
use super::identity::{Identity, Timestamp};
use super::records::{read_checked, write_checked};
use super::toolchain::{self, PASSED_ENVIRONMENT, TARGET};
use super::workspace;
use anyhow::Context as _;
use ignore::gitignore::Gitignore;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

/// The packages that one binary is compiled from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// Path packages: name to folder relative to the checkout.
    pub members: BTreeMap<String, String>,
    /// All packages, `name version` to features, comma-separated. A package that is
    /// compiled more than once has all its sets, with ` | ` between them.
    pub features: BTreeMap<String, String>,
    /// Other packages, `name version` to the checksum of the lock; those of git to
    /// the source with its revision.
    pub checksums: BTreeMap<String, String>,
}

/// A closure, and what it follows from.
#[derive(Serialize, Deserialize)]
struct Known {
    cargo: String,
    basis: Basis,
    closure: Closure,
}

/// Files that decide on a closure, by digest; none where there is no such file.
type Basis = BTreeMap<String, Option<String>>;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<LockPackage>,
}

#[derive(Deserialize)]
struct LockPackage {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// Resolves the closure of a package, from the cache in `records` where it holds.
///
/// # Errors
/// The lock is missing or out of date, cargo refuses the workspace, or a path
/// package lies outside the checkout.
pub fn resolve(root: &Path, records: &Path, package: &str) -> anyhow::Result<Closure> {
    let cache = records.join("closures").join(format!("{package}.json"));
    let cargo = toolchain::cargo_version(root, records)?;
    if let Some(known) = read_checked::<Known>(&cache)
        && known.cargo == cargo
        && known.basis == basis(root, &known.closure)?
    {
        return Ok(known.closure);
    }
    let asked = Timestamp::now();
    let listing = ask_cargo(root, package)?;
    let lock = root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock)
        .with_context(|| format!("failed to read {}", lock.display()))?;
    let closure = parse(&std::fs::canonicalize(root)?, &listing, &lock)?;
    let known = Known {
        cargo,
        basis: basis(root, &closure)?,
        closure,
    };
    // What was written since may be newer than what cargo read.
    let settled = known.basis.iter().all(|(path, digest)| {
        let changed = || Identity::of(Path::new(&unescape(path))).map(|file| file.changed);
        digest.is_none() || changed().is_ok_and(|changed| changed < asked)
    });
    if settled {
        write_checked(&cache, &known)?;
    }
    Ok(known.closure)
}

fn basis(root: &Path, closure: &Closure) -> anyhow::Result<Basis> {
    let mut basis = Basis::new();
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    files.extend(
        closure
            .members
            .values()
            .map(|folder| root.join(folder).join("Cargo.toml")),
    );
    files.extend(
        toolchain::config_files(root)?
            .into_iter()
            .map(|(_, path)| path),
    );
    for path in files {
        let digest = match std::fs::read(&path) {
            Ok(bytes) => Some(digest_bytes(&bytes)),
            Err(error) if toolchain::is_absent(&error) => None,
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read {}", path.display()));
            }
        };
        basis.insert(escape(path.as_os_str().as_bytes()), digest);
    }
    Ok(basis)
}

/// One line per package and set of features: `[FEATURES] NAME vVERSION …`.
fn ask_cargo(root: &Path, package: &str) -> anyhow::Result<String> {
    Cmd::new("cargo")
        .args(["tree", "--locked", "--package", package])
        .args(["--target", TARGET, "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "[{f}] {p}"])
        .folder(root)
        .only_env(PASSED_ENVIRONMENT)
        .env("CARGO_TERM_COLOR", "never")
        // A fresh machine downloads every manifest of the lock first.
        .timeout(Duration::from_secs(300))
        .read()
        .failure(|| {
            Failure::new(
                Code::Build,
                format!("failed to resolve what {package} is compiled from"),
            )
            .hint(format!("cargo check --package {package}"))
        })
}

/// `root` is canonical, as the folders that cargo names.
fn parse(root: &Path, listing: &str, lock: &str) -> anyhow::Result<Closure> {
    let lock: Lock = toml::from_str(lock).context("failed to parse Cargo.lock")?;
    let mut closure = Closure::default();
    let mut features: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for line in listing.lines() {
        let unexpected = || format!("unexpected line from `cargo tree`: {line}");
        let (set, described) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("] "))
            .with_context(unexpected)?;
        // `name v1.0.0`, `(proc-macro)`, the source in parentheses, and `(*)` for what was
        // listed before with the same features.
        let described = described.strip_suffix(" (*)").unwrap_or(described);
        let mut words = described.splitn(3, ' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            anyhow::bail!(unexpected());
        };
        let version = version.strip_prefix('v').with_context(unexpected)?;
        let rest = words.next().unwrap_or_default();
        let source = rest.strip_prefix("(proc-macro)").unwrap_or(rest).trim();
        let label = format!("{name} {version}");
        if source.starts_with("(/") {
            let folder = source.trim_start_matches('(');
            let folder = Path::new(folder.strip_suffix(')').unwrap_or(folder));
            add_member(root, name, folder, &mut closure)?;
        } else {
            let pinned = pinned(&lock, name, version);
            anyhow::ensure!(!pinned.is_empty(), "{label} is not in Cargo.lock");
            closure.checksums.insert(label.clone(), pinned);
        }
        features.entry(label).or_default().insert(set);
    }
    closure.features = features
        .into_iter()
        .map(|(label, sets)| (label, Vec::from_iter(sets).join(" | ")))
        .collect();
    Ok(closure)
}

fn add_member(root: &Path, name: &str, folder: &Path, closure: &mut Closure) -> anyhow::Result<()> {
    let relative = folder.strip_prefix(root).ok().and_then(Path::to_str);
    let relative = relative.with_context(|| format!("it lies in {}", folder.display()));
    let relative = relative.failure(|| {
        Failure::new(
            Code::Build,
            format!("path package {name} lies outside the checkout"),
        )
        .hint("move it into the checkout, or depend on a published version or a git revision")
    })?;
    match closure.members.insert(name.to_owned(), relative.to_owned()) {
        Some(other) if other != relative => Err(Failure::new(
            Code::Build,
            format!("{relative} and {other} are both called {name}"),
        )
        .hint("give one of the two packages another name")
        .into()),
        _ => Ok(()),
    }
}

/// What pins the bytes of a package: its checksum, or for git the source with its
/// revision. Several where packages of two sources have the same name and version.
fn pinned(lock: &Lock, name: &str, version: &str) -> String {
    let pins: BTreeSet<&str> = lock
        .package
        .iter()
        .filter(|package| package.name == name && package.version == version)
        .filter_map(|package| package.checksum.as_deref().or(package.source.as_deref()))
        .collect();
    Vec::from_iter(pins).join(" | ")
}

/// The sources of the closure's path packages, by path relative to the checkout:
/// each folder less nested packages and less the package's `exclude`.
///
/// # Errors
/// Something cannot be read.
pub fn sources(root: &Path, closure: &Closure) -> anyhow::Result<Entries> {
    let mut entries = Entries::new();
    for folder in closure.members.values() {
        let manifest = Path::new(folder).join("Cargo.toml");
        let folder = root.join(folder);
        let excludes = workspace::excludes(root, &folder)?;
        collect(root, &folder, &excludes, &mut entries)?;
        // Read in any case, whatever is excluded.
        let entry = read_entry(&root.join(&manifest))?;
        entries.insert(escape(manifest.as_os_str().as_bytes()), entry);
    }
    Ok(entries)
}

fn collect(
    root: &Path,
    folder: &Path,
    excludes: &Gitignore,
    entries: &mut Entries,
) -> anyhow::Result<()> {
    let listing = std::fs::read_dir(folder)
        .with_context(|| format!("failed to list {}", folder.display()))?;
    for item in listing {
        let path = item?.path();
        let is_folder = path.is_dir() && !path.is_symlink();
        if excludes.matched(&path, is_folder).is_ignore() {
            continue;
        }
        if is_folder {
            // A nested package is a closure member of its own, or none of our business.
            if !path.join("Cargo.toml").is_file() {
                collect(root, &path, excludes, entries)?;
            }
            continue;
        }
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let entry: Entry = read_entry(&path)?;
        entries.insert(escape(relative.as_os_str().as_bytes()), entry);
    }
    Ok(())
}
