//! The rights of the tasks of a validation.

use crate::config::Cloud;
use crate::iam::Allow;
use xtask_aws_api::names::Validation;

/// The generator reads its spec and writes its results, and does nothing else.
pub(crate) fn task_rights(names: &Validation) -> Vec<Allow> {
    vec![Allow {
        actions: vec!["s3:GetObject", "s3:PutObject"],
        resources: vec![format!("arn:aws:s3:::{}/*", names.bucket)],
    }]
}

/// ECS itself pulls the image of the task, writes its log and reads its secrets.
pub(crate) fn execution_rights(
    names: &Validation,
    cloud: &Cloud,
    secret_arn: Option<&str>,
) -> Vec<Allow> {
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
                names.log_group
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
