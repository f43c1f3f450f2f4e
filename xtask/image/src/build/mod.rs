//! Brings an image of the manifest into a registry: first asks whether the registry has it, and only
//! then builds.
//!
//! `standing` is what is known before anything is done, and `plan` is what a build would do.
//! `prebuild` and `page` make binaries and pages. `compile` runs cargo in a `target_folder` of its
//! environment, with `freshness` and `audit` (`rustc_info`) for what cargo compiles.
//! `archive` packs the context, into an `own_folder` where a tar does not do, and `push` builds and
//! pushes the image.

pub mod archive;
pub mod audit;
pub mod compile;
pub mod freshness;
pub mod own_folder;
pub mod page;
pub mod plan;
pub mod prebuild;
pub mod push;
mod rustc_info;
pub mod standing;
pub mod target_folder;

use crate::build::archive::{Archive, Packed};
pub use crate::build::standing::{Standing, key_of, look, select};
use crate::key::Key;
use crate::key::compute::Shared;
use crate::key::difference;
use crate::key::explain;
use crate::key::store::{KeyStore, Reasons};
use app_gen_infra::Image;
use serde::Serialize;
use std::time::Instant;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::lock::Lock;
use xtask_core::side_by_side::side_by_side;
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
    let shared = Shared::default();
    let one = |name: &str| one(context, name, registry, &shared, &reach, &prepare);
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
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let image = &context.platform.images[name];
    let Standing {
        mut key,
        repository,
        digest,
    } = match standing::guess(context, name, registry, shared) {
        Ok(standing) => standing,
        // If the registry cannot be reached either, that is said first.
        Err(error) => return Err(reach().err().unwrap_or(error)),
    };
    let digest = match digest {
        Some(digest) => Some(digest),
        None => {
            reach()?;
            repository.digest_of(&key.tag())?
        }
    };
    let finish = |key: &Key, digest: String, state: State| -> anyhow::Result<Outcome> {
        let store = KeyStore::new(&context.cache_folder(), name);
        let reasons = store.reasons(image, key);
        store.remember(key)?;
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
    if let Some(digest) = digest {
        return finish(&key, digest, State::Present);
    }
    prepare()?;
    for _ in 0..ATTEMPTS {
        let _lock = Lock::wait(
            &context
                .state_folder()?
                .join(format!("locks/key-{}", key.hex)),
            |holder| {
                context.report.line(
                    name,
                    &format!("wait for another build of the same key ({holder})"),
                );
            },
        )?;
        // The process that held the lock may have pushed the image.
        if let Some(digest) = repository.digest_of(&key.tag())? {
            return finish(&key, digest, State::Present);
        }
        let packed = assemble(context, name, image, &key);
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
        let digest = push::push(
            &context.report,
            name,
            &key,
            &repository,
            packed,
            &context.work_folder(),
        )?;
        push::verify(&key, &repository, &digest)?;
        return finish(&key, digest, State::Built);
    }
    Err(Failure::new(
        Code::Build,
        format!("the inputs of {name} changed during each of {ATTEMPTS} builds"),
    )
    .hint("do not edit during one build")
    .into())
}

/// Makes what the image needs from this machine, and packs the context.
fn assemble(context: &Context, name: &str, image: &Image, key: &Key) -> anyhow::Result<Packed> {
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
    archive.pack(&key.dockerfile.bytes, &context.cache_folder())
}
