//! Pushing an image: what the registry does not have, and then the manifest.

use crate::base::look_up;
use crate::config::documents;
use crate::error::Error;
use crate::image::Image;
use crate::layer::Layer;
use crate::limits::Limits;
use crate::reference::Repository;
use crate::registry::{Access, Mounted, Registry, body_of_answer, body_of_file};
use reqwest::Body;
use std::time::Duration;
use tokio::time::sleep;

/// How often a blob is sent where the network fails.
const TRIES: u32 = 3;
/// Before the second try; twice as much before the third.
const PAUSE: Duration = Duration::from_millis(500);
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image that a registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// `registry/name@sha256:…`.
    pub reference: String,
    /// `sha256:…` of the manifest.
    pub digest: String,
    /// Bytes that were sent.
    pub sent_bytes: u64,
    /// Bytes that the registry took from another repository of its own.
    pub mounted_bytes: u64,
}

/// Where a blob comes from.
enum Origin<'a> {
    Base(&'a Registry<'a>),
    Layer(&'a Layer),
    Bytes(&'a [u8]),
}

/// Pushes an image that has the application's layer above a base, under a tag. `progress` hears how many bytes
/// of how many are there.
///
/// # Errors
/// A registry does not answer, or not as it should, or refuses; [`Error::retryable`] says whether the same call
/// may work later.
pub async fn push(
    image: &Image,
    layer: &Layer,
    to: &Repository,
    tag: &str,
    access: &Access,
    limits: &Limits,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<Pushed, Error> {
    let base = &image.base;
    let certificates = &access.extra_certificates;
    let source = Registry::new(&base.repository, &access.base, certificates, None, false)?;
    let from = &base.repository;
    let target = Registry::new(to, &access.target, certificates, Some(from), true)?;
    let found = look_up(&source, base, &image.architecture, limits).await?;
    let documents = documents(&found, image, layer)?;

    let mut blobs: Vec<(&str, u64, Origin<'_>)> = found
        .layers
        .iter()
        .map(|layer| (&*layer.digest, layer.size_bytes, Origin::Base(&source)))
        .collect();
    blobs.push((&*layer.digest, layer.size_bytes, Origin::Layer(layer)));
    let configuration = &documents.configuration;
    blobs.push((
        &*configuration.digest,
        configuration.bytes.len() as u64,
        Origin::Bytes(&configuration.bytes),
    ));

    let total_bytes: u64 = blobs.iter().map(|(_, size_bytes, _)| size_bytes).sum();
    let mut pushed = Pushed {
        reference: format!("{to}@{}", documents.manifest.digest),
        digest: documents.manifest.digest.clone(),
        sent_bytes: 0,
        mounted_bytes: 0,
    };
    let mut done_bytes = 0_u64;
    progress(done_bytes, total_bytes);
    let is_same_registry = from.registry == to.registry;
    let mount_from = is_same_registry.then_some(&*from.name);
    for (digest, size_bytes, origin) in &blobs {
        let mut tries = 1;
        loop {
            match send(
                &target,
                digest,
                *size_bytes,
                origin,
                mount_from,
                &mut pushed,
            )
            .await
            {
                Ok(()) => break,
                Err(error @ (Error::Unreachable { .. } | Error::Corrupt { .. }))
                    if tries >= TRIES =>
                {
                    return Err(error);
                }
                Err(Error::Unreachable { .. } | Error::Corrupt { .. }) => {
                    sleep(PAUSE * tries).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
        done_bytes += size_bytes;
        progress(done_bytes, total_bytes);
    }
    let manifest = &documents.manifest.bytes;
    target.put_manifest(tag, MANIFEST_TYPE, manifest).await?;
    Ok(pushed)
}

/// Has the registry have a blob.
async fn send(
    target: &Registry<'_>,
    digest: &str,
    size_bytes: u64,
    origin: &Origin<'_>,
    mount_from: Option<&str>,
    pushed: &mut Pushed,
) -> Result<(), Error> {
    if target.has_blob(digest).await? {
        return Ok(());
    }
    let mount_from = mount_from.filter(|_| matches!(origin, Origin::Base(_)));
    let place = match target.mount(digest, mount_from).await? {
        Mounted::Yes => {
            pushed.mounted_bytes += size_bytes;
            return Ok(());
        }
        Mounted::Upload(place) => place,
    };
    let body = match origin {
        Origin::Base(source) => {
            let answer = source.open_blob(digest, size_bytes).await?;
            body_of_answer(answer, digest.to_owned(), size_bytes)
        }
        Origin::Layer(layer) => {
            let file = layer.open().map_err(|error| Error::Folder {
                path: "the packed application".to_owned(),
                reason: error.to_string(),
            })?;
            body_of_file(file)
        }
        Origin::Bytes(bytes) => Body::from(bytes.to_vec()),
    };
    target.upload(place, digest, size_bytes, body).await?;
    pushed.sent_bytes += size_bytes;
    Ok(())
}
