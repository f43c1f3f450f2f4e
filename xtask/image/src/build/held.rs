//! What a registry holds under the key of an image. A tag is only a name, which anybody may have
//! given to another image, so that the image itself must say whose it is.

use crate::key::Key;
use crate::key::store::KeyStore;
use xtask_core::error::{Code, Failure};
use xtask_docker::registry::{NotAnImage, Repository};

/// The label of an image that has its key.
pub const KEY_LABEL: &str = "app-gen.key";

/// What a registry holds under a key.
#[derive(Debug)]
pub enum Held {
    /// Nothing, or nothing that is known.
    Nothing,
    /// The image of the key, which has this digest.
    Image(String),
    /// Something else. The failure says why it is not the image.
    Other(Failure),
}

impl Held {
    /// The digest of the image of the key, if that is what the registry holds.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        match self {
            Self::Image(digest) => Some(digest),
            Self::Nothing | Self::Other(_) => None,
        }
    }
}

/// Asks the registry what it holds under the key.
///
/// # Errors
/// The registry does not answer, or refuses.
pub(super) fn ask(store: &KeyStore, key: &Key, repository: &Repository) -> anyhow::Result<Held> {
    match repository.digest_of(&key.tag())? {
        Some(digest) => judge(store, key, repository, digest),
        None => Ok(Held::Nothing),
    }
}

/// Judges what the registry has under the key: a digest that was verified for this key is believed,
/// and of any other the manifest and the configuration are read.
///
/// # Errors
/// The registry does not answer, or refuses.
pub(super) fn judge(
    store: &KeyStore,
    key: &Key,
    repository: &Repository,
    digest: String,
) -> anyhow::Result<Held> {
    if store.verified(&key.hex).as_deref() == Some(&*digest) {
        return Ok(Held::Image(digest));
    }
    Ok(match mismatch(key, repository, &digest)? {
        None => Held::Image(digest),
        Some(why) => Held::Other(why),
    })
}

/// What is reported where something else has the tag of the key.
pub(super) fn not_the_image(
    image: &str,
    key: &Key,
    repository: &Repository,
    why: &Failure,
) -> String {
    let tagged = repository.tagged(&key.tag());
    format!("{image}: {tagged} is not the image of its key: {why}")
}

/// Checks what was just pushed: the registry has all of it, it is for the right platform, and it has
/// the key.
///
/// # Errors
/// A check fails, or the registry does not answer.
pub(super) fn verify(key: &Key, repository: &Repository, digest: &str) -> anyhow::Result<()> {
    if let Some(failure) = mismatch(key, repository, digest)? {
        return Err(failure.into());
    }
    match repository.lost_parts(digest)?.first() {
        None => Ok(()),
        Some(part) => {
            let message = format!("{} has lost {part}", repository.pinned(digest));
            Err(Failure::new(Code::Service, message)
                .hint("cargo xtask build --force sends every layer again")
                .into())
        }
    }
}

/// Why the image with this digest is not that of the key, if it is not.
fn mismatch(key: &Key, repository: &Repository, digest: &str) -> anyhow::Result<Option<Failure>> {
    let carried = match label(repository, digest, &key.inputs.platform)? {
        Ok(carried) => carried,
        Err(failure) => return Ok(Some(failure)),
    };
    Ok((carried != key.hex).then(|| {
        let reference = repository.pinned(digest);
        let message = format!("{reference} has another key in its label {KEY_LABEL}: {carried}");
        Failure::new(Code::Build, message)
    }))
}

/// The key that an image in a registry has as its label.
///
/// # Errors
/// The image is for another platform, has no key, or cannot be read.
pub fn carried_key(
    repository: &Repository,
    digest: &str,
    platform: &str,
) -> anyhow::Result<String> {
    Ok(label(repository, digest, platform)??)
}

/// The key that an image has as its label, or why it is not an image of ours.
fn label(
    repository: &Repository,
    digest: &str,
    platform: &str,
) -> anyhow::Result<Result<String, Failure>> {
    let not_ours =
        |message: String, hint: &str| Ok(Err(Failure::new(Code::Build, message).hint(hint)));
    let configuration = match repository.configuration(digest) {
        Ok(configuration) => configuration,
        Err(error) if error.is::<NotAnImage>() => {
            return not_ours(error.to_string(), "build it with cargo xtask build");
        }
        Err(error) => return Err(error),
    };
    let reference = repository.pinned(digest);
    let found = format!("{}/{}", configuration.os(), configuration.architecture());
    if found != platform {
        return not_ours(
            format!("{reference} is for {found}, and not for {platform}"),
            &format!("build it for {platform}: cargo xtask build"),
        );
    }
    let labels = configuration
        .config()
        .as_ref()
        .and_then(|config| config.labels().as_ref());
    match labels.and_then(|labels| labels.get(KEY_LABEL)) {
        Some(key) => Ok(Ok(key.clone())),
        None => not_ours(
            format!("{reference} has no label {KEY_LABEL}, which would be its key"),
            "build it with cargo xtask build",
        ),
    }
}
