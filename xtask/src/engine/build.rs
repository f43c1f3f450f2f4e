//! From a manifest's image to a digest in the registry: ask, and only then work.

use super::archive::{self, Archive, DOCKERFILE_PATH};
use super::context::Context;
use super::entry::Mode;
use super::error::{Code, Failure};
use super::key::{self, Key};
use super::lock::Lock;
use super::registry::Repository;
use super::{buildx, paths, prebuild};
use crate::local;
use app_gen_infra::Image;
use serde::Serialize;
use std::fs::File;
use std::time::Instant;

/// Sources may be edited while they compile; this often the build starts over.
const ATTEMPTS: usize = 3;

/// What became of one image.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Image by its name in the manifest.
    pub image: String,
    /// Its key.
    pub key: String,
    /// `registry/repository@sha256:…`
    pub reference: String,
    /// `sha256:…` of the manifest.
    pub digest: String,
    /// `built` or `present`.
    pub state: State,
    /// Which inputs changed since the last key this checkout knows of.
    pub why: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Whether anything had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The registry had the key.
    Present,
    /// It was built and pushed.
    Built,
}

/// Brings the images into the registry, side by side.
///
/// # Errors
/// The first failure in the order of `names`; the others are still awaited.
pub fn all(context: &Context, names: &[String], registry: &str) -> anyhow::Result<Vec<Outcome>> {
    let outcomes: Vec<anyhow::Result<Outcome>> = std::thread::scope(|scope| {
        let threads: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(|| one(context, name, registry)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a build panicked")))
            })
            .collect()
    });
    outcomes.into_iter().collect()
}

/// The images to work on: those named, or all of the manifest.
///
/// # Errors
/// A name is not in the manifest.
pub fn select(context: &Context, wanted: &[String]) -> anyhow::Result<Vec<String>> {
    let known: Vec<String> = context.platform.images.keys().cloned().collect();
    for name in wanted {
        if !known.contains(name) {
            return Err(Failure::new(
                Code::Usage,
                format!("no image `{name}` in {}", app_gen_infra::MANIFEST_PATH),
            )
            .hint(format!("images: {}", known.join(", ")))
            .into());
        }
    }
    Ok(if wanted.is_empty() {
        known
    } else {
        wanted.to_vec()
    })
}

/// The key of an image as the checkout stands now.
///
/// # Errors
/// As [`key::compute`].
pub fn key_of(context: &Context, name: &str) -> anyhow::Result<Key> {
    let image = &context.platform.images[name];
    key::compute(&context.root, &context.records(), &context.platform, image)
}

fn one(context: &Context, name: &str, registry: &str) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let image = &context.platform.images[name];
    let repository = Repository::new(registry, &image.repository);
    let mut key = key_of(context, name)?;
    let finish = |key: &Key, digest: String, state: State| -> anyhow::Result<Outcome> {
        let why = match (key::last_inputs(&context.records(), name), state) {
            (Some(before), _) => key::explain(&before, &key.inputs),
            (None, State::Built) => vec!["not built here before".to_owned()],
            (None, State::Present) => Vec::new(),
        };
        key::remember(&context.records(), name, key)?;
        Ok(Outcome {
            image: name.to_owned(),
            key: key.hex.clone(),
            reference: repository.pinned(&digest),
            digest,
            state,
            why,
            seconds: started.elapsed().as_secs_f64(),
        })
    };
    if let Some(digest) = repository.digest_of(&key.tag())? {
        return finish(&key, digest, State::Present);
    }
    local::require(context, local::FOR_BUILD)?;
    for _ in 0..ATTEMPTS {
        let _lock = Lock::wait(
            &paths::state()?.join(format!("locks/key-{}", key.hex)),
            |holder| {
                context
                    .report
                    .line(name, &format!("the same key is being built ({holder})"));
            },
        )?;
        // Whoever held the lock may have pushed it.
        if let Some(digest) = repository.digest_of(&key.tag())? {
            return finish(&key, digest, State::Present);
        }
        let tar = assemble(context, name, image, &key);
        let now = key_of(context, name)?;
        if now.hex != key.hex {
            let changes = key::explain(&key.inputs, &now.inputs).join(", ");
            context
                .report
                .step(&format!("{name}: starts over, because {changes}"));
            key = now;
            continue;
        }
        // Only now: what failed because a file moved under it has started over.
        let tar = tar?;
        context
            .report
            .step(&format!("{name}: build and push key {}", key.short()));
        let digest = buildx::build(
            &context.report,
            name,
            &key,
            &repository,
            tar,
            &context.records(),
        )?;
        buildx::verify(&key, &repository, &digest)?;
        return finish(&key, digest, State::Built);
    }
    Err(Failure::new(
        Code::Build,
        format!("the inputs of {name} changed during each of {ATTEMPTS} builds"),
    )
    .hint("stop editing for the length of one build")
    .into())
}

/// Prebuilds what is needed and packs the context.
fn assemble(context: &Context, name: &str, image: &Image, key: &Key) -> anyhow::Result<File> {
    let mut archive = Archive::default();
    archive.add_bytes(DOCKERFILE_PATH, Mode::Plain, key.dockerfile.clone());
    archive.add_entries(
        &context.root.join(image.context.get_ref()),
        "",
        &key.inputs.context,
    );
    if let Some(rust) = &key.inputs.rust {
        let binary = prebuild::rust(context, name, rust)?;
        archive.add_bytes(&rust.to, Mode::Executable, archive::read(&binary)?);
    }
    if let (Some(inputs), Some(npm)) = (&key.inputs.npm, &image.npm) {
        let output = prebuild::npm(context, name, npm.folder.get_ref(), inputs)?;
        archive.add_folder(&output, &inputs.to)?;
    }
    archive.finish(&context.records())
}
