//! Services, tasks and alarms at a glance. The parts are asked side by side, and a part that does
//! not answer is reported beside the others.

use crate::alarms::alarms;
use crate::commands::Handle;
use crate::commands::service::EVENTS;
use crate::config::Cloud;
use crate::ecs::Ecs;
use crate::error::CloudError;
use crate::load_balancing::targets;
use crate::tasks;
use xtask_aws_api::calls::status::{GetStatus, ServiceStatus, Status, Target, Unanswered};
use xtask_aws_api::names::{Consumer, Deployed};

/// Collects what could not be asked.
#[derive(Debug, Default)]
struct Partial(Vec<Unanswered>);

impl Partial {
    /// The value, or its default where the part did not answer.
    fn take<T: Default>(&mut self, what: &str, result: Result<T, CloudError>) -> T {
        result.unwrap_or_else(|error| {
            self.0.push(Unanswered {
                what: what.to_owned(),
                error: error.to_string(),
            });
            T::default()
        })
    }
}

impl Handle for GetStatus {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Status> {
        let deployed = cloud.deployed();
        let ((services, mut partial), tasks, alarms) = tokio::join!(
            services(&deployed, cloud),
            tasks::list_deployed(cloud, None),
            alarms(cloud.sdk(), &deployed.alarm_prefix),
        );
        Ok(Status {
            services,
            tasks: partial.take("tasks", tasks),
            alarms: partial.take("alarms", alarms),
            partial: partial.0,
        })
    }
}

async fn services(deployed: &Deployed, cloud: &Cloud) -> (Vec<ServiceStatus>, Partial) {
    let ecs = Ecs::new(cloud.sdk());
    let mut partial = Partial::default();
    let mut services = Vec::new();
    for (consumer, name) in deployed.services() {
        let found = service(consumer, name, deployed, &ecs, cloud, &mut partial).await;
        services.push(ServiceStatus {
            service: consumer.name.clone(),
            name: name.to_owned(),
            cluster: deployed.cluster.clone(),
            ..found
        });
    }
    (services, partial)
}

/// The service, without its names.
async fn service(
    consumer: &Consumer,
    name: &str,
    deployed: &Deployed,
    ecs: &Ecs,
    cloud: &Cloud,
    partial: &mut Partial,
) -> ServiceStatus {
    let called = format!("service {}", consumer.name);
    let found = match ecs.service(&deployed.cluster, name).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            return ServiceStatus {
                exists: Some(false),
                ..ServiceStatus::default()
            };
        }
        Err(error) => return partial.take(&called, Err(error)),
    };
    let mut service = found.service;
    service.events.truncate(EVENTS);
    let (image, targets) = tokio::join!(
        ecs.image(&service.task_definition),
        all_targets(&found.target_groups, cloud)
    );
    service.image = partial.take(&format!("image of {called}"), image);
    let targets = partial.take(&format!("targets of {called}"), targets);
    ServiceStatus::of(service, targets)
}

async fn all_targets(groups: &[String], cloud: &Cloud) -> Result<Vec<Target>, CloudError> {
    let mut all = Vec::new();
    for group in groups {
        all.extend(targets(cloud.sdk(), group).await?);
    }
    Ok(all)
}
