//! Names of what is deployed, by the rule of the CDK app's `lib/target.ts`.

use crate::config::Cloud;
use app_gen_infra::Platform;

/// What is added to names where environments share an account, and nothing elsewhere.
/// The local cloud is an account of its own.
pub(crate) fn suffix(platform: &Platform, environment: &str) -> String {
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

/// Bucket of locks and release records; bucket names are unique over all accounts.
pub(crate) fn state_bucket(cloud: &Cloud) -> String {
    format!(
        "{}-state-{}{}",
        cloud.platform.project,
        cloud.identity.account,
        suffix(&cloud.platform, &cloud.environment)
    )
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
