//! `rights`: asks IAM which of the rights that the commands need the principal has.

use super::bootstrap::{DEFAULT_QUALIFIER, DEFAULT_STACK};
use crate::config::Cloud;
use crate::iam::Iam;
use crate::names::{Consumer, Deployed};
use crate::report::Outcome;
use crate::rights::{InCluster, On, RIGHTS, Right};
use crate::validate::Names;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Which of the needed rights the principal has
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// User or role to ask about [default: the caller]
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// Only the rights of this command, for instance `validate`
    #[arg(long = "for", value_name = "COMMAND")]
    command: Option<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    command: &'static str,
    action: &'static str,
    resource: String,
    allowed: bool,
}

/// # Errors
/// IAM cannot be asked. A missing right is an answer, not an error.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let iam = Iam::new(cloud.sdk());
    let principal = match args.principal {
        Some(principal) => principal,
        None => iam.principal_of(&cloud.identity.arn).await?,
    };
    let wanted = RIGHTS.iter().filter(|right| {
        args.command
            .as_deref()
            .is_none_or(|command| command == right.command)
    });
    let mut groups: BTreeMap<(String, InCluster), Vec<&Right>> = BTreeMap::new();
    for right in wanted {
        for resource in resources(right.on, cloud, &principal) {
            groups
                .entry((resource, right.cluster))
                .or_default()
                .push(right);
        }
    }
    let mut rows = Vec::new();
    for ((resource, cluster), rights) in groups {
        // IAM does not simulate the account's root, whom no policy of the account limits.
        let decisions = if is_root(&principal) {
            None
        } else {
            let actions: Vec<&str> = rights.iter().map(|right| right.action).collect();
            // Conditions that good policies put on PassRole and on what happens in a cluster.
            let mut context = vec![("iam:PassedToService", "ecs-tasks.amazonaws.com".to_owned())];
            let cluster = match cluster {
                InCluster::Any => None,
                InCluster::Validate => Some(Names::new(cloud).cluster),
                InCluster::Service => Some(Deployed::new(cloud).cluster),
            };
            context.extend(cluster.map(|name| ("ecs:cluster", cluster_arn(cloud, &name))));
            Some(
                iam.simulate(&principal, &actions, &resource, &context)
                    .await?,
            )
        };
        for right in rights {
            let allowed = decisions.as_ref().is_none_or(|decisions| {
                decisions
                    .iter()
                    .any(|decision| decision.action == right.action && decision.allowed)
            });
            rows.push(Row {
                command: right.command,
                action: right.action,
                resource: resource.clone(),
                allowed,
            });
        }
    }
    rows.sort_by(|a, b| {
        (a.command, a.action, &a.resource).cmp(&(b.command, b.action, &b.resource))
    });
    let missing = rows.iter().filter(|row| !row.allowed).count();
    Outcome::success(json!({ "principal": principal, "missing": missing, "rights": rows }))
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

/// The kinds of task of platform.toml.
fn tasks(deployed: &Deployed) -> impl Iterator<Item = &Consumer> {
    let is_task = |consumer: &&Consumer| consumer.service.is_none();
    deployed.consumers.iter().filter(is_task)
}

fn resources(on: On, cloud: &Cloud, principal: &str) -> Vec<String> {
    let names = Names::new(cloud);
    let deployed = Deployed::new(cloud);
    let place = format!("{}:{}", cloud.region(), cloud.identity.account);
    let account = &cloud.identity.account;
    match on {
        On::Everything => vec!["*".to_owned()],
        On::Principal => vec![principal.to_owned()],
        On::ValidateBucket => vec![format!("arn:aws:s3:::{}", names.bucket)],
        On::ValidateBucketObjects => vec![format!("arn:aws:s3:::{}/*", names.bucket)],
        On::ValidateCluster => vec![cluster_arn(cloud, &names.cluster)],
        On::ValidateDefinition => vec![format!(
            "arn:aws:ecs:{place}:task-definition/{}:*",
            names.family
        )],
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
        // Secrets Manager adds six characters of its own to a name.
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
                    "arn:aws:iam::{account}:role/cdk-{DEFAULT_QUALIFIER}-{role}-role-{account}-{}",
                    cloud.region()
                )
            })
            .to_vec(),
        On::CdkPolicies => vec![format!(
            "arn:aws:iam::{account}:policy/{}-*",
            cloud.platform.project
        )],
        On::Stacks => {
            let (begin, end) = &deployed.stack;
            vec![format!(
                "arn:aws:cloudformation:{place}:stack/{begin}*{end}/*"
            )]
        }
        On::Service => deployed
            .services()
            .map(|(_, name)| format!("arn:aws:ecs:{place}:service/{}/{name}", deployed.cluster))
            .collect(),
        On::ServiceCluster => vec![cluster_arn(cloud, &deployed.cluster)],
        On::TaskDefinitions => tasks(&deployed)
            .map(|task| format!("arn:aws:ecs:{place}:task-definition/{}:*", task.family))
            .collect(),
        On::TaskRoles => tasks(&deployed)
            .flat_map(|task| &task.roles)
            .map(|role| format!("arn:aws:iam::{account}:role/{role}"))
            .collect(),
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
            .buckets
            .map(|name| format!("arn:aws:s3:::{name}"))
            .to_vec(),
        On::BucketObjects => deployed
            .buckets
            .map(|name| format!("arn:aws:s3:::{name}/*"))
            .to_vec(),
        On::StateBucket => vec![format!("arn:aws:s3:::{}", deployed.state_bucket)],
        On::StateBucketObjects => vec![format!("arn:aws:s3:::{}/*", deployed.state_bucket)],
        On::CdkBootstrapStack => vec![format!(
            "arn:aws:cloudformation:{place}:stack/{DEFAULT_STACK}/*"
        )],
    }
}
