//! Brings an image of the manifest into a registry: first asks whether the registry has it, and only
//! then builds.
//!
//! `standing` is what is known before anything is done, and `plan` is what a build would do. `held`
//! judges what a registry has under a key. `key_lock` keeps two builds of one key apart.
//! `prebuild` and `page` make binaries and pages, `debian` and `npm_tools` bring packages of others,
//! and `kept` keeps what those brought. `compile` runs cargo in a `target_folder` of its
//! environment, with `freshness` and `audit` (`rustc_info`) for what cargo compiles.
//! `archive` packs the context, into an `own_folder` where a tar does not do, and `push` builds and
//! pushes the image.

pub mod archive;
pub mod audit;
pub mod compile;
pub mod debian;
pub mod freshness;
pub mod held;
pub mod kept;
pub mod key_lock;
pub mod npm_tools;
pub mod own_folder;
pub mod page;
pub mod plan;
pub mod prebuild;
pub mod push;
mod rustc_info;
pub mod standing;
pub mod target_folder;

use crate::build::archive::{Archive, Packed};
use crate::build::held::Held;
pub use crate::build::standing::{Standing, key_of, look, select};
use crate::key::Key;
use crate::key::compute::Shared;
use crate::key::difference;
use crate::key::explain;
use crate::key::store::{KeyStore, Reasons};
use serde::Serialize;
use std::time::Instant;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::interrupt;
use xtask_core::side_by_side::side_by_side;
use xtask_docker::registry::Repository;
use xtask_tree::entry::Mode;

/// How often a build starts again because its inputs changed meanwhile.
const ATTEMPTS: usize = 3;
/// How many of the inputs that changed during a build are named.
const REASONS_SHOWN: usize = 3;

/// How the build of an image ended.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The name of the image in the manifest.
    pub image: String,
    /// Its key.
    pub key: String,
    /// `REGISTRY/REPOSITORY@sha256:…`
    pub reference: String,
    /// The digest of its manifest: `sha256:…`.
    pub digest: String,
    /// Whether anything had to be done.
    pub state: State,
    /// Why it has this key.
    #[serde(flatten)]
    pub reasons: Reasons,
    /// How long that took.
    pub seconds: f64,
}

/// Whether anything had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The registry already had the image.
    Present,
    /// It was built and pushed.
    Built,
}

/// Brings the images into the registry, side by side.
///
/// `reach` makes sure that the registry runs; it is not called where the registry says by itself
/// that it has all images. `prepare` makes sure of what a build needs on this machine; it is called
/// only where something is to be built.
///
/// # Errors
/// The first failure in the order of `names`. The other images are still waited for.
pub fn all(
    context: &Context,
    names: &[String],
    registry: &str,
    reach: impl Fn() -> anyhow::Result<()> + Sync,
    prepare: impl Fn() -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Vec<Outcome>> {
    each(context, names, registry, reach, prepare, false)
}

/// As [`all`], and builds the images that the registry has, too. That brings back what a registry
/// has lost of an image, since nothing is believed to be there.
///
/// # Errors
/// As [`all`].
pub fn again(
    context: &Context,
    names: &[String],
    registry: &str,
    reach: impl Fn() -> anyhow::Result<()> + Sync,
    prepare: impl Fn() -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Vec<Outcome>> {
    each(context, names, registry, reach, prepare, true)
}

fn each(
    context: &Context,
    names: &[String],
    registry: &str,
    reach: impl Fn() -> anyhow::Result<()> + Sync,
    prepare: impl Fn() -> anyhow::Result<()> + Sync,
    again: bool,
) -> anyhow::Result<Vec<Outcome>> {
    let shared = Shared::default();
    let one = |name: &str| one(context, name, registry, &shared, &reach, &prepare, again);
    side_by_side(names, one)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect()
}

fn one(
    context: &Context,
    name: &str,
    registry: &str,
    shared: &Shared,
    reach: &(impl Fn() -> anyhow::Result<()> + Sync),
    prepare: &(impl Fn() -> anyhow::Result<()> + Sync),
    again: bool,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let image = &context.platform.images[name];
    let store = KeyStore::new(&context.cache_folder(), name);
    let Standing {
        mut key,
        repository,
        mut held,
    } = match standing::guess(context, name, registry, shared) {
        Ok(standing) => standing,
        // If the registry cannot be reached either, that is said first.
        Err(error) => return Err(reach().err().unwrap_or(error)),
    };
    if matches!(held, Held::Nothing) {
        reach()?;
        held = held::ask(&store, &key, &repository)?;
    }
    let finish = |key: &Key, digest: String, state: State| -> anyhow::Result<Outcome> {
        let reasons = store.reasons(image, key);
        store.remember(key)?;
        store.note_verified(&key.hex, &digest)?;
        Ok(Outcome {
            image: name.to_owned(),
            key: key.hex.clone(),
            reference: repository.pinned(&digest),
            digest,
            state,
            reasons,
            seconds: started.elapsed().as_secs_f64(),
        })
    };
    if let Held::Image(digest) = held
        && !again
    {
        return finish(&key, digest, State::Present);
    }
    prepare()?;
    for _ in 0..ATTEMPTS {
        let _lock = key_lock::take(context, name, &key)?;
        if !again {
            match held::ask(&store, &key, &repository)? {
                // The process that held the lock may have pushed the image.
                Held::Image(digest) => return finish(&key, digest, State::Present),
                Held::Other(why) => {
                    let why = held::not_the_image(name, &key, &repository, &why);
                    context.report.step(&why);
                }
                Held::Nothing => {}
            }
        }
        let packed = assemble(context, name, &key);
        let now = key_of(context, name)?;
        if now.hex != key.hex {
            let changes = explain::differences(image, &key.inputs, &now.inputs);
            let changes = difference::summary(&changes, REASONS_SHOWN);
            context
                .report
                .step(&format!("{name}: start again, because {changes}"));
            key = now;
            continue;
        }
        // If packing failed because a file changed, the build has started again instead.
        let packed = packed?;
        context
            .report
            .step(&format!("{name}: build and push key {}", key.short()));
        let (digest, state) = send(context, name, &key, &repository, &packed, &store, again)?;
        return finish(&key, digest, state);
    }
    Err(Failure::new(
        Code::Build,
        format!("the inputs of {name} changed during each of {ATTEMPTS} builds"),
    )
    .hint("do not edit during one build")
    .into())
}

/// Builds the image from the packed context and pushes it. Returns its digest, and whether it was
/// this build that the registry has it from.
fn send(
    context: &Context,
    name: &str,
    key: &Key,
    repository: &Repository,
    packed: &Packed,
    store: &KeyStore,
    again: bool,
) -> anyhow::Result<(String, State)> {
    let (report, folder) = (&context.report, context.work_folder());
    let error = match push::push(report, name, key, repository, packed, &folder, again) {
        Ok(digest) => {
            held::verify(key, repository, &digest)?;
            return Ok((digest, State::Built));
        }
        Err(error) => error,
    };
    interrupt::check()?;
    match held::ask(store, key, repository) {
        // Where a tag cannot be written twice, the second of two machines fails to push.
        Ok(Held::Image(digest)) if !again => {
            report.step(&format!(
                "{name}: the push failed, and the registry has the image by now"
            ));
            Ok((digest, State::Present))
        }
        Ok(Held::Other(why)) => Err(error).failure(|| {
            let tagged = repository.tagged(&key.tag());
            let message = format!("{tagged} could not be replaced: {why}");
            Failure::new(Code::Build, message).hint(format!(
                "remove the tag {} from {}",
                key.tag(),
                repository.registry
            ))
        }),
        _ => Err(error),
    }
}

/// Makes what the image with this key needs from this machine, and packs the context: all that the
/// builder is given apart from what the inputs themselves name.
///
/// # Errors
/// A prebuild fails, or a file changed since it was hashed.
pub fn assemble(context: &Context, name: &str, key: &Key) -> anyhow::Result<Packed> {
    let image = &context.platform.images[name];
    let mut archive = Archive::default();
    archive.add_entries(
        &context.root.join(image.context.get_ref()),
        "",
        &key.inputs.context,
    );
    if let Some(rust) = &key.inputs.rust {
        let binary = prebuild::rust(context, name, rust)?;
        archive.add_file(&rust.to, Mode::Executable, binary.digest, binary.path);
    }
    if let (Some(inputs), Some(npm)) = (&key.inputs.npm, &image.npm) {
        let page = page::build(context, name, npm.folder.get_ref(), inputs)?;
        archive.add_entries(&page.folder, &inputs.to, &page.entries);
    }
    if let Some(apt) = &key.inputs.apt {
        let unpacked = debian::build(context, name, apt)?;
        archive.add_entries(&unpacked.folder, &apt.to, &unpacked.entries);
    }
    if let (Some(inputs), Some(tools)) = (&key.inputs.npm_tools, &image.npm_tools) {
        let files = npm_tools::build(context, name, tools.folder.get_ref(), inputs)?;
        archive.add_entries(&files.folder, "", &files.entries);
    }
    archive.pack(&key.dockerfile.bytes, &context.cache_folder())
}
