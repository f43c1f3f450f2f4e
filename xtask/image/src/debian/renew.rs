//! The lock files of all images: whether they are those of what the manifest wants, and how they are
//! brought up to date.

use crate::base;
use crate::base::pins::Pins;
use crate::debian::lock;
use crate::debian::lock::{LockFile, Wanted};
use crate::debian::resolve::resolve;
use crate::debian::sources::Archives;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use xtask_core::context::Context;
use xtask_docker::reference::Reference;

/// The lock files, and what changed in them.
#[derive(Debug, Default, Serialize)]
pub struct Listing {
    /// One for each image that gets packages.
    pub locks: Vec<Row>,
    /// What an update changed.
    pub package_changes: Vec<Change>,
}

/// The lock file of one image.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Name in the manifest.
    pub image: String,
    /// The lock file, relative to the checkout.
    pub path: String,
    /// Whether a build can use it.
    pub state: State,
    /// Why it is stale.
    pub why: Option<String>,
    /// Versions by package.
    pub packages: BTreeMap<String, String>,
}

/// Whether a build can use a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is that of what the manifest wants.
    Current,
    /// It is that of something else.
    Stale,
    /// Nobody has made it yet.
    Missing,
}

/// A package that `--update` added, removed or gave another version.
#[derive(Debug, Serialize)]
pub struct Change {
    /// Name of the image in the manifest.
    pub image: String,
    /// Name of the package.
    pub package: String,
    /// Its version before, if it was there.
    pub before: Option<String>,
    /// Its version now, if it is there.
    pub after: Option<String>,
}

/// The lock files as they are.
///
/// # Errors
/// One of them is malformed.
pub fn list(context: &Context) -> anyhow::Result<Listing> {
    let mut listing = Listing::default();
    for (image, wanted) in wanted(context)? {
        let lock = LockFile::read(&context.root, &image)?;
        listing.locks.push(row(image, &wanted, lock.as_ref()));
    }
    Ok(listing)
}

/// Resolves the packages of each image against the pinned base, and writes the lock files that change.
///
/// # Errors
/// The engine or an archive does not answer, or a package does not exist.
pub fn update(context: &Context, pins: &Pins) -> anyhow::Result<Listing> {
    let mut listing = Listing::default();
    for (image, wanted) in wanted(context)? {
        let platform = &context.platform;
        let digest = base::resolve(&platform.base_image, pins)?.digest;
        let name = Reference::parse(&platform.base_image)?.familiar_name();
        let lock = resolve(
            &context.report,
            &format!("{name}@{digest}"),
            &platform.platform,
            &wanted,
            &Archives::of_machine()?,
        )?;
        // A malformed one is written again.
        let before = LockFile::read(&context.root, &image).ok().flatten();
        if before.as_ref() != Some(&lock) {
            lock.write(&context.root, &image)?;
        }
        listing
            .package_changes
            .extend(changes(&image, before.as_ref(), &lock));
        listing.locks.push(row(image, &wanted, Some(&lock)));
    }
    Ok(listing)
}

fn wanted(context: &Context) -> anyhow::Result<Vec<(String, Wanted)>> {
    let platform = &context.platform;
    let images = platform.images.iter();
    images
        .filter_map(|(name, image)| Some((name, image.apt.as_ref()?)))
        .map(|(name, apt)| Ok((name.clone(), Wanted::of(platform, apt)?)))
        .collect()
}

fn row(image: String, wanted: &Wanted, lock: Option<&LockFile>) -> Row {
    let why = lock.and_then(|lock| wanted.difference(lock));
    let state = match (lock, &why) {
        (None, _) => State::Missing,
        (Some(_), None) => State::Current,
        (Some(_), Some(_)) => State::Stale,
    };
    let versions = lock.map(LockFile::versions).unwrap_or_default();
    Row {
        path: lock::path(&image),
        image,
        state,
        why,
        packages: versions
            .into_iter()
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect(),
    }
}

fn changes(image: &str, before: Option<&LockFile>, after: &LockFile) -> Vec<Change> {
    let before = before.map(LockFile::versions).unwrap_or_default();
    let after = after.versions();
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let names = names.into_iter();
    names
        .filter(|name| before.get(name) != after.get(name))
        .map(|name| Change {
            image: image.to_owned(),
            package: name.to_owned(),
            before: before.get(name).map(ToString::to_string),
            after: after.get(name).map(ToString::to_string),
        })
        .collect()
}

impl Listing {
    /// Whether a build cannot use a lock file.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.locks.iter().any(|row| row.state != State::Current)
    }
}
