//! Image repositories: login, creation, and tags that move without changing a digest.

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use aws_sdk_ecr::primitives::DateTime;
use aws_sdk_ecr::types::{ImageIdentifier, Tag};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Every manifest kind that Docker and BuildKit push. Without them ECR may
/// answer with a conversion, whose digest is another.
const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What `docker login` needs. No `Debug`: the password must not reach a log.
#[derive(Serialize)]
pub(crate) struct Login {
    /// `host[:port]`, as image references begin.
    pub(crate) registry: String,
    pub(crate) username: String,
    pub(crate) password: String,
}

/// Where a tag points after a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MovedTag {
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
    /// False where the tag was there already.
    pub(crate) moved: bool,
}

/// BatchDeleteImage takes this many at once.
const DELETE_LIMIT: usize = 100;

/// An image in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct StoredImage {
    pub(crate) repository: String,
    pub(crate) digest: String,
    pub(crate) tags: Vec<String>,
    #[serde(skip)]
    pub(crate) pushed_at: Option<DateTime>,
}

/// Elastic Container Registry.
#[derive(Debug)]
pub(crate) struct Ecr {
    client: aws_sdk_ecr::Client,
}

impl Ecr {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_ecr::Client::new(sdk),
        }
    }

    /// A token of twelve hours. The registry is the one the service names.
    ///
    /// # Errors
    /// The call fails, or its token is not `user:password` in base64.
    pub(crate) async fn login(&self) -> Result<Login, CloudError> {
        let action = "ecr GetAuthorizationToken";
        let reply = self
            .client
            .get_authorization_token()
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(action, error))?;
        let malformed = |what: &str| CloudError::new(Kind::Service, format!("{action}: {what}"));
        let data = reply
            .authorization_data()
            .first()
            .ok_or_else(|| malformed("the reply holds no token"))?;
        let token = data
            .authorization_token()
            .and_then(|token| aws_smithy_types::base64::decode(token).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| malformed("the token is not base64 text"))?;
        let (username, password) = token
            .split_once(':')
            .ok_or_else(|| malformed("the token is not user:password"))?;
        let endpoint = data
            .proxy_endpoint()
            .ok_or_else(|| malformed("the reply names no registry"))?;
        Ok(Login {
            registry: host_of(endpoint).to_owned(),
            username: username.to_owned(),
            password: password.to_owned(),
        })
    }

    /// # Errors
    /// The repository does not exist ([`Kind::NotFound`]) or the call fails.
    pub(crate) async fn describe_repository(&self, name: &str) -> Result<(), CloudError> {
        self.client
            .describe_repositories()
            .repository_names(name)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| {
                CloudError::from_sdk(&format!("ecr DescribeRepositories {name}"), error)
            })
    }

    /// Creates the repository where it does not exist.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn ensure_repository(
        &self,
        name: &str,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        let action = format!("ecr CreateRepository {name}");
        let mut request = self.client.create_repository().repository_name(name);
        for (key, value) in tags {
            let tag = Tag::builder()
                .key(key)
                .value(value)
                .build()
                .map_err(|error| CloudError::new(Kind::Service, format!("{action}: {error}")))?;
            request = request.tags(tag);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match CloudError::from_sdk(&action, error) {
                error if error.kind == Kind::Exists => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Puts the exact bytes of the manifest `digest` under `tag`.
    ///
    /// # Errors
    /// The image does not exist, or what comes back at any step has another digest.
    pub(crate) async fn move_tag(
        &self,
        repository: &str,
        digest: &str,
        tag: &str,
    ) -> Result<MovedTag, CloudError> {
        let manifest = self.manifest(repository, digest).await?;
        let action = format!("ecr PutImage {repository}:{tag}");
        let result = self
            .client
            .put_image()
            .repository_name(repository)
            .image_tag(tag)
            .image_digest(digest)
            .image_manifest(manifest.text)
            .image_manifest_media_type(manifest.media_type)
            .send()
            .await;
        let moved = match result {
            Ok(reply) => {
                let put = reply
                    .image()
                    .and_then(|image| image.image_id())
                    .and_then(ImageIdentifier::image_digest);
                if put != Some(digest) {
                    return Err(CloudError::new(
                        Kind::Service,
                        format!(
                            "{action}: put {digest} and got {}",
                            put.unwrap_or("no digest")
                        ),
                    ));
                }
                true
            }
            // The tag points there already.
            Err(error) => match CloudError::from_sdk(&action, error) {
                error if error.kind == Kind::Exists => false,
                error => return Err(error),
            },
        };
        Ok(MovedTag {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: digest.to_owned(),
            moved,
        })
    }

    /// The images of the repository; none where there is no such repository.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn images(&self, repository: &str) -> Result<Vec<StoredImage>, CloudError> {
        let mut images = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .client
                .describe_images()
                .repository_name(repository)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| {
                    CloudError::from_sdk(&format!("ecr DescribeImages {repository}"), error)
                });
            let page = match page {
                Err(error) if error.kind == Kind::NotFound => return Ok(images),
                page => page?,
            };
            images.extend(page.image_details().iter().filter_map(|image| {
                Some(StoredImage {
                    repository: repository.to_owned(),
                    digest: image.image_digest()?.to_owned(),
                    tags: image.image_tags().to_vec(),
                    pushed_at: image.image_pushed_at().copied(),
                })
            }));
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok(images);
            }
        }
    }

    /// Deletes images with all their tags.
    ///
    /// # Errors
    /// A call fails, or its 200 holds failures; what comes before is deleted then.
    pub(crate) async fn delete_images(
        &self,
        repository: &str,
        digests: &[&str],
    ) -> Result<(), CloudError> {
        for chunk in digests.chunks(DELETE_LIMIT) {
            let action = format!("ecr BatchDeleteImage {repository}");
            let ids = chunk
                .iter()
                .map(|&digest| ImageIdentifier::builder().image_digest(digest).build());
            let reply = self
                .client
                .batch_delete_image()
                .repository_name(repository)
                .set_image_ids(Some(ids.collect()))
                .send()
                .await
                .map_err(|error| CloudError::from_sdk(&action, error))?;
            if let Some(failure) = reply.failures().first() {
                let digest = failure.image_id().and_then(ImageIdentifier::image_digest);
                let code = failure.failure_code().map(|code| code.as_str());
                return Err(CloudError::new(
                    Kind::Service,
                    format!(
                        "{action}: {} of {} were not deleted, first {}: {}: {}",
                        reply.failures().len(),
                        chunk.len(),
                        digest.unwrap_or("one without digest"),
                        code.unwrap_or("unknown failure"),
                        failure.failure_reason().unwrap_or("no reason")
                    ),
                ));
            }
        }
        Ok(())
    }

    async fn manifest(&self, repository: &str, digest: &str) -> Result<Manifest, CloudError> {
        let action = format!("ecr BatchGetImage {repository}@{digest}");
        let mut request = self
            .client
            .batch_get_image()
            .repository_name(repository)
            .image_ids(ImageIdentifier::builder().image_digest(digest).build());
        for media_type in MANIFEST_TYPES {
            request = request.accepted_media_types(media_type);
        }
        let reply = request
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?;
        // A missing image is a failure inside a 200.
        if let Some(failure) = reply.failures().first() {
            let code = failure
                .failure_code()
                .map_or("unknown failure", |code| code.as_str());
            let kind = if code == "ImageNotFound" {
                Kind::NotFound
            } else {
                Kind::Service
            };
            return Err(CloudError::new(
                kind,
                format!(
                    "{action}: {code}: {}",
                    failure.failure_reason().unwrap_or("no reason")
                ),
            ));
        }
        let image = reply.images().first();
        let text = image.and_then(|image| image.image_manifest());
        let media_type = image.and_then(|image| image.image_manifest_media_type());
        let (Some(text), Some(media_type)) = (text, media_type) else {
            return Err(CloudError::new(
                Kind::Service,
                format!("{action}: the reply holds no manifest"),
            ));
        };
        let actual = sha256_digest(text.as_bytes());
        if actual != digest {
            return Err(CloudError::new(
                Kind::Service,
                format!("{action}: the bytes received are {actual}"),
            ));
        }
        Ok(Manifest {
            text: text.to_owned(),
            media_type: media_type.to_owned(),
        })
    }
}

struct Manifest {
    text: String,
    media_type: String,
}

fn sha256_digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

/// `host[:port]` of a URL.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::Canned;
    use serde_json::json;

    const MANIFEST: &str = r#"{"schemaVersion":2}"#;
    const TYPE: &str = MANIFEST_TYPES[0];

    fn found(text: &str) -> String {
        json!({ "images": [{ "imageManifest": text, "imageManifestMediaType": TYPE }], "failures": [] })
            .to_string()
    }

    fn put(digest: &str) -> String {
        json!({ "image": { "imageId": { "imageDigest": digest } } }).to_string()
    }

    #[tokio::test]
    async fn failures_in_a_200_are_an_error() {
        let canned = Canned::new([(
            200,
            json!({ "images": [], "failures": [{
                "imageId": { "imageDigest": "sha256:0" },
                "failureCode": "ImageNotFound",
                "failureReason": "Requested image not found"
            }] })
            .to_string(),
        )]);
        let error = Ecr::new(&canned.config())
            .move_tag("app", "sha256:0", "dev")
            .await
            .expect_err("a failure");
        assert_eq!(error.kind, Kind::NotFound);
        assert_eq!(
            error.message,
            "ecr BatchGetImage app@sha256:0: ImageNotFound: Requested image not found"
        );
        assert_eq!(canned.requests().len(), 1, "nothing is put");
    }

    #[tokio::test]
    async fn the_exact_bytes_are_put() {
        let digest = sha256_digest(MANIFEST.as_bytes());
        let canned = Canned::new([(200, found(MANIFEST)), (200, put(&digest))]);
        let moved = Ecr::new(&canned.config())
            .move_tag("app", &digest, "dev")
            .await
            .expect("moved");
        assert!(moved.moved);
        let body: serde_json::Value =
            serde_json::from_str(&canned.requests()[1].body).expect("JSON");
        assert_eq!(
            body,
            json!({
                "repositoryName": "app", "imageTag": "dev", "imageDigest": digest,
                "imageManifest": MANIFEST, "imageManifestMediaType": TYPE
            })
        );
    }

    #[tokio::test]
    async fn other_bytes_than_the_digest_are_refused() {
        let digest = sha256_digest(MANIFEST.as_bytes());
        let canned = Canned::new([(200, found("{ }"))]);
        let error = Ecr::new(&canned.config())
            .move_tag("app", &digest, "dev")
            .await
            .expect_err("other bytes");
        assert!(
            error.message.contains("the bytes received are sha256:"),
            "{error}"
        );

        let canned = Canned::new([(200, found(MANIFEST)), (200, put("sha256:1"))]);
        let error = Ecr::new(&canned.config())
            .move_tag("app", &digest, "dev")
            .await
            .expect_err("another digest");
        assert!(error.message.ends_with("and got sha256:1"), "{error}");
    }

    #[tokio::test]
    async fn images_that_stay_in_a_200_are_an_error() {
        let canned = Canned::new([(
            200,
            json!({ "imageIds": [{ "imageDigest": "sha256:0" }], "failures": [{
                "imageId": { "imageDigest": "sha256:1" },
                "failureCode": "ImageReferencedByManifestList",
                "failureReason": "Requested image referenced by manifest list"
            }] })
            .to_string(),
        )]);
        let error = Ecr::new(&canned.config())
            .delete_images("app", &["sha256:0", "sha256:1"])
            .await
            .expect_err("a failure");
        assert_eq!(
            error.message,
            "ecr BatchDeleteImage app: 1 of 2 were not deleted, first sha256:1: \
             ImageReferencedByManifestList: Requested image referenced by manifest list"
        );
    }

    #[test]
    fn hosts_keep_their_port() {
        assert_eq!(host_of("http://127.0.0.1:4566/"), "127.0.0.1:4566");
        assert_eq!(
            host_of("https://1.dkr.ecr.us-east-1.amazonaws.com"),
            "1.dkr.ecr.us-east-1.amazonaws.com"
        );
    }
}
