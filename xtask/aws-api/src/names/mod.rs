//! Physical names of everything that is deployed to an environment.
//!
//! The CDK app gives things these names (`app-gen-infra/cdk/lib/target.ts`), and the commands find
//! things by them. A test of the CDK app compares the two for every environment
//! (`app-gen-infra/cdk/test/names.test.ts`).

mod stacks;
mod validation;

pub use stacks::{Concern, stack, stack_pattern};
pub use validation::Validation;

use app_gen_infra::Platform;
use serde::Serialize;

/// The environment that runs on this machine.
pub const LOCAL: &str = "local";

/// The account that the local cloud takes itself for.
pub const LOCAL_ACCOUNT: &str = "000000000000";

/// The stack that `cdk bootstrap` makes for us.
pub const BOOTSTRAP_STACK: &str = "AppGenToolkit";

/// The qualifier of our bootstrap: other projects in the account keep a bootstrap of their own.
pub const BOOTSTRAP_QUALIFIER: &str = "appgen";

/// What the names of the log streams of all tasks begin with: `prefix/container/task id`.
pub const LOG_STREAM_PREFIX: &str = "ecs";

/// The AWS account of an environment, which no other environment has.
#[must_use]
pub fn account<'a>(platform: &'a Platform, environment: &str) -> &'a str {
    let found = platform.environments.get(environment);
    found
        .and_then(|environment| environment.account.as_ref())
        .map_or(LOCAL_ACCOUNT, |account| account.get_ref().as_str())
}

/// The host of the image registry (ECR) of an account.
#[must_use]
pub fn registry_host(account: &str, region: &str) -> String {
    format!("{account}.dkr.ecr.{region}.amazonaws.com")
}

/// Names of what belongs to one service or one kind of task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Consumer {
    /// Its name in `platform.toml`.
    pub name: String,
    /// The family of its task definitions.
    pub family: String,
    /// The container in its task definitions.
    pub container: String,
    /// The log group that its tasks write to.
    pub log_group: String,
    /// The role of the container itself, if it has rights.
    pub task_role: Option<String>,
    /// The role that ECS takes on for it, to pull its image, write its log and read its secrets.
    pub execution_role: String,
    /// The ECS service; a kind of task has none.
    pub service: Option<String>,
}

/// Names of what tasks that deliver do not share with the others of the generator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deliverer {
    /// The family of their task definitions.
    pub family: String,
    /// The role that ECS takes on for them.
    pub execution_role: String,
}

impl Deliverer {
    fn new(deliverer: &app_gen_infra::Deliverer) -> Self {
        Self {
            family: deliverer.family.clone(),
            execution_role: format!("{}-execution-role", deliverer.family),
        }
    }
}

/// Names of what is deployed to one environment, and of what is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployed {
    /// The ECS cluster of all tasks.
    pub cluster: String,
    /// Services first, then kinds of task.
    pub consumers: Vec<Consumer>,
    /// Tasks of the generator that deliver; none where the manifest has none.
    pub deliverer: Option<Deliverer>,
    /// The bucket of the applications that users had generated.
    pub artifact_bucket: String,
    /// The bucket of the load balancer's access log.
    pub access_log_bucket: String,
    /// The bucket of locks and release records; it belongs to no stack.
    pub state_bucket: String,
    /// The table, where the orchestrator keeps everything in DynamoDB.
    pub table: String,
    /// The queue that wakes who waits for jobs, there.
    pub job_queue: String,
    /// The queue of its messages that nobody took care of.
    pub dead_letter_queue: String,
    /// What the names of all alarms begin with.
    pub alarm_prefix: String,
    /// The log group where EventBridge records which tasks failed.
    pub failure_log_group: String,
}

impl Deployed {
    /// The names in an environment of the manifest.
    #[must_use]
    pub fn new(platform: &Platform, environment: &str) -> Self {
        let account = account(platform, environment);
        let project = &platform.project;
        // Bucket names are unique over all accounts.
        let bucket = |part: &str| format!("{project}-{part}-{account}");
        Self {
            cluster: format!("{project}-cluster"),
            consumers: consumers(platform),
            deliverer: platform.generator().deliverer.as_ref().map(Deliverer::new),
            artifact_bucket: bucket("generated-apps"),
            access_log_bucket: bucket("access-logs"),
            state_bucket: bucket("state"),
            table: project.clone(),
            job_queue: format!("{project}-jobs"),
            dead_letter_queue: format!("{project}-jobs-dead-letters"),
            alarm_prefix: format!("{project}-"),
            failure_log_group: format!("/aws/events/{project}-task-failures"),
        }
    }

    /// Each service of the manifest, with the name that it has in ECS.
    pub fn services(&self) -> impl Iterator<Item = (&Consumer, &str)> {
        self.consumers
            .iter()
            .filter_map(|consumer| Some((consumer, consumer.service.as_deref()?)))
    }

    /// The kinds of task of the manifest.
    pub fn task_kinds(&self) -> impl Iterator<Item = &Consumer> {
        let is_task = |consumer: &&Consumer| consumer.service.is_none();
        self.consumers.iter().filter(is_task)
    }

    /// The buckets that stacks own.
    #[must_use]
    pub fn stack_buckets(&self) -> [&str; 2] {
        [&self.artifact_bucket, &self.access_log_bucket]
    }
}

fn consumers(platform: &Platform) -> Vec<Consumer> {
    let services = platform.services.iter().map(|(name, service)| Consumer {
        name: name.clone(),
        family: service.family.clone(),
        container: service.container.clone(),
        log_group: service.log_group.clone(),
        task_role: Some(service.role.clone()),
        execution_role: format!("{}-execution-role", service.family),
        service: Some(service.family.clone()),
    });
    let tasks = platform.tasks.iter().map(|(name, task)| Consumer {
        name: name.clone(),
        family: task.family.clone(),
        container: task.container.clone(),
        log_group: task.log_group.clone(),
        task_role: task.role.as_ref().map(|role| role.get_ref().clone()),
        execution_role: format!("{}-execution-role", task.family),
        service: None,
    });
    services.chain(tasks).collect()
}
