//! The base: what its manifest and its configuration say.

use crate::error::Error;
use crate::limits::Limits;
use crate::reference::BaseImage;
use crate::registry::Registry;
use oci_spec::image::{
    ImageConfiguration, ImageIndex, ImageManifest, MediaType, ToDockerV2S2 as _,
};
use serde::de::DeserializeOwned;

/// A configuration is a page of text.
const CONFIGURATION_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// A layer of the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseLayer {
    pub(crate) media_type: MediaType,
    pub(crate) digest: String,
    pub(crate) size_bytes: u64,
}

/// An image that has been looked up.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) layers: Vec<BaseLayer>,
    pub(crate) configuration: ImageConfiguration,
}

/// Looks up a base for an architecture.
pub(crate) async fn look_up(
    registry: &Registry<'_>,
    image: &BaseImage,
    architecture: &str,
    limits: &Limits,
) -> Result<Base, Error> {
    let unfit = |reason: String| Error::Base {
        image: image.to_string(),
        reason,
    };
    let document = registry.manifest(&image.digest).await?;
    let bytes = match is_index(&document.media_type) {
        false => document.bytes,
        true => {
            let index: ImageIndex = parse(&document.bytes).map_err(unfit)?;
            let of_architecture = index.manifests().iter().find(|manifest| {
                manifest.platform().as_ref().is_some_and(|platform| {
                    platform.os().to_string() == "linux"
                        && platform.architecture().to_string() == architecture
                })
            });
            let found = of_architecture
                .ok_or_else(|| unfit(format!("it has no image of linux/{architecture}")))?;
            registry.manifest(found.digest().as_ref()).await?.bytes
        }
    };
    let manifest: ImageManifest = parse(&bytes).map_err(unfit)?;
    let mut layers = Vec::new();
    for layer in manifest.layers() {
        layers.push(BaseLayer {
            media_type: media_type(layer.media_type()).map_err(unfit)?,
            digest: layer.digest().to_string(),
            size_bytes: layer.size(),
        });
    }
    let size_bytes = layers
        .iter()
        .fold(0_u64, |sum, layer| sum.saturating_add(layer.size_bytes));
    if size_bytes > limits.base_bytes {
        let most = limits.base_bytes;
        return Err(unfit(format!(
            "its layers have {size_bytes} bytes, and {most} are allowed"
        )));
    }
    let digest = manifest.config().digest().to_string();
    let bytes = registry.blob(&digest, CONFIGURATION_LIMIT_BYTES).await?;
    let configuration: ImageConfiguration = parse(&bytes).map_err(unfit)?;
    let found = configuration.architecture().to_string();
    if found != architecture || configuration.os().to_string() != "linux" {
        let os = configuration.os();
        return Err(unfit(format!(
            "it is for {os}/{found} and not for linux/{architecture}"
        )));
    }
    if configuration.rootfs().diff_ids().len() != layers.len() {
        return Err(unfit(
            "its configuration names other layers than its manifest".to_owned(),
        ));
    }
    Ok(Base {
        layers,
        configuration,
    })
}

fn is_index(media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let index = MediaType::ImageIndex;
    let name: &str = index.as_ref();
    media_type == name || index.to_docker_v2s2() == Ok(media_type)
}

/// The name that a layer's type has in the specification of OCI. The bytes of both are the same.
fn media_type(found: &MediaType) -> Result<MediaType, String> {
    let gzip = MediaType::ImageLayerGzip;
    match found {
        MediaType::ImageLayer | MediaType::ImageLayerGzip | MediaType::ImageLayerZstd => {
            Ok(found.clone())
        }
        MediaType::Other(name) if gzip.to_docker_v2s2() == Ok(&**name) => Ok(gzip),
        other => Err(format!("it has a layer of the type {other}")),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("what the registry has of it: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_docker_get_the_names_of_oci_and_foreign_ones_are_refused() {
        let docker = MediaType::from("application/vnd.docker.image.rootfs.diff.tar.gzip");
        assert_eq!(media_type(&docker).unwrap(), MediaType::ImageLayerGzip);
        let zstd = MediaType::ImageLayerZstd;
        assert_eq!(media_type(&zstd).unwrap(), zstd);
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let error = media_type(&MediaType::from(foreign)).unwrap_err();
        assert_eq!(error, format!("it has a layer of the type {foreign}"));
    }

    #[test]
    fn indexes_of_both_kinds_are_known() {
        assert!(is_index(
            "application/vnd.oci.image.index.v1+json; charset=utf-8"
        ));
        assert!(is_index(
            "application/vnd.docker.distribution.manifest.list.v2+json"
        ));
        assert!(!is_index("application/vnd.oci.image.manifest.v1+json"));
    }
}
