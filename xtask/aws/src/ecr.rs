//! Image repositories: access to them, their creation, and the images in them.

use crate::error::{CloudError, Kind};
use crate::time::timestamp;
use aws_config::SdkConfig;
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier, Tag};
use xtask_aws_api::Timestamp;
use xtask_aws_api::calls::ecr::Login;
use xtask_aws_api::calls::prune::StoredImage;

/// BatchDeleteImage accepts this many at once.
const DELETE_LIMIT: usize = 100;

/// An image of a repository, and when it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatedImage {
    pub(crate) image: StoredImage,
    pub(crate) pushed_at: Option<Timestamp>,
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

    /// A token that is valid for twelve hours, and the registry that the service names.
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
            password: password.into(),
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

    /// The images of the repository; an empty list where there is no such repository.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn images(&self, repository: &str) -> Result<Vec<DatedImage>, CloudError> {
        let details: Result<Vec<ImageDetail>, _> = self
            .client
            .describe_images()
            .repository_name(repository)
            .into_paginator()
            .items()
            .send()
            .collect()
            .await;
        let details = details.map_err(|error| {
            CloudError::from_sdk(&format!("ecr DescribeImages {repository}"), error)
        });
        let details = match details {
            Err(error) if error.kind == Kind::NotFound => return Ok(Vec::new()),
            details => details?,
        };
        let dated = |image: &ImageDetail| {
            Some(DatedImage {
                image: StoredImage {
                    repository: repository.to_owned(),
                    digest: image.image_digest()?.to_owned(),
                    tags: image.image_tags().to_vec(),
                },
                pushed_at: image.image_pushed_at().and_then(timestamp),
            })
        };
        Ok(details.iter().filter_map(dated).collect())
    }

    /// Deletes images with all their tags.
    ///
    /// # Errors
    /// A call fails, or its reply holds failures. Images that came before are deleted then.
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
