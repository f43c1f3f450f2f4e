//! Configuration and manifest of an image, as bytes that follow from its parts alone.

use crate::base::Base;
use crate::digest::digest_of;
use crate::error::Error;
use crate::image::{FOLDER, Image, USER};
use crate::layer::Layer;
use oci_spec::image::{
    Descriptor, Digest, History, ImageManifestBuilder, MediaType, RootFsBuilder,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr as _;

/// Nanoseconds of a second, which the engine counts in.
const NANOSECONDS: u64 = 1_000_000_000;

/// A blob that is made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
}

/// The documents of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Documents {
    pub(crate) configuration: Blob,
    pub(crate) manifest: Blob,
}

// The type of oci-spec writes its maps in an order of chance, and has no health check, which is Docker's.
#[derive(Serialize)]
struct Configuration<'a> {
    architecture: &'a str,
    os: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    config: Execution<'a>,
    rootfs: oci_spec::image::RootFs,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<History>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    user: String,
    exposed_ports: BTreeMap<String, Empty>,
    env: Vec<String>,
    entrypoint: &'a [String],
    working_dir: &'static str,
    labels: &'a BTreeMap<String, String>,
    stop_signal: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Healthcheck>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Healthcheck {
    test: Vec<String>,
    interval: u64,
    timeout: u64,
    start_period: u64,
    retries: u32,
}

/// The documents of an image that has the application's layer above a base.
pub(crate) fn documents(base: &Base, image: &Image, layer: &Layer) -> Result<Documents, Error> {
    let failed = |error: &dyn Display| Error::Base {
        image: image.folder.display().to_string(),
        reason: format!("its documents cannot be written: {error}"),
    };
    let configuration = configuration(base, image, layer);
    let configuration = configuration.map_err(|error| failed(&error))?;
    let descriptor = |media_type, size_bytes, digest: &str| -> Result<Descriptor, Error> {
        let digest = Digest::from_str(digest).map_err(|error| failed(&error))?;
        Ok(Descriptor::new(media_type, size_bytes, digest))
    };
    let mut layers = Vec::new();
    for below in &base.layers {
        let media_type = below.media_type.clone();
        layers.push(descriptor(media_type, below.size_bytes, &below.digest)?);
    }
    let gzip = MediaType::ImageLayerGzip;
    layers.push(descriptor(gzip, layer.size_bytes, &layer.digest)?);
    let size_bytes = configuration.bytes.len() as u64;
    let manifest = ImageManifestBuilder::default()
        .schema_version(oci_spec::image::SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(descriptor(
            MediaType::ImageConfig,
            size_bytes,
            &configuration.digest,
        )?)
        .layers(layers)
        .build()
        .map_err(|error| failed(&error))?;
    let manifest = serde_json::to_vec(&manifest).map_err(|error| failed(&error))?;
    Ok(Documents {
        configuration,
        manifest: blob(manifest),
    })
}

fn blob(bytes: Vec<u8>) -> Blob {
    Blob {
        digest: digest_of(&bytes),
        bytes,
    }
}

fn configuration(
    base: &Base,
    image: &Image,
    layer: &Layer,
) -> Result<Blob, Box<dyn std::error::Error>> {
    let below = &base.configuration;
    let of_base = below
        .config()
        .as_ref()
        .and_then(|config| config.env().as_ref());
    let mut diff_ids = below.rootfs().diff_ids().clone();
    diff_ids.push(layer.diff_id.clone());
    // The history has a line for each layer, or there is none.
    let history = below.history().clone().map(|mut history| {
        history.push(History::default());
        history
    });
    let health = image.health.as_ref().map(|health| Healthcheck {
        test: [vec!["CMD".to_owned()], health.command.clone()].concat(),
        interval: health.interval_secs.saturating_mul(NANOSECONDS),
        timeout: health.timeout_secs.saturating_mul(NANOSECONDS),
        start_period: health.start_secs.saturating_mul(NANOSECONDS),
        retries: health.retries,
    });
    let configuration = Configuration {
        architecture: &image.architecture,
        os: "linux",
        variant: below.variant().as_deref(),
        config: Execution {
            user: format!("{USER}:{USER}"),
            exposed_ports: [(format!("{}/tcp", image.port), Empty {})].into(),
            env: environment(
                of_base.map(Vec::as_slice).unwrap_or_default(),
                &image.environment,
            ),
            entrypoint: &image.command,
            working_dir: FOLDER,
            labels: &image.labels,
            stop_signal: "SIGTERM",
            healthcheck: health,
        },
        rootfs: RootFsBuilder::default()
            .typ("layers")
            .diff_ids(diff_ids)
            .build()?,
        history,
    };
    Ok(blob(serde_json::to_vec(&configuration)?))
}

/// The variables of the base, in its order, with ours in place of those and after them.
fn environment(base: &[String], ours: &BTreeMap<String, String>) -> Vec<String> {
    let is_of_base = |variable: &&String| {
        let name = variable.split('=').next().unwrap_or_default();
        !ours.contains_key(name)
    };
    let ours = ours.iter().map(|(name, value)| format!("{name}={value}"));
    base.iter()
        .filter(is_of_base)
        .cloned()
        .chain(ours)
        .collect()
}
