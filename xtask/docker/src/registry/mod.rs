//! A small client of the registry protocol: it asks for a manifest, reads it, puts it
//! under another tag, deletes it. It uses the credentials that `docker login` has kept.

mod agent;
mod authorization;
pub(crate) mod credentials;

use crate::reference::{Reference, is_digest};
use crate::registry::agent::agent;
use anyhow::Context as _;
use oci_spec::image::{ImageConfiguration, ImageManifest};
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderMap, Method, Request, StatusCode};
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::http;
use xtask_core::interrupt;
use xtask_core::side_by_side::side_by_side;

/// Media types that the manifest behind a tag may have.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";
/// Registries refuse larger manifests (ECR: 4 MiB).
const MANIFEST_LIMIT_BYTES: u64 = 4 * 1024 * 1024;
/// A registry under full load needs seconds; one that needs more than this hangs.
const BOUND: Duration = Duration::from_secs(30);

/// One repository of one registry.
#[derive(Debug, Clone)]
pub struct Repository {
    /// `host[:port]`.
    pub registry: String,
    /// Name within the registry.
    pub name: String,
    agent: Agent,
    bound: Duration,
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

/// Why what a registry holds is not an image that can be used, where the registry itself works.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAnImage(String);

/// What a registry answered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<String> {
        Some(self.headers.get(name)?.to_str().ok()?.to_owned())
    }
}

impl Repository {
    /// A repository. Registries on a loopback address are asked in plain HTTP, as the engine does.
    #[must_use]
    pub fn new(registry: &str, name: &str) -> Self {
        Self::bounded(registry, name, BOUND)
    }

    /// A repository whose requests are each given up after `bound`, those for a token too.
    #[must_use]
    pub fn bounded(registry: &str, name: &str, bound: Duration) -> Self {
        Self {
            registry: registry.to_owned(),
            name: name.to_owned(),
            agent: agent(registry, bound),
            bound,
            scheme: if http::is_on_this_machine(registry) {
                "http"
            } else {
                "https"
            },
        }
    }

    /// The repository of an image that is named by digest, and that digest.
    ///
    /// # Errors
    /// The reference is malformed, or has no digest.
    pub fn of_reference(reference: &str) -> anyhow::Result<(Self, String)> {
        let failure = || {
            let message = format!("`{reference}` does not name an image by digest");
            Failure::new(Code::Usage, message)
                .hint("REGISTRY/REPOSITORY@sha256:…, as `cargo xtask releases --json` names it")
        };
        let parsed = Reference::parse(reference).failure(failure)?;
        let digest = parsed.digest().ok_or_else(failure)?;
        let repository = Self::new(parsed.registry(), parsed.repository());
        Ok((repository, digest.to_owned()))
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

    /// The digest behind a tag, by one HEAD request; nothing where there is no such tag.
    ///
    /// # Errors
    /// The registry does not answer, or refuses.
    pub fn digest_of(&self, tag: &str) -> anyhow::Result<Option<String>> {
        let url = self.url(&format!("manifests/{tag}"));
        let answer = self.ask(Method::HEAD, &url, ("accept", ACCEPT), None)?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => match answer.header("docker-content-digest") {
                Some(digest) if is_digest(&digest) => Ok(Some(digest)),
                Some(text) => {
                    let what = format!("`{text}`, which is not a digest");
                    Err(self.strange(&url, &what))
                }
                // The header is optional in the protocol; the bytes are not.
                None => Ok(Some(self.manifest(tag)?.digest())),
            },
            status => Err(self.refused("HEAD", &url, status)),
        }
    }

    /// The manifest behind a tag or digest.
    ///
    /// # Errors
    /// It is missing ([`NotAnImage`]), has another digest than the one that was asked for, or the
    /// registry does not answer.
    pub fn manifest(&self, reference: &str) -> anyhow::Result<Manifest> {
        let answer = self.get(&format!("manifests/{reference}"), reference)?;
        Ok(Manifest {
            media_type: answer.header("content-type").unwrap_or_default(),
            bytes: answer.body,
        })
    }

    /// The configuration of an image given by tag or digest.
    ///
    /// # Errors
    /// It is missing or not a single image ([`NotAnImage`]), or the registry does not answer.
    pub fn configuration(&self, reference: &str) -> anyhow::Result<ImageConfiguration> {
        let (digest, name) = {
            let manifest = self.image_manifest(reference)?;
            (
                manifest.config().digest().to_string(),
                self.named(reference),
            )
        };
        let answer = self.get(&format!("blobs/{digest}"), &digest)?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| NotAnImage(format!("{name} has no configuration: {error}")).into())
    }

    /// The parts of an image given by tag or digest that the registry does not have, although it
    /// has the manifest. Each part takes one HEAD request.
    ///
    /// # Errors
    /// As [`configuration`](Self::configuration).
    pub fn lost_parts(&self, reference: &str) -> anyhow::Result<Vec<String>> {
        let manifest = self.image_manifest(reference)?;
        let parts = manifest.layers().iter().chain([manifest.config()]);
        let digests: Vec<String> = parts.map(|part| part.digest().to_string()).collect();
        side_by_side(&digests, |digest| {
            let url = self.url(&format!("blobs/{digest}"));
            let answer = self.ask(Method::HEAD, &url, ("accept", "*/*"), None)?;
            match answer.status {
                StatusCode::NOT_FOUND => Ok(false),
                status if status.is_success() || status.is_redirection() => Ok(true),
                status => Err(self.refused("HEAD", &url, status)),
            }
        })
        .into_iter()
        .filter_map(|(digest, is_there)| match is_there {
            Ok(true) => None,
            Ok(false) => Some(Ok(digest.clone())),
            Err(error) => Some(Err(error)),
        })
        .collect()
    }

    fn image_manifest(&self, reference: &str) -> anyhow::Result<ImageManifest> {
        let manifest = self.manifest(reference)?;
        serde_json::from_slice(&manifest.bytes).map_err(|error| {
            let (name, media_type) = (self.named(reference), manifest.media_type);
            NotAnImage(format!("{name} is not an image but {media_type} ({error})")).into()
        })
    }

    /// The name of what a tag or a digest names.
    fn named(&self, reference: &str) -> String {
        match is_digest(reference) {
            true => self.pinned(reference),
            false => self.tagged(reference),
        }
    }

    /// Puts the exact bytes of a manifest under a tag, so that its digest stays.
    ///
    /// # Errors
    /// The registry refuses, or answers with another digest.
    pub fn put(&self, tag: &str, manifest: &Manifest) -> anyhow::Result<()> {
        let url = self.url(&format!("manifests/{tag}"));
        let media_type = ("content-type", manifest.media_type.as_str());
        let answer = self.ask(Method::PUT, &url, media_type, Some(&manifest.bytes))?;
        if !answer.status.is_success() {
            return Err(self.refused("PUT", &url, answer.status));
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

    /// Removes a manifest with all tags that name it. One that is not there is no error.
    ///
    /// # Errors
    /// The registry does not answer, or refuses.
    pub fn delete(&self, digest: &str) -> anyhow::Result<()> {
        let url = self.url(&format!("manifests/{digest}"));
        let answer = self.ask(Method::DELETE, &url, ("accept", ACCEPT), None)?;
        match answer.status {
            StatusCode::ACCEPTED | StatusCode::NOT_FOUND => Ok(()),
            status => Err(self.refused("DELETE", &url, status)),
        }
    }

    fn url(&self, path: &str) -> String {
        format!(
            "{}://{}/v2/{}/{path}",
            self.scheme, self.registry, self.name
        )
    }

    /// Asks for what a path names. Where that is a digest, the bytes must have it.
    fn get(&self, path: &str, reference: &str) -> anyhow::Result<Answer> {
        let url = self.url(path);
        let answer = self.ask(Method::GET, &url, ("accept", ACCEPT), None)?;
        if answer.status == StatusCode::NOT_FOUND {
            let what = format!("{} has no {reference}", self.registry);
            return Err(NotAnImage(what).into());
        }
        if !answer.status.is_success() {
            return Err(self.refused("GET", &url, answer.status));
        }
        let found = format!("sha256:{}", digest_bytes(&answer.body));
        if reference.starts_with("sha256:") && found != reference {
            let what = format!("bytes whose digest is {found}");
            return Err(self.strange(&url, &what));
        }
        Ok(answer)
    }

    /// Sends the request without credentials first, and answers a challenge once.
    fn ask(
        &self,
        method: Method,
        url: &str,
        header: (&'static str, &str),
        body: Option<&[u8]>,
    ) -> anyhow::Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header.0, header.1)
            .body(body.map(<[u8]>::to_vec))
            .failure(|| {
                Failure::new(
                    Code::Usage,
                    format!("{}/{} is not a repository", self.registry, self.name),
                )
            })?;
        let repository = self.clone();
        // On a thread of its own, so that a signal need not wait for the answer.
        interrupt::abandon(move || {
            let answer = repository.send(&request, None)?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            let authorization =
                authorization::answer(&repository.registry, &challenge, repository.bound)
                    .with_context(|| format!("{} asks for credentials", request.uri()))?;
            repository.send(&request, Some(&authorization))
        })?
    }

    fn send(
        &self,
        request: &Request<Option<Vec<u8>>>,
        authorization: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let (mut parts, body) = request.clone().into_parts();
        if let Some(value) = authorization {
            parts.headers.insert(AUTHORIZATION, value.parse()?);
        }
        let url = parts.uri.clone();
        let response = match body {
            Some(bytes) => self.agent.run(Request::from_parts(parts, bytes)),
            None => self.agent.run(Request::from_parts(parts, ())),
        };
        let (parts, mut body) = response
            .failure(|| {
                Failure::new(
                    Code::Service,
                    format!("registry {} does not answer", self.registry),
                )
                .hint(if http::is_on_this_machine(&self.registry) {
                    "cargo xtask setup"
                } else {
                    "cargo xtask preflight"
                })
            })?
            .into_parts();
        let body = body
            .with_config()
            .limit(MANIFEST_LIMIT_BYTES)
            .read_to_vec()
            .with_context(|| format!("failed to read {url}"))?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    fn strange(&self, url: &str, what: &str) -> anyhow::Error {
        let message = format!("registry {} answered {url} with {what}", self.registry);
        Failure::new(Code::Service, message).into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_registry_that_never_answers_is_given_up() {
        // The system accepts for a listener that does not.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = listener.local_addr().unwrap().to_string();
        let started = Instant::now();
        let error = Repository::bounded(&registry, "a", Duration::from_millis(200))
            .digest_of("latest")
            .unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(
            error.to_string(),
            format!("registry {registry} does not answer")
        );
    }

    #[test]
    fn a_malformed_address_is_refused_by_name() {
        let error = Repository::new("loc alhost", "a")
            .digest_of("latest")
            .unwrap_err();
        assert_eq!(error.to_string(), "loc alhost/a is not a repository");
    }
}
