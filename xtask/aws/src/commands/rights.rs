//! Which of the rights that the commands need a principal has.

use crate::commands::Handle;
use crate::config::Cloud;
use crate::error::CloudError;
use crate::iam::{Decision, Iam};
use crate::rights;
use crate::rights::{InCluster, Needed, On};
use std::collections::BTreeMap;
use xtask_aws_api::calls::rights::{CheckRights, Right, Rights};
use xtask_aws_api::names::{BOOTSTRAP_QUALIFIER, BOOTSTRAP_STACK, stack_pattern};

impl Handle for CheckRights {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Rights> {
        let iam = Iam::new(cloud.sdk());
        let principal = match self.principal {
            Some(principal) => principal,
            None => iam.principal_of(&cloud.identity.arn).await?,
        };
        let wanted = rights::of(self.command.as_deref());
        let mut groups: BTreeMap<(String, InCluster), Vec<&Needed>> = BTreeMap::new();
        for needed in wanted {
            for resource in resources(needed.on, cloud, &principal) {
                groups
                    .entry((resource, needed.cluster))
                    .or_default()
                    .push(needed);
            }
        }
        let mut found = Vec::new();
        for ((resource, cluster), needed) in groups {
            let decisions = decide(&iam, &principal, &resource, cluster, &needed, cloud).await?;
            for needed in needed {
                let allowed = decisions.as_ref().is_none_or(|decisions| {
                    decisions
                        .iter()
                        .any(|decision| decision.action == needed.action && decision.allowed)
                });
                found.push(Right {
                    command: needed.command.to_owned(),
                    action: needed.action.to_owned(),
                    resource: resource.clone(),
                    allowed,
                });
            }
        }
        found.sort_by(|a, b| {
            (&a.command, &a.action, &a.resource).cmp(&(&b.command, &b.action, &b.resource))
        });
        Ok(Rights {
            principal,
            missing: found.iter().filter(|right| !right.allowed).count(),
            rights: found,
        })
    }
}

/// What IAM says to the actions on one resource; `None` where everything is allowed.
async fn decide(
    iam: &Iam,
    principal: &str,
    resource: &str,
    cluster: InCluster,
    needed: &[&Needed],
    cloud: &Cloud,
) -> Result<Option<Vec<Decision>>, CloudError> {
    // IAM does not simulate the root of the account, which no policy of the account limits.
    if is_root(principal) {
        return Ok(None);
    }
    let actions: Vec<&str> = needed.iter().map(|needed| needed.action).collect();
    // Good policies put these conditions on PassRole, and on what happens in a cluster.
    let mut context = vec![("iam:PassedToService", "ecs-tasks.amazonaws.com".to_owned())];
    let cluster = match cluster {
        InCluster::Any => None,
        InCluster::Validate => Some(cloud.validation().cluster),
        InCluster::Service => Some(cloud.deployed().cluster),
    };
    context.extend(cluster.map(|name| ("ecs:cluster", cluster_arn(cloud, &name))));
    iam.simulate(principal, &actions, resource, &context)
        .await
        .map(Some)
}

fn is_root(principal: &str) -> bool {
    principal.ends_with(":root")
}

fn cluster_arn(cloud: &Cloud, name: &str) -> String {
    format!(
        "arn:aws:ecs:{}:{}:cluster/{name}",
        cloud.region(),
        cloud.identity.account
    )
}

fn resources(on: On, cloud: &Cloud, principal: &str) -> Vec<String> {
    let names = cloud.validation();
    let deployed = cloud.deployed();
    let place = format!("{}:{}", cloud.region(), cloud.identity.account);
    let account = &cloud.identity.account;
    match on {
        On::Everything => vec!["*".to_owned()],
        On::Principal => vec![principal.to_owned()],
        On::ValidateBucket => vec![format!("arn:aws:s3:::{}", names.bucket)],
        On::ValidateBucketObjects => vec![format!("arn:aws:s3:::{}/*", names.bucket)],
        On::ValidateCluster => vec![cluster_arn(cloud, &names.cluster)],
        On::ValidateDefinition => [names.family, names.preview_family]
            .map(|family| format!("arn:aws:ecs:{place}:task-definition/{family}:*"))
            .to_vec(),
        On::ValidateTasks => vec![format!("arn:aws:ecs:{place}:task/{}/*", names.cluster)],
        On::ValidateLogGroup => vec![format!(
            "arn:aws:logs:{place}:log-group:{}:*",
            names.log_group
        )],
        On::ValidateRoles => [names.task_role, names.execution_role]
            .map(|role| format!("arn:aws:iam::{account}:role/{role}"))
            .to_vec(),
        On::Repositories => cloud
            .platform
            .images
            .values()
            .map(|image| format!("arn:aws:ecr:{place}:repository/{}", image.repository))
            .collect(),
        // Secrets Manager adds six characters to a name.
        On::Secrets => cloud
            .platform
            .secrets
            .values()
            .map(|secret| {
                format!(
                    "arn:aws:secretsmanager:{place}:secret:{}-??????",
                    secret.name
                )
            })
            .collect(),
        On::CdkRoles => ["deploy", "file-publishing", "image-publishing", "lookup"]
            .map(|role| {
                format!(
                    "arn:aws:iam::{account}:role/cdk-{BOOTSTRAP_QUALIFIER}-{role}-role-{account}-{}",
                    cloud.region()
                )
            })
            .to_vec(),
        On::CdkPolicies => vec![format!(
            "arn:aws:iam::{account}:policy/{}-*",
            cloud.platform.project
        )],
        On::Stacks => vec![format!(
            "arn:aws:cloudformation:{place}:stack/{}/*",
            stack_pattern(&cloud.environment)
        )],
        On::Service => deployed
            .services()
            .map(|(_, name)| format!("arn:aws:ecs:{place}:service/{}/{name}", deployed.cluster))
            .collect(),
        On::ServiceCluster => vec![cluster_arn(cloud, &deployed.cluster)],
        On::TaskDefinitions => deployed
            .task_kinds()
            .map(|task| format!("arn:aws:ecs:{place}:task-definition/{}:*", task.family))
            .collect(),
        On::ExecutionRoles => deployed
            .task_kinds()
            .map(|task| format!("arn:aws:iam::{account}:role/{}", task.execution_role))
            .collect(),
        On::LentRoles => deployed
            .task_kinds()
            .filter_map(|task| task.task_role.as_ref())
            .map(|role| format!("arn:aws:iam::{account}:role/{role}"))
            .collect(),
        On::Alarms => vec![format!(
            "arn:aws:cloudwatch:{place}:alarm:{}*",
            deployed.alarm_prefix
        )],
        On::ServiceTasks => vec![format!("arn:aws:ecs:{place}:task/{}/*", deployed.cluster)],
        On::ServiceLogGroups => deployed
            .consumers
            .iter()
            .map(|consumer| format!("arn:aws:logs:{place}:log-group:{}:*", consumer.log_group))
            .collect(),
        On::FailureLogGroup => vec![format!(
            "arn:aws:logs:{place}:log-group:{}:*",
            deployed.failure_log_group
        )],
        On::Buckets => deployed
            .stack_buckets()
            .map(|name| format!("arn:aws:s3:::{name}"))
            .to_vec(),
        On::BucketObjects => deployed
            .stack_buckets()
            .map(|name| format!("arn:aws:s3:::{name}/*"))
            .to_vec(),
        On::StateBucket => vec![format!("arn:aws:s3:::{}", deployed.state_bucket)],
        On::JobQueues => [&deployed.job_queue, &deployed.dead_letter_queue]
            .map(|name| format!("arn:aws:sqs:{place}:{name}"))
            .to_vec(),
        On::StateBucketObjects => vec![format!("arn:aws:s3:::{}/*", deployed.state_bucket)],
        On::CdkBootstrapStack => vec![format!(
            "arn:aws:cloudformation:{place}:stack/{BOOTSTRAP_STACK}/*"
        )],
    }
}
