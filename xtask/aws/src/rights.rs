//! The AWS rights that each command needs. The call `check-rights` reads this table, and so does
//! whoever writes a policy.

/// What an action acts on.
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
    /// The managed policies of the role that CloudFormation takes on.
    CdkPolicies,
    Stacks,
    Service,
    ServiceCluster,
    ServiceTasks,
    ServiceLogGroups,
    FailureLogGroup,
    Alarms,
    /// The task definitions of the kinds of task.
    TaskDefinitions,
    /// The roles that ECS takes on to start the kinds of task.
    ExecutionRoles,
    /// The roles that tasks of these kinds borrow.
    LentRoles,
    /// The buckets that stacks own.
    Buckets,
    BucketObjects,
    StateBucket,
    StateBucketObjects,
    /// The queue that wakes who waits for jobs, and that of its dead letters.
    JobQueues,
    /// The principal that is asked about.
    Principal,
}

/// The cluster to which policies may limit an action, by the condition `ecs:cluster`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InCluster {
    Any,
    Validate,
    Service,
}

/// One right: the command that needs it, the action, and what it acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needed {
    pub(crate) command: &'static str,
    pub(crate) action: &'static str,
    pub(crate) on: On,
    pub(crate) cluster: InCluster,
}

const fn right(command: &'static str, action: &'static str, on: On) -> Needed {
    Needed {
        command,
        action,
        on,
        cluster: InCluster::Any,
    }
}

const fn in_cluster(
    cluster: InCluster,
    command: &'static str,
    action: &'static str,
    on: On,
) -> Needed {
    Needed {
        command,
        action,
        on,
        cluster,
    }
}

/// Commands that use AWS's calls in the local cloud only.
const ON_THIS_MACHINE: [&str; 2] = ["validate", "cleanup"];

/// The rights of a command; without one, those of all commands that work on AWS.
pub(crate) fn of(command: Option<&str>) -> impl Iterator<Item = &'static Needed> {
    RIGHTS.iter().filter(move |needed| match command {
        Some(command) => needed.command == command,
        None => !ON_THIS_MACHINE.contains(&needed.command),
    })
}

/// Every right, by command.
const RIGHTS: &[Needed] = &[
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
    in_cluster(
        InCluster::Validate,
        "validate",
        "ecs:RunTask",
        On::ValidateDefinition,
    ),
    in_cluster(
        InCluster::Validate,
        "validate",
        "ecs:DescribeTasks",
        On::ValidateTasks,
    ),
    in_cluster(
        InCluster::Validate,
        "validate",
        "ecs:StopTask",
        On::ValidateTasks,
    ),
    in_cluster(
        InCluster::Validate,
        "validate",
        "ecs:ListTasks",
        On::Everything,
    ),
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
    right("cleanup", "logs:DeleteLogGroup", On::ValidateLogGroup),
    right("cleanup", "s3:ListBucketVersions", On::ValidateBucket),
    right("cleanup", "s3:DeleteObject", On::ValidateBucketObjects),
    right(
        "cleanup",
        "s3:DeleteObjectVersion",
        On::ValidateBucketObjects,
    ),
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
    right("deploy", "iam:GetPolicy", On::CdkPolicies),
    right("deploy", "iam:GetPolicyVersion", On::CdkPolicies),
    right("deploy", "iam:CreatePolicy", On::CdkPolicies),
    right("deploy", "iam:TagPolicy", On::CdkPolicies),
    right("deploy", "iam:ListPolicyVersions", On::CdkPolicies),
    right("deploy", "iam:CreatePolicyVersion", On::CdkPolicies),
    right("deploy", "iam:DeletePolicyVersion", On::CdkPolicies),
    right("deploy", "cloudformation:DescribeStacks", On::Stacks),
    right("deploy", "cloudformation:DescribeStackEvents", On::Stacks),
    right("deploy", "cloudformation:CancelUpdateStack", On::Stacks),
    right(
        "deploy",
        "cloudformation:ContinueUpdateRollback",
        On::Stacks,
    ),
    right("deploy", "cloudformation:DeleteStack", On::Stacks),
    in_cluster(
        InCluster::Service,
        "deploy",
        "ecs:DescribeServices",
        On::Service,
    ),
    in_cluster(
        InCluster::Service,
        "deploy",
        "ecs:UpdateService",
        On::Service,
    ),
    in_cluster(
        InCluster::Service,
        "deploy",
        "ecs:ListTasks",
        On::Everything,
    ),
    in_cluster(
        InCluster::Service,
        "deploy",
        "ecs:DescribeTasks",
        On::ServiceTasks,
    ),
    right("deploy", "logs:GetLogEvents", On::ServiceLogGroups),
    right("deploy", "s3:CreateBucket", On::StateBucket),
    right("deploy", "s3:GetBucketVersioning", On::StateBucket),
    right("deploy", "s3:PutBucketTagging", On::StateBucket),
    right("deploy", "s3:PutBucketPublicAccessBlock", On::StateBucket),
    right("deploy", "s3:PutBucketPolicy", On::StateBucket),
    right("deploy", "s3:PutBucketVersioning", On::StateBucket),
    right("deploy", "s3:ListBucket", On::StateBucket),
    right("deploy", "s3:GetObject", On::StateBucketObjects),
    right("deploy", "s3:PutObject", On::StateBucketObjects),
    right("deploy", "s3:DeleteObject", On::StateBucketObjects),
    right("status", "cloudwatch:DescribeAlarms", On::Everything),
    right("scale", "cloudwatch:PutMetricAlarm", On::Alarms),
    right(
        "status",
        "elasticloadbalancing:DescribeTargetHealth",
        On::Everything,
    ),
    right("logs", "logs:FilterLogEvents", On::ServiceLogGroups),
    right("tasks", "logs:FilterLogEvents", On::FailureLogGroup),
    in_cluster(
        InCluster::Service,
        "run",
        "ecs:RunTask",
        On::TaskDefinitions,
    ),
    right("run", "iam:PassRole", On::ExecutionRoles),
    right("run", "sts:AssumeRole", On::LentRoles),
    in_cluster(InCluster::Service, "stop", "ecs:StopTask", On::ServiceTasks),
    in_cluster(
        InCluster::Service,
        "exec",
        "ecs:ExecuteCommand",
        On::ServiceTasks,
    ),
    in_cluster(
        InCluster::Service,
        "exec",
        "ecs:ExecuteCommand",
        On::ServiceCluster,
    ),
    right("prune", "ecs:ListTaskDefinitions", On::Everything),
    right("prune", "ecs:DescribeTaskDefinition", On::Everything),
    right("prune", "ecs:DeregisterTaskDefinition", On::Everything),
    right("prune", "ecs:DeleteTaskDefinitions", On::TaskDefinitions),
    right("prune", "ecr:DescribeImages", On::Repositories),
    right("prune", "ecr:BatchDeleteImage", On::Repositories),
    right("prune", "s3:ListBucketVersions", On::StateBucket),
    right("prune", "s3:DeleteObjectVersion", On::StateBucketObjects),
    right("redrive", "sqs:GetQueueUrl", On::JobQueues),
    right("redrive", "sqs:ReceiveMessage", On::JobQueues),
    right("redrive", "sqs:SendMessage", On::JobQueues),
    right("redrive", "sqs:DeleteMessage", On::JobQueues),
    right("diff", "cloudformation:DetectStackDrift", On::Stacks),
    right(
        "diff",
        "cloudformation:DetectStackResourceDrift",
        On::Stacks,
    ),
    right(
        "diff",
        "cloudformation:DescribeStackDriftDetectionStatus",
        On::Everything,
    ),
    right(
        "diff",
        "cloudformation:DescribeStackResourceDrifts",
        On::Stacks,
    ),
    right("destroy", "s3:ListBucketVersions", On::Buckets),
    right("destroy", "s3:DeleteObject", On::BucketObjects),
    right("destroy", "s3:DeleteObjectVersion", On::BucketObjects),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_account_is_asked_for_nothing_that_only_the_local_cloud_needs() {
        let of_validate = [
            On::ValidateBucket,
            On::ValidateBucketObjects,
            On::ValidateCluster,
            On::ValidateDefinition,
            On::ValidateTasks,
            On::ValidateLogGroup,
            On::ValidateRoles,
        ];
        let asked: Vec<&Needed> = of(None).collect();
        for needed in &asked {
            assert!(!of_validate.contains(&needed.on), "{needed:?}");
            assert_ne!(needed.cluster, InCluster::Validate, "{needed:?}");
        }
        assert!(asked.iter().any(|needed| needed.command == "deploy"));
        // What `prune` needs too is its own.
        assert!(of(Some("prune")).any(|needed| needed.action == "ecs:DeregisterTaskDefinition"));
        assert!(of(Some("validate")).count() > 0);
    }

    #[test]
    fn no_right_is_listed_twice() {
        let distinct: BTreeSet<_> = RIGHTS
            .iter()
            .map(|right| (right.action, right.on, right.cluster))
            .collect();
        assert_eq!(distinct.len(), RIGHTS.len());
    }
}
