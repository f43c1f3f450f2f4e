//! What a Rust package is compiled from: the path packages that it depends on, and the packages of
//! registries with their features.
//!
//! `cargo tree -p` finds the same packages and features as `cargo build -p`, which does not unify
//! features with other members. It takes some 0.3 s, so its answer is kept with the digests of the
//! files that it depends on: the lock, the manifests of the workspace and of the path packages, and
//! cargo's configuration. The manifests of other members are not among them, because what those add to
//! the lock changes the lock.

use crate::rust::cargo_config;
use crate::rust::cargo_config::ConfigFile;
use crate::rust::environment::{Surroundings, TARGET, rust_flags};
use crate::rust::packages;
use crate::rust::packages::Origin;
use crate::rust::workspace;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_core::cmd::Cmd;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_tree::entry::{Entries, escape, unescape};
use xtask_tree::identity::{Identity, Timestamp};
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk;

/// The packages that one binary is compiled from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// The folders of path packages relative to the checkout, by name.
    pub members: BTreeMap<String, String>,
    /// The features of all packages by `NAME VERSION`, with commas between them. A package that is
    /// compiled several times has a set for each time, with ` | ` between the sets.
    pub features: BTreeMap<String, String>,
    /// The checksums of other packages in the lock, by `NAME VERSION`. Packages from git have their
    /// source with its revision instead.
    pub checksums: BTreeMap<String, String>,
    /// What the workspace's manifest says about them, as [`workspace::tables`].
    pub workspace: BTreeMap<String, String>,
    /// What the path packages exclude from their files: folder to patterns.
    pub excludes: BTreeMap<String, Vec<String>>,
    /// The folders of vendored packages, by `NAME VERSION`.
    pub vendored: BTreeMap<String, PathBuf>,
}

/// A closure, and what it depends on.
#[derive(Serialize, Deserialize)]
struct Known {
    cargo: String,
    basis: Basis,
    closure: Closure,
}

/// The digests of the files that a closure depends on, or nothing where a file does not exist.
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

/// Finds the closure of a package: the one in the cache where that still holds, else by asking
/// cargo. `cargo` is the version of cargo, and `config` its configuration.
///
/// # Errors
/// The lock is missing or out of date, cargo refuses the workspace, or a path package is outside of
/// the checkout or behind a link.
pub fn resolve(
    surroundings: &Surroundings,
    cache_folder: &Path,
    cargo: &str,
    config: &[ConfigFile],
    package: &str,
) -> anyhow::Result<Closure> {
    let root = surroundings.root.as_path();
    let cache = cache_folder
        .join("closures")
        .join(format!("{package}.json"));
    if let Some(known) = read_checked::<Known>(&cache)
        && known.cargo == cargo
        && known.basis == basis(root, &known.closure, config)?
    {
        return Ok(known.closure);
    }
    let asked = Timestamp::now();
    let listing = ask_cargo(surroundings, package)?;
    let lock = root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock)
        .with_context(|| format!("failed to read {}", lock.display()))?;
    let mut closure = parse(&std::fs::canonicalize(root)?, &listing, &lock)?;
    closure.workspace = workspace::tables(root, &closure.members)?;
    for member in closure.members.values() {
        let patterns = workspace::exclude_patterns(root, &root.join(member))?;
        closure.excludes.insert(member.clone(), patterns);
    }
    let is_vendoring = |file: &ConfigFile| !file.source_folders()[0].is_empty();
    if config.iter().any(is_vendoring) {
        closure.vendored = packages::locate(surroundings, config, closure.checksums.keys())?
            .into_iter()
            .filter(|package| matches!(package.origin, Origin::Vendored))
            .map(|package| (package.label, package.folder))
            .collect();
    }
    let known = Known {
        cargo: cargo.to_owned(),
        // Read again: `config` may be older than what cargo has read.
        basis: basis(root, &closure, &cargo_config::read(surroundings)?)?,
        closure,
    };
    // A file that was written since then may be newer than what cargo has read.
    let settled = known.basis.iter().all(|(path, digest)| {
        let changed = || Identity::of(Path::new(&unescape(path))).map(|file| file.changed);
        digest.is_none() || changed().is_ok_and(|changed| changed < asked)
    });
    if settled {
        // If it cannot be written, cargo is asked again next time.
        let _ = write_checked(&cache, &known);
    }
    Ok(known.closure)
}

fn basis(root: &Path, closure: &Closure, config: &[ConfigFile]) -> anyhow::Result<Basis> {
    let name = |path: &Path| escape(path.as_os_str().as_bytes());
    let mut basis: Basis = config
        .iter()
        .map(|file| {
            let digest = file.text.as_ref().map(|text| digest_bytes(text.as_bytes()));
            (name(&file.path), digest)
        })
        .collect();
    let folders = closure.members.values().map(|folder| root.join(folder));
    let manifests = folders
        .chain(closure.vendored.values().cloned())
        .map(|folder| folder.join("Cargo.toml"));
    for path in manifests.chain([root.join("Cargo.toml"), root.join("Cargo.lock")]) {
        let text = cargo_config::read_if_present(&path)?;
        basis.insert(name(&path), text.map(|text| digest_bytes(text.as_bytes())));
    }
    Ok(basis)
}

/// A line for each package and set of features: `[FEATURES] NAME vVERSION …`.
fn ask_cargo(surroundings: &Surroundings, package: &str) -> anyhow::Result<String> {
    Cmd::new("cargo")
        .args(["tree", "--locked", "--package", package])
        .args(["--target", TARGET, "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "[{f}] {p}"])
        .folder(&surroundings.root)
        .only_env(&[])
        .envs(&surroundings.variables)
        // Like the compile, it must not take the flags of a configuration: they can decide for which
        // target a dependency counts.
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(surroundings, []))
        .env("CARGO_TERM_COLOR", "never")
        // On a new machine, cargo first downloads every package of the lock.
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

/// `root` is canonical, like the folders that cargo names.
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
        // `NAME vVERSION`, then `(proc-macro)`, the source in parentheses, and `(*)` if the package was
        // listed before with the same features. All but the first are optional.
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
    refuse_link(root, name, folder)?;
    let relative = folder.strip_prefix(root).ok().and_then(Path::to_str);
    let relative = relative.with_context(|| format!("its folder is {}", folder.display()));
    let relative = relative.failure(|| {
        Failure::new(
            Code::Build,
            format!("path package {name} is outside of the checkout"),
        )
        .hint("move it into the checkout, or depend on a published version or a git revision")
    })?;
    match closure.members.insert(name.to_owned(), relative.to_owned()) {
        Some(other) if other != relative => Err(Failure::new(
            Code::Build,
            format!("the packages in {relative} and {other} are both named {name}"),
        )
        .hint("give one of the two packages another name")
        .into()),
        _ => Ok(()),
    }
}

/// A link could lead to another folder without any change of what the key holds.
fn refuse_link(root: &Path, name: &str, folder: &Path) -> anyhow::Result<()> {
    let below = folder.ancestors().take_while(|place| *place != root);
    let Some(link) = below.filter(|place| place.is_symlink()).last() else {
        return Ok(());
    };
    let leads_to = std::fs::canonicalize(folder)
        .with_context(|| format!("failed to follow the link {}", link.display()))?;
    Err(Failure::new(
        Code::Build,
        format!(
            "path package {name} is behind the link {}",
            link.strip_prefix(root).unwrap_or(link).display()
        ),
    )
    .hint(format!(
        "name the folder itself in the manifest that depends on it: {}",
        leads_to.strip_prefix(root).unwrap_or(&leads_to).display()
    ))
    .into())
}

/// What determines the bytes of a package: its checksum, or the source with its revision if it comes
/// from git. There are several if packages of two sources have the same name and version.
fn pinned(lock: &Lock, name: &str, version: &str) -> String {
    let pins: BTreeSet<&str> = lock
        .package
        .iter()
        .filter(|package| package.name == name && package.version == version)
        .filter_map(|package| package.checksum.as_deref().or(package.source.as_deref()))
        .collect();
    Vec::from_iter(pins).join(" | ")
}

/// What the lock pins, by `NAME VERSION`, with digests of the packages that no lock protects.
///
/// # Errors
/// Something cannot be read.
pub fn pins(closure: &Closure, cache: &StatCache) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pins = closure.checksums.clone();
    for (label, folder) in &closure.vendored {
        if let Some(pin) = pins.get_mut(label) {
            *pin = packages::vendored_pin(pin, folder, cache)?;
        }
    }
    Ok(pins)
}

/// The sources of the closure's path packages, by path relative to the checkout: each folder
/// without nested packages and without what the package excludes, and with the folders in which nothing
/// is, because a build script that lists folders sees them.
///
/// # Errors
/// Something cannot be read.
pub fn sources(root: &Path, closure: &Closure, cache: &StatCache) -> anyhow::Result<Entries> {
    let mut entries = Entries::new();
    for member in closure.members.values() {
        let folder = root.join(member);
        let patterns = closure.excludes.get(member).map_or(&[][..], Vec::as_slice);
        let excludes = workspace::excludes(&folder, patterns)?;
        let mut files = walk::package(&folder, &excludes, cache)?;
        files.keep_leaves();
        let prefix = escape(member.as_bytes());
        entries.extend(
            files
                .into_iter()
                .map(|(path, entry)| match prefix.as_str() {
                    "" => (path, entry),
                    prefix => (format!("{prefix}/{path}"), entry),
                }),
        );
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
[default] app v1.0.0 (/home/check (out)/app)
[] macros v1.0.0 (proc-macro) (/home/check (out)/macros)
[default,std] serde v1.0.1
[] serde v1.0.1
[std] serde v1.0.1 (*)
[] serde v2.0.0 (registry `other`)
[] fetched v0.3.0 (https://example.invalid/fetched?rev=39421ae#39421ae5)
[] derive v1.0.0 (proc-macro)
[default] app v1.0.0 (/home/check (out)/app) (*)";

    const LOCK: &str = r#"
        [[package]]
        name = "app"
        version = "1.0.0"
        [[package]]
        name = "macros"
        version = "1.0.0"
        [[package]]
        name = "serde"
        version = "1.0.1"
        source = "registry+https://example.invalid/index"
        checksum = "aa"
        [[package]]
        name = "serde"
        version = "2.0.0"
        source = "registry+https://example.invalid/other"
        checksum = "bb"
        [[package]]
        name = "fetched"
        version = "0.3.0"
        source = "git+https://example.invalid/fetched?rev=39421ae#39421ae5fa3a"
        [[package]]
        name = "derive"
        version = "1.0.0"
        source = "registry+https://example.invalid/index"
        checksum = "dd"
        [[package]]
        name = "not-reached"
        version = "1.0.0"
        source = "registry+https://example.invalid/index"
        checksum = "ee"
    "#;

    #[test]
    fn a_closure_is_what_cargo_lists_and_the_lock_pins() {
        let root = Path::new("/home/check (out)");
        let closure = parse(root, LISTING, LOCK).unwrap();
        insta::assert_json_snapshot!(closure, @r#"
        {
          "members": {
            "app": "app",
            "macros": "macros"
          },
          "features": {
            "app 1.0.0": "default",
            "derive 1.0.0": "",
            "fetched 0.3.0": "",
            "macros 1.0.0": "",
            "serde 1.0.1": " | default,std | std",
            "serde 2.0.0": ""
          },
          "checksums": {
            "derive 1.0.0": "dd",
            "fetched 0.3.0": "git+https://example.invalid/fetched?rev=39421ae#39421ae5fa3a",
            "serde 1.0.1": "aa",
            "serde 2.0.0": "bb"
          },
          "workspace": {},
          "excludes": {},
          "vendored": {}
        }
        "#);
        // An entry that is not reached changes nothing, one that is does.
        let outside = LOCK.replace("ee", "ff");
        assert_eq!(parse(root, LISTING, &outside).unwrap(), closure);
        for (from, to) in [("aa", "ab"), ("dd", "de"), ("39421ae5fa3a", "39421ae5fa3b")] {
            let inside = LOCK.replace(from, to);
            assert_ne!(parse(root, LISTING, &inside).unwrap(), closure);
        }
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        let root = Path::new("/root");
        for listing in [
            "app v1.0.0",
            "[] app",
            "[] app 1.0.0",
            "[",
            "[] unknown v1.0.0",
        ] {
            assert!(parse(root, listing, LOCK).is_err(), "{listing}");
        }
        assert!(parse(root, "[] serde v1.0.1", "package = 1").is_err());
    }
}
