//! Services: what runs, what is being rolled out, and the way back.

use super::{Ecs, refuse_failures};
use crate::error::{CloudError, Kind};
use crate::time::as_rfc3339;
use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder;
use aws_sdk_ecs::primitives::DateTime;
use serde::Serialize;

/// A service as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Service {
    pub(crate) desired: i32,
    pub(crate) running: i32,
    pub(crate) pending: i32,
    /// ARN.
    pub(crate) task_definition: String,
    pub(crate) deployments: Vec<Deployment>,
    /// The latest first.
    pub(crate) events: Vec<ServiceEvent>,
    /// ARNs of the groups in which load balancers find its tasks.
    #[serde(skip)]
    pub(crate) target_groups: Vec<String>,
}

impl Service {
    /// The deployment that the service is meant to come to.
    pub(crate) fn primary(&self) -> Option<&Deployment> {
        self.deployments
            .iter()
            .find(|deployment| deployment.status == "PRIMARY")
    }
}

/// One roll-out of a task definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    /// `PRIMARY` or `ACTIVE`.
    pub(crate) status: String,
    /// ARN.
    pub(crate) task_definition: String,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`; not every cloud says it.
    pub(crate) rollout_state: Option<String>,
    pub(crate) rollout_reason: Option<String>,
    pub(crate) desired: i32,
    pub(crate) running: i32,
    pub(crate) failed_tasks: i32,
    #[serde(serialize_with = "as_rfc3339")]
    pub(crate) created_at: Option<DateTime>,
}

/// Something that happened to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceEvent {
    #[serde(skip)]
    pub(crate) id: String,
    #[serde(serialize_with = "as_rfc3339")]
    pub(crate) at: Option<DateTime>,
    pub(crate) message: String,
}

/// The last part of a task definition's ARN: `family:revision`.
pub(crate) fn definition_name(definition: &str) -> &str {
    definition.rsplit('/').next().unwrap_or(definition)
}

impl Ecs {
    /// The service; `None` where there is none, or none any more.
    ///
    /// # Errors
    /// The call fails, or its 200 holds failures.
    pub(crate) async fn service(
        &self,
        cluster: &str,
        service: &str,
    ) -> Result<Option<Service>, CloudError> {
        let action = format!("ecs DescribeServices {cluster} {service}");
        let reply = self
            .client
            .describe_services()
            .cluster(cluster)
            .services(service)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error));
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) if error.kind == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let known = reply
            .failures()
            .iter()
            .filter(|failure| failure.reason() != Some("MISSING"));
        refuse_failures(&action, known)?;
        // A deleted service is told for a while, as INACTIVE.
        Ok(reply
            .services()
            .iter()
            .find(|service| service.status() != Some("INACTIVE"))
            .map(service_of))
    }

    /// Rolls the service out with another definition; returns the id of that deployment.
    ///
    /// # Errors
    /// The call fails; there is no such service or definition ([`Kind::NotFound`]).
    pub(crate) async fn redefine(
        &self,
        cluster: &str,
        service: &str,
        definition: &str,
    ) -> Result<String, CloudError> {
        let request = self.client.update_service().task_definition(definition);
        update(request, cluster, service).await
    }

    /// Replaces the tasks of the service by new ones of the same definition; returns the
    /// id of that deployment.
    ///
    /// # Errors
    /// The call fails, or there is no such service ([`Kind::NotFound`]).
    pub(crate) async fn restart(&self, cluster: &str, service: &str) -> Result<String, CloudError> {
        let request = self.client.update_service().force_new_deployment(true);
        update(request, cluster, service).await
    }

    /// Sets how many tasks the service runs; returns the id of its deployment.
    ///
    /// # Errors
    /// The call fails, or there is no such service ([`Kind::NotFound`]).
    pub(crate) async fn scale(
        &self,
        cluster: &str,
        service: &str,
        tasks: i32,
    ) -> Result<String, CloudError> {
        let request = self.client.update_service().desired_count(tasks);
        update(request, cluster, service).await
    }

    /// The image of the definition's first container.
    ///
    /// # Errors
    /// There is no such definition ([`Kind::NotFound`]), or the call fails.
    pub(crate) async fn image(&self, definition: &str) -> Result<Option<String>, CloudError> {
        let found = self.describe(definition).await?;
        let container = found.container_definitions().first();
        Ok(container.and_then(|container| container.image().map(str::to_owned)))
    }
}

/// Returns the id of the deployment that the service is then meant to come to.
async fn update(
    request: UpdateServiceFluentBuilder,
    cluster: &str,
    service: &str,
) -> Result<String, CloudError> {
    let action = format!("ecs UpdateService {cluster} {service}");
    let reply = request
        .cluster(cluster)
        .service(service)
        .send()
        .await
        .map_err(|error| CloudError::from_sdk(&action, error))?;
    reply
        .service()
        .map(service_of)
        .and_then(|service| service.primary().map(|primary| primary.id.clone()))
        .ok_or_else(|| {
            CloudError::new(
                Kind::Service,
                format!("{action}: the reply holds no deployment"),
            )
        })
}

fn service_of(service: &aws_sdk_ecs::types::Service) -> Service {
    Service {
        desired: service.desired_count(),
        running: service.running_count(),
        pending: service.pending_count(),
        task_definition: service.task_definition().unwrap_or_default().to_owned(),
        deployments: service.deployments().iter().map(deployment_of).collect(),
        events: service
            .events()
            .iter()
            .map(|event| ServiceEvent {
                id: event.id().unwrap_or_default().to_owned(),
                at: event.created_at().copied(),
                message: event.message().unwrap_or_default().to_owned(),
            })
            .collect(),
        target_groups: service
            .load_balancers()
            .iter()
            .filter_map(|balancer| balancer.target_group_arn().map(str::to_owned))
            .collect(),
    }
}

fn deployment_of(deployment: &aws_sdk_ecs::types::Deployment) -> Deployment {
    Deployment {
        id: deployment.id().unwrap_or_default().to_owned(),
        status: deployment.status().unwrap_or_default().to_owned(),
        task_definition: deployment.task_definition().unwrap_or_default().to_owned(),
        rollout_state: deployment
            .rollout_state()
            .map(|state| state.as_str().to_owned()),
        rollout_reason: deployment
            .rollout_state_reason()
            .filter(|reason| !reason.is_empty())
            .map(str::to_owned),
        desired: deployment.desired_count(),
        running: deployment.running_count(),
        failed_tasks: deployment.failed_tasks(),
        created_at: deployment.created_at().copied(),
    }
}
