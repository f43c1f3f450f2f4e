//! One repository of one registry: the part of the distribution protocol that assembling an image needs.

mod authorization;
mod blobs;

pub(crate) use crate::registry::blobs::{Mounted, body_of_answer, body_of_file};

use crate::client::{http_client, is_safe};
use crate::digest::digest_of;
use crate::error::Error;
use crate::reference::Repository;
use crate::registry::authorization::authorization;
use crate::secret::Secret;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use std::error::Error as _;
use std::time::Duration;
use tokio::sync::Mutex;

/// Media types of what can be below an application.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";
/// Registries refuse larger manifests.
const MANIFEST_LIMIT_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of an answer's text that are quoted.
const QUOTED_BYTES: u64 = 2_000;
/// A request without a large body.
const BOUND: Duration = Duration::from_secs(60);
/// What is waited where a registry limits requests and does not say for how long.
const LIMIT_WAIT: Duration = Duration::from_secs(10);
/// The longest wait that a registry may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Who asks a registry.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// A user with a password, or with a token in its place.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// How registries are asked.
#[derive(Debug, Clone)]
pub struct Access {
    /// Who reads the base.
    pub base: Credentials,
    /// Who pushes.
    pub target: Credentials,
    /// Certificates in the form of PEM of authorities that are trusted besides those that everybody trusts.
    pub extra_certificates: String,
}

/// A repository with what opens it.
pub(crate) struct Registry<'a> {
    repository: &'a Repository,
    client: Client,
    credentials: &'a Credentials,
    /// What is asked of a token service.
    scopes: Vec<String>,
    is_push: bool,
    authorization: Mutex<Option<HeaderValue>>,
}

/// A document of a registry.
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: String,
}

impl<'a> Registry<'a> {
    /// A repository to read from, or to push to. Blobs of `source`, in the same registry, can be mounted into one
    /// to push to.
    pub(crate) fn new(
        repository: &'a Repository,
        credentials: &'a Credentials,
        extra_certificates: &str,
        push_from: Option<&Repository>,
        is_push: bool,
    ) -> Result<Self, Error> {
        let client = http_client(extra_certificates, repository.api_host());
        let client = client.map_err(|reason| Error::Client {
            registry: repository.registry.clone(),
            reason,
        })?;
        let actions = if is_push { "pull,push" } else { "pull" };
        let mut scopes = vec![format!("repository:{}:{actions}", repository.name)];
        let source = push_from.filter(|source| source.registry == repository.registry);
        scopes.extend(source.map(|source| format!("repository:{}:pull", source.name)));
        Ok(Self {
            repository,
            client,
            credentials,
            scopes,
            is_push,
            authorization: Mutex::new(None),
        })
    }

    /// The manifest of a digest, or the index.
    pub(crate) async fn manifest(&self, digest: &str) -> Result<Document, Error> {
        let what = format!("the manifest {digest}");
        let url = self.url(&format!("manifests/{digest}"), &what)?;
        let make = |client: &Client| client.get(url.clone()).header(ACCEPT, MANIFESTS);
        let response = self.ask(&what, BOUND, &make).await?;
        if response.status() != StatusCode::OK {
            return Err(self.unexpected(&what, response).await);
        }
        let media_type = text(response.headers(), CONTENT_TYPE.as_str()).unwrap_or_default();
        let bytes = self.read(&what, response, MANIFEST_LIMIT_BYTES).await?;
        self.verify(&what, digest, &bytes)?;
        Ok(Document { bytes, media_type })
    }

    /// Names a manifest. All that it names has to be there.
    pub(crate) async fn put_manifest(
        &self,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let what = format!("the manifest {tag}");
        let url = self.url(&format!("manifests/{tag}"), &what)?;
        let make = |client: &Client| {
            let request = client.put(url.clone()).header(CONTENT_TYPE, media_type);
            request.body(bytes.to_vec())
        };
        let response = self.ask(&what, BOUND, &make).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            _ => Err(self.unexpected(&what, response).await),
        }
    }

    fn url(&self, path: &str, what: &str) -> Result<Url, Error> {
        let scheme = match self.repository.is_loopback() {
            true => "http",
            false => "https",
        };
        let (host, name) = (self.repository.api_host(), &self.repository.name);
        let text = format!("{scheme}://{host}/v2/{name}/{path}");
        Url::parse(&text).map_err(|error| self.unreachable(what, error.to_string()))
    }

    /// Sends a request, and once more with what opens the repository if that is asked for.
    async fn ask(
        &self,
        what: &str,
        bound: Duration,
        make: &(dyn Fn(&Client) -> RequestBuilder + Send + Sync),
    ) -> Result<Response, Error> {
        let response = self.send(what, make(&self.client).timeout(bound)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let Some(challenge) = text(response.headers(), WWW_AUTHENTICATE.as_str()) else {
            return Ok(response);
        };
        let opened = authorization(&self.client, &challenge, &self.scopes, self.credentials);
        match opened.await {
            Ok(Some(value)) => *self.authorization.lock().await = Some(value),
            Ok(None) => return Ok(response),
            Err(reason) => return Err(self.unreachable(what, reason)),
        }
        self.send(what, make(&self.client).timeout(bound)).await
    }

    /// Sends a request once.
    async fn send(&self, what: &str, request: RequestBuilder) -> Result<Response, Error> {
        let failed = |error: reqwest::Error| self.unreachable(what, reason(&error));
        let mut request = request.build().map_err(failed)?;
        let is_ours = match self.url("", what) {
            Ok(ours) => ours.origin() == request.url().origin(),
            Err(_) => false,
        };
        if let (true, Some(value)) = (is_ours, self.authorization.lock().await.clone()) {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let response = self.client.execute(request).await.map_err(failed)?;
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS => Err(Error::RateLimited {
                registry: self.repository.registry.clone(),
                wait: wait(response.headers()),
            }),
            status if status.is_server_error() => {
                let said = quote(response).await;
                Err(self.unreachable(what, format!("it answers {}: {said}", status.as_u16())))
            }
            _ => Ok(response),
        }
    }

    /// A body with at most so many bytes.
    async fn read(
        &self,
        what: &str,
        mut response: Response,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let chunk = chunk.map_err(|error| self.unreachable(what, reason(&error)))?;
            let Some(chunk) = chunk else {
                return Ok(bytes);
            };
            if (bytes.len() + chunk.len()) as u64 > limit_bytes {
                let reason = format!("it has more than {limit_bytes} bytes");
                return Err(self.corrupt(what, "", reason));
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    fn verify(&self, what: &str, digest: &str, bytes: &[u8]) -> Result<(), Error> {
        let found = digest_of(bytes);
        match found == digest {
            true => Ok(()),
            false => Err(self.corrupt(what, digest, format!("they are {found}"))),
        }
    }

    fn corrupt(&self, what: &str, digest: &str, reason: String) -> Error {
        Error::Corrupt {
            registry: self.repository.registry.clone(),
            what: what.to_owned(),
            digest: digest.to_owned(),
            reason,
        }
    }

    fn unreachable(&self, what: &str, reason: String) -> Error {
        Error::Unreachable {
            registry: self.repository.registry.clone(),
            what: what.to_owned(),
            reason,
        }
    }

    /// The error for an answer that is none of those that were expected.
    async fn unexpected(&self, what: &str, response: Response) -> Error {
        let registry = self.repository.registry.clone();
        let (what, status) = (what.to_owned(), response.status().as_u16());
        let reason = quote(response).await;
        match self.is_push {
            true => Error::Refused {
                registry,
                what,
                status,
                reason,
            },
            false => Error::Missing {
                registry,
                what,
                status,
                reason,
            },
        }
    }

    /// An address that the registry names.
    fn location(&self, what: &str, headers: &HeaderMap) -> Result<Url, Error> {
        let named = text(headers, "location")
            .ok_or_else(|| self.unreachable(what, "it names no place to upload to".to_owned()))?;
        let url = self.url("", what)?.join(&named);
        let url = url.map_err(|error| self.unreachable(what, format!("{named}: {error}")))?;
        match is_safe(&url) {
            true => Ok(url),
            false => Err(self.unreachable(what, format!("{named} is an address without https"))),
        }
    }
}

/// A header as text.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// How long a registry that limits requests asks to wait.
fn wait(headers: &HeaderMap) -> Duration {
    let seconds = text(headers, RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
    seconds
        .map_or(LIMIT_WAIT, Duration::from_secs)
        .min(LONGEST_WAIT)
}

/// What an answer says, for a person: the message of its first error, or the beginning of its text.
async fn quote(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 >= QUOTED_BYTES {
            break;
        }
    }
    bytes.truncate(QUOTED_BYTES as usize);
    let value: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let error = value.as_ref().and_then(|value| value["errors"].get(0));
    if let Some(error) = error {
        let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        return format!("{} {}", part("code"), part("message"))
            .trim()
            .to_owned();
    }
    match String::from_utf8_lossy(&bytes).trim() {
        "" => "it says nothing".to_owned(),
        text => text.to_owned(),
    }
}

/// Why a request failed: the deepest cause says most, and no address is in it.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "there is no answer in time".to_owned();
    }
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    match cause {
        Some(cause) => cause.to_string(),
        None => "the request failed".to_owned(),
    }
}
