//! Services: what they run, and how to change it.

use crate::ecs::{Ecs, refuse_failures};
use crate::error::{CloudError, Kind};
use crate::time::timestamp;
use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder;
use xtask_aws_api::calls::services::{Deployment, Service, ServiceEvent};
use xtask_aws_api::calls::tasks::Network;

/// A service as ECS describes it. Its image is not known yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DescribedService {
    pub(crate) service: Service,
    /// Ids of the service's events, in the same order.
    pub(crate) event_ids: Vec<String>,
    /// Where the network interfaces of its tasks are.
    pub(crate) network: Network,
    /// ARNs of the groups in which load balancers find its tasks.
    pub(crate) target_groups: Vec<String>,
}

/// The last part of a task definition's ARN: `family:revision`.
pub(crate) fn definition_name(definition: &str) -> &str {
    definition.rsplit('/').next().unwrap_or(definition)
}

impl Ecs {
    /// The service; `None` where it does not exist, or not any more.
    ///
    /// # Errors
    /// The call fails, or its reply holds failures.
    pub(crate) async fn service(
        &self,
        cluster: &str,
        service: &str,
    ) -> Result<Option<DescribedService>, CloudError> {
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
        // ECS lists a deleted service for a while, as INACTIVE.
        Ok(reply
            .services()
            .iter()
            .find(|service| service.status() != Some("INACTIVE"))
            .map(service_of))
    }

    /// Rolls another task definition out; returns the id of that deployment.
    ///
    /// # Errors
    /// There is no such service or definition ([`Kind::NotFound`]), or the call fails.
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
    /// There is no such service ([`Kind::NotFound`]), or the call fails.
    pub(crate) async fn restart(&self, cluster: &str, service: &str) -> Result<String, CloudError> {
        let request = self.client.update_service().force_new_deployment(true);
        update(request, cluster, service).await
    }

    /// Sets how many tasks the service runs; returns the id of its deployment.
    ///
    /// # Errors
    /// There is no such service ([`Kind::NotFound`]), or the call fails.
    pub(crate) async fn scale(
        &self,
        cluster: &str,
        service: &str,
        tasks: u32,
    ) -> Result<String, CloudError> {
        let tasks = i32::try_from(tasks).unwrap_or(i32::MAX);
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
        .and_then(|described| Some(described.service.primary()?.id.clone()))
        .ok_or_else(|| {
            CloudError::new(
                Kind::Service,
                format!("{action}: the reply holds no deployment"),
            )
        })
}

fn service_of(service: &aws_sdk_ecs::types::Service) -> DescribedService {
    let events = service.events();
    DescribedService {
        service: Service {
            desired: count(service.desired_count()),
            running: count(service.running_count()),
            pending: count(service.pending_count()),
            task_definition: service.task_definition().unwrap_or_default().to_owned(),
            image: None,
            deployments: service.deployments().iter().map(deployment_of).collect(),
            events: events
                .iter()
                .map(|event| ServiceEvent {
                    at: event.created_at().and_then(timestamp),
                    message: event.message().unwrap_or_default().to_owned(),
                })
                .collect(),
        },
        event_ids: events
            .iter()
            .map(|event| event.id().unwrap_or_default().to_owned())
            .collect(),
        network: network_of(service),
        target_groups: service
            .load_balancers()
            .iter()
            .filter_map(|balancer| balancer.target_group_arn().map(str::to_owned))
            .collect(),
    }
}

fn network_of(service: &aws_sdk_ecs::types::Service) -> Network {
    service
        .network_configuration()
        .and_then(|network| network.awsvpc_configuration())
        .map(|vpc| Network {
            subnets: vpc.subnets().to_vec(),
            security_groups: vpc.security_groups().to_vec(),
        })
        .unwrap_or_default()
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
        desired: count(deployment.desired_count()),
        running: count(deployment.running_count()),
        failed_tasks: count(deployment.failed_tasks()),
        created_at: deployment.created_at().and_then(timestamp),
    }
}

/// ECS counts tasks with a sign, and never has fewer than none.
fn count(tasks: i32) -> u32 {
    u32::try_from(tasks).unwrap_or_default()
}
