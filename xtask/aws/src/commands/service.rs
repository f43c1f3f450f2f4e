//! What services run, the way back to another definition, and how many tasks there are.

use crate::alarms::expect_tasks;
use crate::commands::follow::{Watched, follow};
use crate::commands::{Handle, require_in, unknown};
use crate::config::Cloud;
use crate::ecs::Ecs;
use crate::error::{CloudError, Kind};
use crate::rollout::Rollout;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use xtask_aws_api::calls::services::{
    Begun, RedefineService, RestartService, ScaleService, Scaled, SettleService, Settled,
    ShowService, ShownService,
};

/// How many events of a service are part of an answer.
pub(super) const EVENTS: usize = 20;

/// ECS runs up to 5,000 tasks for a service.
const TASK_COUNT: RangeInclusive<u32> = 0..=5_000;

/// The service whose tasks an alarm counts.
const ORCHESTRATOR: &str = "orchestrator";

/// How long the cloud may take to show a change that it has accepted.
const APPEAR: Duration = Duration::from_secs(30);

impl Handle for ShowService {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<ShownService> {
        let ecs = Ecs::new(cloud.sdk());
        let Some(found) = ecs.service(&self.cluster, &self.service).await? else {
            return Ok(ShownService { service: None });
        };
        let mut service = found.service;
        service.events.truncate(EVENTS);
        service.image = ecs.image(&service.task_definition).await?;
        Ok(ShownService {
            service: Some(service),
        })
    }
}

impl Handle for RedefineService {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Begun> {
        let deployment_id = Ecs::new(cloud.sdk())
            .redefine(&self.cluster, &self.service, &self.definition)
            .await?;
        Ok(Begun { deployment_id })
    }
}

impl Handle for RestartService {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Begun> {
        let (cluster, name) = find(&self.service, cloud)?;
        let deployment_id = Ecs::new(cloud.sdk()).restart(&cluster, &name).await?;
        Ok(Begun { deployment_id })
    }
}

impl Handle for ScaleService {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Scaled> {
        require_in("to", self.to, TASK_COUNT)?;
        let ecs = Ecs::new(cloud.sdk());
        let (cluster, name) = find(&self.service, cloud)?;
        let found = ecs.service(&cluster, &name).await?.ok_or_else(|| {
            let message = format!("service {} is not deployed", self.service);
            CloudError::new(Kind::NotFound, message)
                .hint(format!("cargo xtask deploy --env {}", cloud.environment))
        })?;
        Ok(Scaled {
            deployment_id: ecs.scale(&cluster, &name, self.to).await?,
            was: found.service.desired,
        })
    }
}

impl Handle for SettleService {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Settled> {
        require_in("to", self.to, TASK_COUNT)?;
        let (cluster, name) = find(&self.service, cloud)?;
        let rollout = Rollout::of(&name, &cloud.environment, self.deployment);
        let what = Watched {
            cluster,
            service: name,
            tasks: Some(self.to),
            timeout: Duration::from_secs(self.timeout_secs),
            appear: APPEAR,
        };
        let begin = Instant::now();
        let service = follow(what, rollout, cloud).await?.into_service();
        if self.service == ORCHESTRATOR {
            expect_tasks(cloud, service.desired).await;
        }
        Ok(Settled {
            running: service.running,
            desired: service.desired,
            seconds: begin.elapsed().as_secs(),
        })
    }
}

/// Cluster and name in ECS of a service of `platform.toml`.
fn find(service: &str, cloud: &Cloud) -> Result<(String, String), CloudError> {
    let deployed = cloud.deployed();
    let found = deployed
        .services()
        .find(|(consumer, _)| consumer.name == service);
    if let Some((_, name)) = found {
        return Ok((deployed.cluster.clone(), name.to_owned()));
    }
    let known = deployed
        .services()
        .map(|(consumer, _)| consumer.name.as_str());
    Err(unknown("service", service, known))
}
