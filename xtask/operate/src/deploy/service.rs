//! The service of a release: the orchestrator in its cluster, behind its load balancer.

use crate::deploy::assembly::Assembly;
use crate::deploy::environment_lock::EnvironmentLock;
use crate::deploy::stacks;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use xtask_aws_api::calls::services::{self, FollowService, RedefineService, ShowService};
use xtask_aws_api::names::Concern;
use xtask_core::context::Context;
use xtask_machine::aws;
use xtask_machine::ministack;

/// Also covers what an update of the load balancer takes before that of the service begins.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(40 * 60);
/// From the first task of a deployment until the deployment is stable.
const STABLE_SECS: u64 = 900;

/// Names of the service and of what belongs to it. A release keeps them, because the manifest may
/// name them differently later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Service {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the service.
    pub name: String,
    /// Name of the load balancer.
    pub load_balancer: String,
}

impl Service {
    /// The service that an assembly contains.
    ///
    /// # Errors
    /// The assembly contains no service.
    pub fn of(context: &Context, assembly: &Assembly) -> anyhow::Result<Self> {
        let property = |resource: &str, name: &str| {
            assembly.property(context, Concern::Service, resource, name)
        };
        Ok(Self {
            cluster: property("AWS::ECS::Cluster", "ClusterName")?,
            name: property("AWS::ECS::Service", "ServiceName")?,
            load_balancer: property("AWS::ElasticLoadBalancingV2::LoadBalancer", "Name")?,
        })
    }

    /// The service as it is now; `None` if it does not exist.
    ///
    /// # Errors
    /// The cloud does not answer.
    pub fn state(&self, context: &Context) -> anyhow::Result<Option<services::Service>> {
        let request = ShowService {
            cluster: self.cluster.clone(),
            service: self.name.clone(),
        };
        Ok(aws::call(context, request).read()?.service)
    }

    /// The URL for people, and the base URL for programs, which do not resolve names below
    /// `localhost`.
    ///
    /// # Errors
    /// The service's stack does not exist, or the cloud does not answer.
    pub fn addresses(&self, context: &Context) -> anyhow::Result<(String, String)> {
        if context.is_local() {
            let port = context.platform.local.cloud_port.get_ref();
            // Below the name, the local cloud answers `/health` itself, so programs do not use it.
            // People need it, because the page expects to be at the root.
            return Ok((
                format!("http://{}.alb.localhost:{port}/", self.load_balancer),
                format!(
                    "{}/_alb/{}",
                    ministack::endpoint(context),
                    self.load_balancer
                ),
            ));
        }
        let url = stacks::output(context, Concern::Service, "Url")?;
        Ok((url.clone(), url))
    }

    /// Gives the service another task definition, without CloudFormation.
    ///
    /// # Errors
    /// The lock is not ours any more, or the cloud refuses.
    pub fn redefine(
        &self,
        context: &Context,
        lock: &EnvironmentLock<'_>,
        definition: &str,
    ) -> anyhow::Result<()> {
        lock.still_ours()?;
        let request = RedefineService {
            cluster: self.cluster.clone(),
            service: self.name.clone(),
            definition: definition.to_owned(),
        };
        aws::call(context, request).read()?;
        Ok(())
    }

    /// Its task definition; `None` if the service does not exist.
    ///
    /// # Errors
    /// The cloud does not answer.
    pub fn definition(&self, context: &Context) -> anyhow::Result<Option<String>> {
        Ok(self.state(context)?.map(|state| state.task_definition))
    }

    /// Follows the next deployment whose task definition is not `before`.
    ///
    /// # Errors
    /// `xtask-aws` cannot be started.
    pub(super) fn follow(
        &self,
        context: &Context,
        before: Option<&str>,
    ) -> anyhow::Result<aws::Started<FollowService>> {
        let request = FollowService {
            cluster: self.cluster.clone(),
            service: self.name.clone(),
            not_definition: before.map(str::to_owned),
            timeout_secs: STABLE_SECS,
            appear_secs: FOLLOW_TIMEOUT.as_secs(),
        };
        aws::call(context, request)
            .timeout(FOLLOW_TIMEOUT)
            .start("service")
    }
}
