//! Which digest a base image has now, and who named it.

pub mod pins;

use crate::base::pins::Pins;
use crate::once::Once;
use anyhow::{Context as _, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::interrupt;
use xtask_core::side_by_side::side_by_side;
use xtask_docker::engine;
use xtask_docker::engine::ApiError;
use xtask_docker::reference::{Reference, is_digest};
use xtask_docker::registry::Repository;

/// How long a registry may take to name a digest, credentials included. If it takes longer, the
/// image in the engine is used.
const REGISTRY_BOUND: Duration = Duration::from_secs(5);

/// The digest of a base image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// `sha256:…`, the digest of its manifest or index.
    pub digest: String,
    /// Who named it.
    pub source: Source,
}

impl Base {
    /// A digest, and who named it.
    #[must_use]
    pub fn new(digest: &str, source: Source) -> Self {
        Self {
            digest: digest.to_owned(),
            source,
        }
    }
}

/// Who named the digest of a base image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The reference itself.
    Reference,
    /// The file of pins.
    Pinned,
    /// Its registry, which was asked just now.
    Registry,
    /// The engine, which has the image; no registry answered.
    Engine,
}

impl Source {
    /// The word for it in what commands print.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Pinned => "pinned",
            Self::Registry => "registry",
            Self::Engine => "engine",
        }
    }
}

/// Answers about base images. Each reference is asked about once, also where several images that
/// are looked at side by side build upon it.
#[derive(Debug, Default)]
pub struct Answers(Mutex<BTreeMap<String, Arc<Once<Base>>>>);

impl Answers {
    /// The digest of each of the references, asked for side by side.
    ///
    /// # Errors
    /// As [`resolve`], for the first of them.
    pub fn resolve_all<'a>(
        &self,
        references: impl IntoIterator<Item = &'a String>,
        pins: &Pins,
    ) -> anyhow::Result<BTreeMap<String, Base>> {
        side_by_side(references, |reference| {
            self.of(reference).get_or_find(|| resolve(reference, pins))
        })
        .into_iter()
        .map(|(reference, base)| Ok((reference.clone(), base?)))
        .collect()
    }

    fn of(&self, reference: &str) -> Arc<Once<Base>> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(answers.entry(reference.to_owned()).or_default())
    }
}

/// The digest of a base image: the one that the reference itself names, or the one that it is pinned
/// to, or the one that its registry has for it, or, where no registry answers, the one of the image
/// in the engine.
///
/// # Errors
/// The reference is malformed, or neither registry nor engine has the image.
pub fn resolve(reference: &str, pins: &Pins) -> anyhow::Result<Base> {
    let parsed = Reference::parse(reference).failure(|| malformed(reference))?;
    if let Some(digest) = parsed.digest() {
        return Ok(Base::new(digest, Source::Reference));
    }
    if let Some(digest) = pins.digest(&parsed) {
        return Ok(Base::new(digest, Source::Pinned));
    }
    // The engine is asked at the same time, because both questions take milliseconds at best. If the
    // registry answers, nobody waits for the engine.
    let asked = parsed.clone();
    let engine = thread::spawn(move || in_engine(&asked));
    match in_registry(&parsed) {
        Ok(digest) => Ok(Base::new(&digest, Source::Registry)),
        Err(error) => {
            interrupt::check()?;
            let panicked = |_| Err(anyhow::anyhow!("asking the engine panicked"));
            of_engine(&parsed, &error, engine.join().unwrap_or_else(panicked))
        }
    }
}

/// The image in the engine, because the registry failed with this error.
///
/// # Errors
/// The engine does not have it either. The error names both reasons.
pub fn instead_of_registry(
    reference: &Reference,
    registry: &anyhow::Error,
) -> anyhow::Result<Base> {
    // A signal also ends the question to the registry, and then the registry did not fail.
    interrupt::check()?;
    of_engine(reference, registry, in_engine(reference))
}

fn of_engine(
    reference: &Reference,
    registry: &anyhow::Error,
    engine: anyhow::Result<String>,
) -> anyhow::Result<Base> {
    match engine {
        Ok(digest) => Ok(Base::new(&digest, Source::Engine)),
        Err(engine) => Err(anyhow::anyhow!("{registry:#}; {engine:#}")).failure(|| {
            let hint = match engine.downcast_ref::<ApiError>() {
                Some(_) => "cargo xtask setup".to_owned(),
                None => format!(
                    "docker pull {reference}; where it cannot be pulled, cargo xtask setup \
                     makes the base image of the manifest"
                ),
            };
            Failure::new(
                Code::Prerequisite,
                format!("base image {reference} is neither in a registry nor in the engine"),
            )
            .hint(hint)
        }),
    }
}

/// The digest that the registry has for the tag.
///
/// # Errors
/// The registry does not answer, refuses, or does not have the tag.
pub fn in_registry(reference: &Reference) -> anyhow::Result<String> {
    let tag = reference.tag().context("the reference has no tag")?;
    Repository::bounded(reference.registry(), reference.repository(), REGISTRY_BOUND)
        .digest_of(tag)?
        .with_context(|| format!("{} has no {reference}", reference.registry()))
}

/// The digest by which the engine finds its image of that name.
///
/// # Errors
/// The engine does not answer, does not have the image, or cannot find it by digest: an image that
/// was made on this machine has a digest only in containerd's image store.
pub fn in_engine(reference: &Reference) -> anyhow::Result<String> {
    // The engine is asked over its socket, because each docker client would take a process start.
    let (status, image) = engine::get(&format!("/images/{reference}/json"))?;
    ensure!(status == 200, "the engine has no {reference}");
    let named = format!("{}@", reference.familiar_name());
    let digest = image["RepoDigests"]
        .as_array()
        .into_iter()
        .flatten()
        .find_map(|name| name.as_str()?.strip_prefix(&named))
        .filter(|digest| is_digest(digest))
        .with_context(|| {
            format!(
                "the engine's {reference} has no digest, because it was made here and the \
                 engine does not use containerd's image store"
            )
        })?;
    Ok(digest.to_owned())
}

fn malformed(reference: &str) -> Failure {
    Failure::new(
        Code::Build,
        format!("`{reference}` is not the name of an image"),
    )
    .hint("correct the FROM or --from in the Dockerfile that names it")
}
