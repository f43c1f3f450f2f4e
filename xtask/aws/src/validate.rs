//! What `validate` needs before anything is deployed: its names, and its rights as a task.
//!
//! All of it carries the prefix `validate`, so that `validate remove` can take
//! it away without touching what CDK made.

use crate::config::Cloud;
use crate::iam::Allow;

const PREFIX: &str = "validate";

/// Names of the resources of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) cluster: String,
    pub(crate) bucket: String,
    pub(crate) family: String,
    pub(crate) log_group: String,
    pub(crate) task_role: String,
    pub(crate) execution_role: String,
}

impl Names {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        let task = cloud.platform.generator();
        let project = &cloud.platform.project;
        Self {
            cluster: format!("{PREFIX}-{project}-cluster"),
            // Bucket names are unique over all accounts.
            bucket: format!(
                "{PREFIX}-{project}-{}-{}",
                cloud.identity.account,
                cloud.region()
            ),
            family: format!("{PREFIX}-{}", task.family),
            log_group: format!("/{PREFIX}{}", task.log_group),
            task_role: format!("{PREFIX}-{}", task.role),
            execution_role: format!("{PREFIX}-{}-execution-role", task.family),
        }
    }

    /// The generator reads its spec and writes its results; nothing else.
    pub(crate) fn task_rights(&self) -> Vec<Allow> {
        vec![Allow {
            actions: vec!["s3:GetObject", "s3:PutObject"],
            resources: vec![format!("arn:aws:s3:::{}/*", self.bucket)],
        }]
    }

    /// What ECS itself does for the task: pull its image, write its log, read its secrets.
    pub(crate) fn execution_rights(&self, cloud: &Cloud, secret_arn: Option<&str>) -> Vec<Allow> {
        let (region, account) = (cloud.region(), &cloud.identity.account);
        let image = cloud.platform.generator().image.get_ref();
        let repository = cloud
            .platform
            .images
            .get(image)
            .map_or("*", |image| image.repository.as_str());
        let mut rights = vec![
            Allow {
                actions: vec!["ecr:GetAuthorizationToken"],
                resources: vec!["*".to_owned()],
            },
            Allow {
                actions: vec![
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ],
                resources: vec![format!(
                    "arn:aws:ecr:{region}:{account}:repository/{repository}"
                )],
            },
            Allow {
                actions: vec!["logs:CreateLogStream", "logs:PutLogEvents"],
                resources: vec![format!(
                    "arn:aws:logs:{region}:{account}:log-group:{}:*",
                    self.log_group
                )],
            },
        ];
        if let Some(secret_arn) = secret_arn {
            rights.push(Allow {
                actions: vec!["secretsmanager:GetSecretValue"],
                resources: vec![secret_arn.to_owned()],
            });
        }
        rights
    }
}
