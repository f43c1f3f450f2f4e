//! Which digest a base image stands for now, and who says so.

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

/// All that a registry may take to name a digest, credentials included. Many bases are asked
/// for at once, and the engine's own image is there for a registry that is not.
const REGISTRY_BOUND: Duration = Duration::from_secs(5);

/// What a base image stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// `sha256:…` of its manifest or index.
    pub digest: String,
    /// Who said so.
    pub source: Source,
}

impl Base {
    /// A digest and who said so.
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
    /// Its registry, asked just now.
    Registry,
    /// The engine, whose image it is; no registry answered.
    Engine,
}

impl Source {
    /// As it is printed.
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
    /// What each of the references stands for, asked side by side.
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

/// The digest that a reference names itself, that it is pinned at, that its registry has for
/// it, or, where no registry answers, that of the engine's own image: the first there is.
///
/// # Errors
/// It is no reference, or neither registry nor engine has it.
pub fn resolve(reference: &str, pins: &Pins) -> anyhow::Result<Base> {
    let parsed = Reference::parse(reference).failure(|| malformed(reference))?;
    if let Some(digest) = parsed.digest() {
        return Ok(Base::new(digest, Source::Reference));
    }
    if let Some(digest) = pins.digest(&parsed) {
        return Ok(Base::new(digest, Source::Pinned));
    }
    // Asked meanwhile: a registry that cannot be reached takes its time to fail, and so does the
    // engine to answer. Nobody waits for it where the registry answers.
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

/// The engine's own image, where no registry answers for the reason given.
///
/// # Errors
/// The engine does not have it either; both reasons are named.
pub fn instead_of_registry(
    reference: &Reference,
    registry: &anyhow::Error,
) -> anyhow::Result<Base> {
    // A signal ends the question to the registry too, and is no answer.
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
/// It does not answer, refuses, or has none.
pub fn in_registry(reference: &Reference) -> anyhow::Result<String> {
    let tag = reference.tag().context("it has no tag")?;
    let digest = Repository::bounded(reference.registry(), reference.repository(), REGISTRY_BOUND)
        .digest_of(tag)?
        .with_context(|| format!("{} has no {reference}", reference.registry()))?;
    ensure!(
        is_digest(&digest),
        "{} answered `{digest}`, which is no digest",
        reference.registry()
    );
    Ok(digest)
}

/// The digest by which the engine can find its image of that name.
///
/// # Errors
/// The engine has none, does not answer, or cannot find it by digest: images that are made on
/// the machine can be found so in containerd's image store only.
pub fn in_engine(reference: &Reference) -> anyhow::Result<String> {
    // Over the socket: a docker client would cost a process start for each base.
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
    Failure::new(Code::Build, format!("`{reference}` is no base image"))
        .hint("correct the FROM or --from that names it")
}
