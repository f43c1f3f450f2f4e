//! Elastic Container Service: clusters here; services, task definitions, tasks and sessions in
//! files of their own.

mod definition;
mod event;
mod service;
mod session;
mod task;

pub(crate) use definition::{Container, Revision, TaskDefinition};
pub(crate) use service::{DescribedService, definition_name};
pub(crate) use task::{DescribedTask, TaskId, TaskSpec};

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use aws_sdk_ecs::types::{Failure, Tag};

/// Elastic Container Service.
#[derive(Debug, Clone)]
pub(crate) struct Ecs {
    client: aws_sdk_ecs::Client,
}

impl Ecs {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_ecs::Client::new(sdk),
        }
    }

    /// Creates the cluster where it does not exist. This call is idempotent by itself.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn ensure_cluster(
        &self,
        name: &str,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        self.client
            .create_cluster()
            .cluster_name(name)
            .set_tags(Some(sdk_tags(tags)))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("ecs CreateCluster {name}"), error))
    }

    /// Whether the cluster exists and accepts tasks.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn has_cluster(&self, name: &str) -> Result<bool, CloudError> {
        let reply = self
            .client
            .describe_clusters()
            .clusters(name)
            .send()
            .await
            .map_err(|error| {
                CloudError::from_sdk(&format!("ecs DescribeClusters {name}"), error)
            })?;
        Ok(reply
            .clusters()
            .iter()
            .any(|cluster| cluster.status() == Some("ACTIVE")))
    }

    /// # Errors
    /// The call fails, for instance because services or tasks are left in the cluster.
    pub(crate) async fn delete_cluster(&self, name: &str) -> Result<(), CloudError> {
        self.client
            .delete_cluster()
            .cluster(name)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("ecs DeleteCluster {name}"), error))
    }
}

fn sdk_tags(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// ECS reports failures within successful replies.
fn refuse_failures<'a>(
    action: &str,
    mut failures: impl Iterator<Item = &'a Failure>,
) -> Result<(), CloudError> {
    match failures.next() {
        None => Ok(()),
        Some(failure) => {
            let parts = [failure.arn(), failure.reason(), failure.detail()];
            let text: Vec<&str> = parts.into_iter().flatten().collect();
            Err(CloudError::new(
                Kind::Service,
                format!("{action}: {}", text.join(": ")),
            ))
        }
    }
}
