//! The AWS rights that each command needs: data, read by `rights` and by whoever writes a policy.

/// What an action is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
    /// The action takes no resource.
    Everything,
    ValidateBucket,
    ValidateBucketObjects,
    ValidateCluster,
    ValidateDefinition,
    ValidateTasks,
    ValidateLogGroup,
    ValidateRoles,
    Repositories,
    Secrets,
    CdkRoles,
    CdkBootstrapStack,
    /// The principal that is asked about.
    Principal,
}

/// One right: the command that needs it, the action, and what it acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) command: &'static str,
    pub(crate) action: &'static str,
    pub(crate) on: On,
    /// Whether policies may limit the action to a cluster by `ecs:cluster`.
    pub(crate) by_cluster: bool,
}

const fn right(command: &'static str, action: &'static str, on: On) -> Right {
    Right {
        command,
        action,
        on,
        by_cluster: false,
    }
}

const fn in_cluster(command: &'static str, action: &'static str, on: On) -> Right {
    Right {
        command,
        action,
        on,
        by_cluster: true,
    }
}

/// Every right, by command.
pub(crate) const RIGHTS: &[Right] = &[
    right("build", "ecr:GetAuthorizationToken", On::Everything),
    right("build", "ecr:DescribeRepositories", On::Repositories),
    right("build", "ecr:BatchCheckLayerAvailability", On::Repositories),
    right("build", "ecr:BatchGetImage", On::Repositories),
    right("build", "ecr:GetDownloadUrlForLayer", On::Repositories),
    right("build", "ecr:InitiateLayerUpload", On::Repositories),
    right("build", "ecr:UploadLayerPart", On::Repositories),
    right("build", "ecr:CompleteLayerUpload", On::Repositories),
    right("build", "ecr:PutImage", On::Repositories),
    right("validate", "ecs:CreateCluster", On::Everything),
    right("validate", "ecs:TagResource", On::ValidateCluster),
    right("validate", "ecs:DescribeClusters", On::ValidateCluster),
    right(
        "validate",
        "ecs:RegisterTaskDefinition",
        On::ValidateDefinition,
    ),
    right("validate", "ecs:DescribeTaskDefinition", On::Everything),
    in_cluster("validate", "ecs:RunTask", On::ValidateDefinition),
    in_cluster("validate", "ecs:DescribeTasks", On::ValidateTasks),
    in_cluster("validate", "ecs:StopTask", On::ValidateTasks),
    in_cluster("validate", "ecs:ListTasks", On::Everything),
    right("validate", "logs:CreateLogGroup", On::ValidateLogGroup),
    right("validate", "logs:TagResource", On::ValidateLogGroup),
    right("validate", "logs:PutRetentionPolicy", On::ValidateLogGroup),
    right("validate", "logs:GetLogEvents", On::ValidateLogGroup),
    right("validate", "s3:CreateBucket", On::ValidateBucket),
    right("validate", "s3:PutBucketTagging", On::ValidateBucket),
    right("validate", "s3:ListBucket", On::ValidateBucket),
    right("validate", "s3:GetObject", On::ValidateBucketObjects),
    right("validate", "s3:PutObject", On::ValidateBucketObjects),
    right("validate", "iam:CreateRole", On::ValidateRoles),
    right("validate", "iam:TagRole", On::ValidateRoles),
    right("validate", "iam:GetRole", On::ValidateRoles),
    right("validate", "iam:PutRolePolicy", On::ValidateRoles),
    right("validate", "iam:PassRole", On::ValidateRoles),
    right("cleanup", "ecs:DeleteCluster", On::ValidateCluster),
    right("cleanup", "ecs:ListTaskDefinitions", On::Everything),
    right("cleanup", "ecs:DeregisterTaskDefinition", On::Everything),
    right("cleanup", "logs:DeleteLogGroup", On::ValidateLogGroup),
    right("cleanup", "s3:DeleteObject", On::ValidateBucketObjects),
    right("cleanup", "s3:DeleteBucket", On::ValidateBucket),
    right("cleanup", "iam:DeleteRolePolicy", On::ValidateRoles),
    right("cleanup", "iam:DeleteRole", On::ValidateRoles),
    right("secrets", "secretsmanager:DescribeSecret", On::Secrets),
    right("secrets", "secretsmanager:GetSecretValue", On::Secrets),
    right("secrets", "secretsmanager:CreateSecret", On::Secrets),
    right("secrets", "secretsmanager:TagResource", On::Secrets),
    right("secrets", "secretsmanager:PutSecretValue", On::Secrets),
    right("secrets", "secretsmanager:RestoreSecret", On::Secrets),
    right("secrets", "secretsmanager:DeleteSecret", On::Secrets),
    right("preflight", "iam:SimulatePrincipalPolicy", On::Principal),
    right(
        "preflight",
        "cloudformation:DescribeStacks",
        On::CdkBootstrapStack,
    ),
    right("deploy", "sts:AssumeRole", On::CdkRoles),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_right_stands_twice() {
        let distinct: BTreeSet<_> = RIGHTS
            .iter()
            .map(|right| (right.action, right.on))
            .collect();
        assert_eq!(distinct.len(), RIGHTS.len());
    }
}
