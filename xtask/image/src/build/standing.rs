//! What is known of an image before anything is done: its key, and whether a registry has it.

use crate::build::held;
use crate::build::held::Held;
use crate::key::compute;
use crate::key::compute::Shared;
use crate::key::store::KeyStore;
use crate::key::{Key, tag};
use std::thread;
use std::thread::JoinHandle;
use xtask_core::context::Context;
use xtask_core::error;
use xtask_docker::registry::Repository;

/// What is known about an image before anything is done.
#[derive(Debug)]
pub struct Standing {
    /// Its key.
    pub key: Key,
    /// The repository that it is pushed to.
    pub repository: Repository,
    /// What the registry holds under the key, as far as that is known.
    pub held: Held,
}

/// The images to work on: those named, or all of the manifest.
///
/// # Errors
/// A name is not in the manifest.
pub fn select(context: &Context, wanted: &[String]) -> anyhow::Result<Vec<String>> {
    let known: Vec<String> = context.platform.images.keys().cloned().collect();
    if let Some(name) = wanted.iter().find(|name| !known.contains(name)) {
        return Err(error::unknown("image", name, known).into());
    }
    Ok(if wanted.is_empty() {
        known
    } else {
        wanted.to_vec()
    })
}

/// The key of an image as the checkout is now.
///
/// # Errors
/// As [`compute::of_image`].
pub fn key_of(context: &Context, name: &str) -> anyhow::Result<Key> {
    key_sharing(context, name, &Shared::default())
}

fn key_sharing(context: &Context, name: &str, shared: &Shared) -> anyhow::Result<Key> {
    compute::of_image(
        &context.root,
        &context.cache_folder(),
        &context.platform,
        name,
        shared,
    )
}

/// Computes the key of an image, and asks the registry for it.
///
/// # Errors
/// As [`compute::of_image`], or the registry does not answer.
pub fn look(context: &Context, name: &str, registry: &str) -> anyhow::Result<Standing> {
    look_sharing(context, name, registry, &Shared::default())
}

/// As [`look`], for one of several images that are looked at side by side.
///
/// # Errors
/// As there.
pub(super) fn look_sharing(
    context: &Context,
    name: &str,
    registry: &str,
    shared: &Shared,
) -> anyhow::Result<Standing> {
    let mut standing = guess(context, name, registry, shared)?;
    if matches!(standing.held, Held::Nothing) {
        let store = KeyStore::new(&context.cache_folder(), name);
        standing.held = held::ask(&store, &standing.key, &standing.repository)?;
    }
    Ok(standing)
}

/// Computes the key of an image, and meanwhile asks the registry for the last key that this
/// checkout built or found. Where that is the key, the answer counts. Where it is not, or the
/// registry does not have it or does not answer, nothing is known about the registry yet.
///
/// # Errors
/// As [`compute::of_image`].
pub(super) fn guess(
    context: &Context,
    name: &str,
    registry: &str,
    shared: &Shared,
) -> anyhow::Result<Standing> {
    let repository = Repository::new(registry, &context.platform.images[name].repository);
    let store = KeyStore::new(&context.cache_folder(), name);
    let guess = store.latest().map(|hex| Guess::ask(hex, &repository));
    let key = key_sharing(context, name, shared)?;
    let held = guess
        .filter(|guess| guess.hex == key.hex)
        .and_then(Guess::digest)
        .and_then(|digest| held::judge(&store, &key, &repository, digest).ok());
    Ok(Standing {
        held: held.unwrap_or(Held::Nothing),
        key,
        repository,
    })
}

/// A question about a key that is probably the one that is being computed. Nobody waits for the
/// answer where it is not.
struct Guess {
    hex: String,
    answer: JoinHandle<anyhow::Result<Option<String>>>,
}

impl Guess {
    fn ask(hex: String, repository: &Repository) -> Self {
        let (repository, tag) = (repository.clone(), tag(&hex));
        Self {
            hex,
            answer: thread::spawn(move || repository.digest_of(&tag)),
        }
    }

    /// What the registry has under the key, where it said so.
    fn digest(self) -> Option<String> {
        self.answer.join().ok()?.ok()?
    }
}
