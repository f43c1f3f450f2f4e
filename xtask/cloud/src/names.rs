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

/// Names of what is deployed to one environment, and of what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deployed {
    /// Names of all stacks begin and end like this.
    pub(crate) stack: (&'static str, String),
    pub(crate) cluster: String,
    pub(crate) service: String,
    /// Of the orchestrator and of the generator.
    pub(crate) log_groups: [String; 2],
    /// Buckets that the stacks own.
    pub(crate) buckets: [String; 2],
    /// Bucket of locks and release records.
    pub(crate) state_bucket: String,
}

impl Deployed {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        let platform = &cloud.platform;
        let suffix = suffix(platform, &cloud.environment);
        let (project, orchestrator) = (&platform.project, platform.orchestrator());
        // Bucket names are unique over all accounts.
        let bucket = |part: &str| format!("{project}-{part}-{}{suffix}", cloud.identity.account);
        Self {
            stack: ("AppGen", format!("-{}", cloud.environment)),
            cluster: format!("{project}-cluster{suffix}"),
            service: format!("{}{suffix}", orchestrator.family),
            log_groups: [&orchestrator.log_group, &platform.generator().log_group]
                .map(|group| format!("{group}{suffix}")),
            buckets: [bucket("generated-apps"), bucket("access-logs")],
            state_bucket: bucket("state"),
        }
    }
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
