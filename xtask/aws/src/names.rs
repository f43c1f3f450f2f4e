//! Names of what is deployed, by the rule of the CDK app's `lib/target.ts`.

use crate::config::Cloud;
use app_gen_infra::Platform;

/// What is added to names where environments share an account, and nothing elsewhere.
/// The local cloud is an account of its own.
fn suffix(platform: &Platform, environment: &str) -> String {
    let account_of = |name: &str| {
        let account = platform.environments.get(name)?.account.as_ref()?;
        Some(account.get_ref().clone())
    };
    let account = account_of(environment);
    let shared = account.is_some()
        && platform
            .environments
            .keys()
            .any(|other| other != environment && account_of(other) == account);
    if shared {
        format!("-{environment}")
    } else {
        String::new()
    }
}

/// A service or a kind of task, as platform.toml has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consumer {
    /// Its name in platform.toml.
    pub(crate) name: String,
    /// Of its task definitions.
    pub(crate) family: String,
    pub(crate) container: String,
    pub(crate) log_group: String,
    /// What the container may do, and what ECS does for it.
    pub(crate) roles: [String; 2],
    /// The ECS service; a kind of task has none.
    pub(crate) service: Option<String>,
}

/// Names of what is deployed to one environment, and of what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deployed {
    /// Names of all stacks begin and end like this.
    pub(crate) stack: (&'static str, String),
    pub(crate) cluster: String,
    /// Services first.
    pub(crate) consumers: Vec<Consumer>,
    /// Buckets that the stacks own.
    pub(crate) buckets: [String; 2],
    /// Bucket of locks and release records.
    pub(crate) state_bucket: String,
    /// Names of all alarms begin like this.
    pub(crate) alarm_prefix: String,
    /// Log group where EventBridge writes which tasks failed.
    pub(crate) failure_log_group: String,
}

impl Deployed {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        let platform = &cloud.platform;
        let suffix = suffix(platform, &cloud.environment);
        let project = &platform.project;
        // Bucket names are unique over all accounts.
        let bucket = |part: &str| format!("{project}-{part}-{}{suffix}", cloud.identity.account);
        Self {
            stack: ("AppGen", format!("-{}", cloud.environment)),
            cluster: format!("{project}-cluster{suffix}"),
            consumers: consumers(platform, &suffix),
            buckets: [bucket("generated-apps"), bucket("access-logs")],
            state_bucket: bucket("state"),
            alarm_prefix: format!("{project}{suffix}-"),
            failure_log_group: format!("/aws/events/{project}-task-failures{suffix}"),
        }
    }

    /// Each service of platform.toml, with the name that it has in ECS.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&Consumer, &str)> {
        self.consumers
            .iter()
            .filter_map(|consumer| Some((consumer, consumer.service.as_deref()?)))
    }
}

fn consumers(platform: &Platform, suffix: &str) -> Vec<Consumer> {
    let roles = |role: &str, family: &str| {
        [
            format!("{role}{suffix}"),
            format!("{family}-execution-role{suffix}"),
        ]
    };
    let services = platform.services.iter().map(|(name, service)| Consumer {
        name: name.clone(),
        family: format!("{}{suffix}", service.family),
        container: service.container.clone(),
        log_group: format!("{}{suffix}", service.log_group),
        roles: roles(&service.role, &service.family),
        service: Some(format!("{}{suffix}", service.family)),
    });
    let tasks = platform.tasks.iter().map(|(name, task)| Consumer {
        name: name.clone(),
        family: format!("{}{suffix}", task.family),
        container: task.container.clone(),
        log_group: format!("{}{suffix}", task.log_group),
        roles: roles(&task.role, &task.family),
        service: None,
    });
    services.chain(tasks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn only_environments_that_share_an_account_are_told_apart() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .expect("the checkout");
        let text = std::fs::read_to_string(root.join(app_gen_infra::MANIFEST_PATH))
            .expect("platform.toml");
        let own = Platform::parse(&text, root).expect("a manifest");
        let shared = text.replace("\"000000000002\"", "\"000000000001\"");
        let shared = Platform::parse(&shared, root).expect("a manifest");
        for name in ["local", "dev", "staging", "prod"] {
            assert_eq!(suffix(&own, name), "", "{name}");
        }
        let suffixes = ["local", "dev", "staging", "prod"].map(|name| suffix(&shared, name));
        assert_eq!(suffixes, ["", "-dev", "-staging", ""]);
    }
}
