//! The packages that are not ours: where cargo has them unpacked, and whether that is what the lock
//! says. Cargo itself compares an archive with the lock when it downloads it, and never again: an
//! edit of what it unpacked is compiled as if it were the published package.
//!
//! - Of a registry, a mirror or a local registry, the archive must have the checksum of the lock, and
//!   the folder must have the files of the archive.
//! - Of git, the folder must have the files of the locked revision.
//! - A vendored folder has no archive that could be compared. Its files are in the key.

use crate::rust::cargo_config::ConfigFile;
use crate::rust::crate_archive;
use crate::rust::environment::{Surroundings, TARGET};
use crate::rust::toolchain::digest_of;
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_core::cmd::Cmd;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_tree::content;
use xtask_tree::entry::{Digest, Entries};
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk;
use xtask_tree::walk::Everything;

/// Comes between the pin of the lock and the digest of the files of a vendored package.
pub const VENDORED: &str = "; files sha256:";
/// How many files a refusal names.
const NAMED: usize = 3;

/// A package that is not ours.
#[derive(Debug, Clone)]
pub struct Package {
    /// `NAME VERSION`
    pub label: String,
    /// The folder with everything that the package may read.
    pub folder: PathBuf,
    /// What its folder is held against.
    pub origin: Origin,
}

/// What the folder of a package is held against.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The archive of a registry.
    Archive(PathBuf),
    /// The revision of a repository.
    Revision(String),
    /// Nothing: it is vendored.
    Vendored,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    version: String,
    source: Option<String>,
    manifest_path: PathBuf,
}

/// Finds the packages with these labels, and has cargo fetch those that are missing.
///
/// # Errors
/// Cargo cannot fetch one, or does not know it.
pub fn locate<'a>(
    surroundings: &Surroundings,
    config: &[ConfigFile],
    labels: impl IntoIterator<Item = &'a String>,
) -> anyhow::Result<Vec<Package>> {
    let mut wanted: BTreeSet<&String> = labels.into_iter().collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let metadata = Cmd::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1"])
        .args(["--filter-platform", TARGET])
        .folder(&surroundings.root)
        .only_env(&[])
        .envs(&surroundings.variables)
        .env("CARGO_TERM_COLOR", "never")
        // On a new machine, cargo first downloads every package of the lock.
        .timeout(Duration::from_secs(300))
        .read()
        .failure(|| {
            Failure::new(Code::Build, "failed to fetch the packages of Cargo.lock")
                .hint("cargo fetch --locked")
        })?;
    let metadata: Metadata =
        serde_json::from_str(&metadata).context("failed to parse what `cargo metadata` says")?;
    let mut packages = Vec::new();
    let mut found = BTreeSet::new();
    for described in metadata.packages {
        let label = format!("{} {}", described.name, described.version);
        let (Some(source), true) = (&described.source, wanted.contains(&label)) else {
            continue;
        };
        packages.push(place(surroundings, config, &label, source, &described)?);
        found.insert(label);
    }
    wanted.retain(|label| !found.contains(*label));
    match wanted.first() {
        None => Ok(packages),
        Some(label) => anyhow::bail!("`cargo metadata` does not say where {label} is"),
    }
}

fn place(
    surroundings: &Surroundings,
    config: &[ConfigFile],
    label: &str,
    source: &str,
    described: &Described,
) -> anyhow::Result<Package> {
    let folder = described.manifest_path.parent();
    let folder = folder.with_context(|| format!("{label} has no folder"))?;
    let home = surroundings.cargo_home();
    let package = |folder: &Path, origin| Package {
        label: label.to_owned(),
        folder: folder.to_owned(),
        origin,
    };
    if let Ok(relative) = folder.strip_prefix(home.join("registry/src")) {
        let archive = format!("{}-{}.crate", described.name, described.version);
        let index = relative.parent().unwrap_or(relative);
        let cached = home.join("registry/cache").join(index).join(&archive);
        let local = config.iter().flat_map(|file| {
            let [_, archives] = file.source_folders();
            archives
        });
        let places = std::iter::once(cached).chain(local.map(|folder| folder.join(&archive)));
        let found = places.into_iter().find(|path| path.is_file());
        let archive = found.ok_or_else(|| {
            let place = folder.display();
            Failure::new(
                Code::Build,
                format!("there is no archive {archive} that {place} could be held against"),
            )
            .hint(format!("rm -r {place}"))
        })?;
        return Ok(package(folder, Origin::Archive(archive)));
    }
    let checkouts = home.join("git/checkouts");
    if let Ok(relative) = folder.strip_prefix(&checkouts) {
        // REPOSITORY/REVISION/…: a package may read all of its repository.
        let checkout: PathBuf = relative.components().take(2).collect();
        let revision = source.rsplit_once('#').map(|(_, revision)| revision);
        let revision = revision.with_context(|| format!("{label} has no revision: {source}"))?;
        let origin = Origin::Revision(revision.to_owned());
        return Ok(package(&checkouts.join(checkout), origin));
    }
    Ok(package(folder, Origin::Vendored))
}

/// Digests of the files in archives, by checksum of the archive: to unpack all of them takes
/// seconds.
type Known = BTreeMap<String, Digest>;

/// Holds every package against the lock. `pins` are the checksums of the lock by label.
///
/// # Errors
/// A package is not what the lock says.
pub fn verify(
    packages: &[Package],
    pins: &BTreeMap<String, String>,
    cache_folder: &Path,
) -> anyhow::Result<()> {
    let cache = StatCache::open(cache_folder, "packages");
    let known_path = cache_folder.join("packages.json");
    let before: Known = read_checked(&known_path).unwrap_or_default();
    let mut after = Known::new();
    let mut checkouts = BTreeSet::new();
    for package in packages {
        match &package.origin {
            Origin::Archive(archive) => {
                let checksum = digest_of(archive, &cache)?;
                let pin = pins.get(&package.label).map_or("", String::as_str);
                if !pin.split(" | ").any(|pin| pin == checksum.to_string()) {
                    return Err(refusal(&package.label, archive, "its checksum differs").into());
                }
                let digest = match before.get(&checksum.to_string()) {
                    Some(digest) => *digest,
                    None => content::digest_json(&crate_archive::entries(archive)?)?,
                };
                after.insert(checksum.to_string(), digest);
                let found = files(&package.folder, &cache)?;
                if content::digest_json(&found)? != digest {
                    let what = differing(&crate_archive::entries(archive)?, &found);
                    return Err(refusal(&package.label, &package.folder, &what).into());
                }
            }
            Origin::Revision(revision) => {
                if checkouts.insert(&package.folder) {
                    verify_checkout(package, revision, cache_folder)?;
                }
            }
            Origin::Vendored => {
                let pin = pins.get(&package.label).map_or("", String::as_str);
                let lock = pin.split(VENDORED).next().unwrap_or_default();
                if vendored_pin(lock, &package.folder, &cache)? != pin {
                    let what = "its files are not those of the key";
                    return Err(refusal(&package.label, &package.folder, what).into());
                }
            }
        }
    }
    // What cannot be written is computed again next time.
    let _ = cache.save();
    if before != after {
        let _ = write_checked(&known_path, &after);
    }
    Ok(())
}

fn files(folder: &Path, cache: &StatCache) -> anyhow::Result<Entries> {
    let mut entries = walk::read(folder, &Everything, cache)?;
    crate_archive::comparable(&mut entries);
    Ok(entries)
}

/// The first paths at which two trees differ.
fn differing(expected: &Entries, found: &Entries) -> String {
    let paths: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differ = paths
        .into_iter()
        .filter(|path| expected.get(*path) != found.get(*path));
    named(&differ.map(String::as_str).collect::<Vec<_>>())
}

/// `src/lib.rs differs`, or the first of several.
fn named(paths: &[&str]) -> String {
    let shown = paths[..paths.len().min(NAMED)].join(", ");
    match paths.len() {
        1 => format!("{shown} differs"),
        count if count > NAMED => format!("{shown} and {} more differ", count - NAMED),
        _ => format!("{shown} differ"),
    }
}

fn refusal(label: &str, place: &Path, what: &str) -> Failure {
    let place = place.display();
    Failure::new(
        Code::Build,
        format!("{label} in {place} is not what Cargo.lock pins: {what}"),
    )
    .hint(format!(
        "rm -r {place}, and fetch it again with `cargo fetch --locked`; to change a package, name a folder of the checkout in [patch]"
    ))
}

/// Compares the files of a checkout with the revision. Git has no index to trust here, so that it
/// reads every file.
fn verify_checkout(package: &Package, revision: &str, cache_folder: &Path) -> anyhow::Result<()> {
    let index = cache_folder.join(format!("index-{}", std::process::id()));
    let git = |arguments: &[&str]| {
        Cmd::new("git")
            .args(["-c", "core.autocrlf=false", "-c", "core.fsmonitor=false"])
            .args(["-c", "core.attributesFile=/dev/null"])
            .args(["-c", "core.excludesFile=/dev/null"])
            .args(["-c", "safe.directory=*"])
            .args(arguments)
            .folder(&package.folder)
            .only_env(&["PATH"])
            .env("GIT_DIR", package.folder.join(".git"))
            .env("GIT_WORK_TREE", &package.folder)
            .env("GIT_INDEX_FILE", &index)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .read()
    };
    let status = git(&["read-tree", revision]).and_then(|_| {
        git(&[
            "status",
            "--porcelain",
            "--untracked-files=all",
            "--ignored=matching",
        ])
    });
    let _ = std::fs::remove_file(&index);
    let status = status?;
    let changed: Vec<&str> = status
        .lines()
        .filter_map(|line| line.get(2..).map(str::trim))
        .filter(|path| {
            Path::new(path)
                .file_name()
                .is_none_or(|name| name != ".cargo-ok")
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(refusal(&package.label, &package.folder, &named(&changed)).into())
}

/// The folders whose names depend on where packages come from: those of a registry or a mirror, and
/// those that hold vendored packages.
#[must_use]
pub fn folders_of(packages: &[Package]) -> BTreeSet<&Path> {
    packages
        .iter()
        .filter(|package| !matches!(package.origin, Origin::Revision(_)))
        .filter_map(|package| package.folder.parent())
        .collect()
}

/// The pin of a vendored package: the one of the lock, with a digest of its files.
///
/// # Errors
/// They cannot be read.
pub fn vendored_pin(pin: &str, folder: &Path, cache: &StatCache) -> anyhow::Result<String> {
    let digest = content::digest_json(&files(folder, cache)?)?;
    Ok(format!("{pin}{VENDORED}{digest}"))
}
