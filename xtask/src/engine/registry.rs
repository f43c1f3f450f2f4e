//! A small client of the registry protocol: ask for a manifest, read it, put it
//! under another tag. Credentials are the engine's own (`docker login`).

use super::entry::digest_bytes;
use super::error::{Code, Failure, FailureContext as _};
use anyhow::Context as _;
use oci_spec::image::{ImageConfiguration, ImageManifest};
use std::time::Duration;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

/// Media types a tag of ours may have.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";
/// Registries refuse larger manifests (ECR: 4 MiB).
const MANIFEST_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// One repository of one registry.
#[derive(Debug, Clone)]
pub struct Repository {
    /// `host[:port]`.
    pub registry: String,
    /// Name within the registry.
    pub name: String,
    agent: Agent,
    scheme: &'static str,
}

/// A manifest as the registry holds it.
#[derive(Debug)]
pub struct Manifest {
    /// The exact bytes; their SHA-256 is the digest.
    pub bytes: Vec<u8>,
    /// As the registry declared it.
    pub media_type: String,
}

impl Manifest {
    /// `sha256:…` of the bytes.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("sha256:{}", digest_bytes(&self.bytes))
    }
}

impl Repository {
    /// A repository; loopback registries are spoken to in plain HTTP, as the engine does.
    #[must_use]
    pub fn new(registry: &str, name: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(3)))
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .user_agent("app-gen-xtask")
            .build();
        Self {
            registry: registry.to_owned(),
            name: name.to_owned(),
            agent: config.into(),
            scheme: if is_loopback(registry) {
                "http"
            } else {
                "https"
            },
        }
    }

    /// `registry/name:tag`.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> String {
        format!("{}/{}:{tag}", self.registry, self.name)
    }

    /// `registry/name@digest`.
    #[must_use]
    pub fn pinned(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.registry, self.name)
    }

    /// The digest behind a tag, or nothing where there is no such tag: one HEAD.
    ///
    /// # Errors
    /// The registry does not answer, or refuses.
    pub fn digest_of(&self, tag: &str) -> anyhow::Result<Option<String>> {
        let url = self.url(&format!("manifests/{tag}"));
        let response = self.send(&url, |agent, authorization| {
            let mut request = agent.head(&url).header("accept", ACCEPT);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            request.call()
        })?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let digest = header(&response, "docker-content-digest");
                match digest {
                    Some(digest) => Ok(Some(digest)),
                    // The header is optional in the protocol; the bytes are not.
                    None => Ok(Some(self.manifest(tag)?.digest())),
                }
            }
            status => Err(self.refused("HEAD", &url, status)),
        }
    }

    /// The manifest behind a tag or digest.
    ///
    /// # Errors
    /// It is missing, or the registry does not answer.
    pub fn manifest(&self, reference: &str) -> anyhow::Result<Manifest> {
        let url = self.url(&format!("manifests/{reference}"));
        let mut response = self.get(&url)?;
        let media_type = header(&response, "content-type").unwrap_or_default();
        let bytes = read(&mut response, &url)?;
        Ok(Manifest { bytes, media_type })
    }

    /// The configuration of an image given by tag or digest.
    ///
    /// # Errors
    /// It is missing, is not a single image, or the registry does not answer.
    pub fn configuration(&self, reference: &str) -> anyhow::Result<ImageConfiguration> {
        let manifest = self.manifest(reference)?;
        let parsed: ImageManifest = serde_json::from_slice(&manifest.bytes).with_context(|| {
            format!(
                "{} is not an image manifest but {}",
                self.tagged(reference),
                manifest.media_type
            )
        })?;
        let url = self.url(&format!("blobs/{}", parsed.config().digest()));
        let mut response = self.get(&url)?;
        serde_json::from_slice(&read(&mut response, &url)?)
            .with_context(|| format!("configuration of {}", self.tagged(reference)))
    }

    /// Puts the exact bytes of a manifest under a tag, so that its digest stays.
    ///
    /// # Errors
    /// The registry refuses, or answers with another digest.
    pub fn put(&self, tag: &str, manifest: &Manifest) -> anyhow::Result<()> {
        let url = self.url(&format!("manifests/{tag}"));
        let response = self.send(&url, |agent, authorization| {
            let mut request = agent.put(&url).header("content-type", &manifest.media_type);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            request.send(&manifest.bytes[..])
        })?;
        if !response.status().is_success() {
            return Err(self.refused("PUT", &url, response.status()));
        }
        let now = self.digest_of(tag)?;
        anyhow::ensure!(
            now.as_deref() == Some(&manifest.digest()),
            "{} is {} after the tag was moved to {}",
            self.tagged(tag),
            now.unwrap_or_default(),
            manifest.digest()
        );
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!(
            "{}://{}/v2/{}/{path}",
            self.scheme, self.registry, self.name
        )
    }

    fn get(&self, url: &str) -> anyhow::Result<Response<Body>> {
        let response = self.send(url, |agent, authorization| {
            let mut request = agent.get(url).header("accept", ACCEPT);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            request.call()
        })?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refused("GET", url, response.status()))
        }
    }

    /// Sends without credentials first; a challenge is answered once.
    fn send(
        &self,
        url: &str,
        request: impl Fn(&Agent, Option<&str>) -> Result<Response<Body>, ureq::Error>,
    ) -> anyhow::Result<Response<Body>> {
        let unreachable = || {
            Failure::new(
                Code::Service,
                format!("registry {} does not answer", self.registry),
            )
            .hint(if is_loopback(&self.registry) {
                "cargo xtask setup"
            } else {
                "cargo xtask preflight"
            })
        };
        let response = request(&self.agent, None).failure(unreachable)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = header(&response, "www-authenticate").unwrap_or_default();
        let authorization =
            super::credentials::authorization(&self.agent, &self.registry, &challenge)
                .with_context(|| format!("{url} asks for credentials"))?;
        request(&self.agent, Some(&authorization)).failure(unreachable)
    }

    fn refused(&self, verb: &str, url: &str, status: StatusCode) -> anyhow::Error {
        let failure = Failure::new(Code::Service, format!("{verb} {url} answered {status}"));
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            failure
                .hint(format!("docker login {}", self.registry))
                .into()
        } else {
            failure.into()
        }
    }
}

/// Whether the engine treats the registry as one on this machine.
fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.")
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response
        .headers()
        .get(name)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

fn read(response: &mut Response<Body>, url: &str) -> anyhow::Result<Vec<u8>> {
    response
        .body_mut()
        .with_config()
        .limit(MANIFEST_LIMIT_BYTES)
        .read_to_vec()
        .with_context(|| format!("failed to read {url}"))
}
