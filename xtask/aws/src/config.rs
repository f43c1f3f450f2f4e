//! Which cloud a request is for, whose credentials it uses, and how long a call may take.
//!
//! The configuration for the local cloud is made here from nothing, so that no profile or variable
//! of the user can lead a local command to AWS. AWS environments use the SDK's default chain, and
//! nothing is asked of them before the account is known to be the one that `platform.toml` names.

use crate::error::{CloudError, Kind};
use crate::sts;
use app_gen_infra::{Environment, MANIFEST_PATH, Platform};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_aws_api::calls::Envelope;
use xtask_aws_api::calls::identity::Identity;
use xtask_aws_api::names::{Deployed, LOCAL, Validation};

/// Holds the address of the local cloud where the envelope does not.
pub(crate) const ENDPOINT_VARIABLE: &str = "APP_GEN_CLOUD_ENDPOINT";

/// Holds the secret of the operator's access key for the local cloud.
pub(crate) const KEY_VARIABLE: &str = "APP_GEN_CLOUD_KEY";
/// The id of that access key.
const OPERATOR: &str = "operator";
/// What a task definition shows in place of credentials. The gate of the local cloud gives each
/// container its own when that is made.
const LOCAL_KEY: &str = "local";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// One environment that answers, and whose account is the right one.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) environment: String,
    pub(crate) platform: Platform,
    pub(crate) identity: Identity,
    /// The address of the local cloud; absent for AWS.
    pub(crate) endpoint: Option<String>,
    sdk: SdkConfig,
}

impl Cloud {
    /// Reads the manifest, builds the configuration and checks the account.
    ///
    /// # Errors
    /// The manifest is invalid or lacks the environment, the cloud does not
    /// answer, or the account is another than the manifest's.
    pub(crate) async fn open(envelope: &Envelope) -> Result<Self, CloudError> {
        let platform = load_platform(envelope.manifest.as_deref())?;
        let environment = find_environment(&platform, &envelope.environment)?;
        let expected = environment
            .account
            .as_ref()
            .map(|account| account.get_ref().clone());
        let endpoint = endpoint(envelope, &platform)?;
        let region = Region::new(platform.region.clone());
        let sdk = match &endpoint {
            Some(endpoint) => local_config(endpoint, region),
            None => aws_config(region).await,
        };
        let identity = sts::Sts::new(&sdk).identity().await?;
        check_account(&envelope.environment, expected.as_deref(), &identity)?;
        Ok(Self {
            environment: envelope.environment.clone(),
            platform,
            identity,
            endpoint,
            sdk,
        })
    }

    pub(crate) fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    pub(crate) fn is_local(&self) -> bool {
        self.endpoint.is_some()
    }

    pub(crate) fn region(&self) -> &str {
        &self.platform.region
    }

    /// Names of what is deployed to the environment.
    pub(crate) fn deployed(&self) -> Deployed {
        Deployed::new(&self.platform, &self.environment)
    }

    /// Names of the parts of a validation.
    pub(crate) fn validation(&self) -> Validation {
        Validation::new(&self.platform, &self.environment)
    }

    /// What a task needs in its environment beyond what its definition says.
    ///
    /// The local cloud offers credentials to tasks at an address that the Rust SDK refuses (plain
    /// HTTP, and neither loopback nor link-local), and does not name a region, so tasks are given
    /// both. On AWS the task role provides them.
    pub(crate) fn task_environment(&self) -> Vec<(String, String)> {
        if !self.is_local() {
            return Vec::new();
        }
        [
            ("AWS_ACCESS_KEY_ID", LOCAL_KEY),
            ("AWS_REGION", self.region()),
            ("AWS_SECRET_ACCESS_KEY", LOCAL_KEY),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Tags of everything that this tool creates.
    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        [
            ("project", self.platform.project.as_str()),
            ("environment", &self.environment),
            ("managed-by", "xtask"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

fn load_platform(manifest: Option<&Path>) -> Result<Platform, CloudError> {
    let root = match manifest {
        Some(manifest) => root_of(manifest)?,
        None => find_root()?,
    };
    Platform::load(&root).map_err(|error| CloudError::new(Kind::Manifest, error.to_string()))
}

/// The checkout that the manifest belongs to. Paths in the manifest are relative to it.
fn root_of(manifest: &Path) -> Result<PathBuf, CloudError> {
    let named = |why: String| {
        CloudError::new(
            Kind::Usage,
            format!("manifest {}: {why}", manifest.display()),
        )
    };
    let path = std::path::absolute(manifest).map_err(|error| named(error.to_string()))?;
    if !path.ends_with(MANIFEST_PATH) {
        return Err(named(format!("its path does not end with {MANIFEST_PATH}")));
    }
    let depth = Path::new(MANIFEST_PATH).components().count();
    path.ancestors()
        .nth(depth)
        .map(Path::to_path_buf)
        .ok_or_else(|| named("it is not in a checkout".to_owned()))
}

fn find_root() -> Result<PathBuf, CloudError> {
    let here = std::env::current_dir().map_err(|error| {
        CloudError::new(
            Kind::Usage,
            format!("the current folder cannot be read: {error}"),
        )
    })?;
    here.ancestors()
        .find(|folder| folder.join(MANIFEST_PATH).is_file())
        .map(PathBuf::from)
        .ok_or_else(|| {
            CloudError::new(
                Kind::Usage,
                format!(
                    "there is no {MANIFEST_PATH} in {} or above it",
                    here.display()
                ),
            )
            .hint("run xtask-aws inside the checkout, or name the file as `manifest`")
        })
}

fn find_environment<'a>(platform: &'a Platform, name: &str) -> Result<&'a Environment, CloudError> {
    platform.environments.get(name).ok_or_else(|| {
        let known: Vec<&str> = platform.environments.keys().map(String::as_str).collect();
        CloudError::new(
            Kind::Usage,
            format!("environment `{name}` is not in {}", MANIFEST_PATH),
        )
        .hint(format!("choose one of: {}", known.join(", ")))
    })
}

fn endpoint(envelope: &Envelope, platform: &Platform) -> Result<Option<String>, CloudError> {
    if envelope.environment != LOCAL {
        return match &envelope.endpoint {
            Some(_) => Err(CloudError::new(
                Kind::Usage,
                format!(
                    "an `endpoint` is for the local cloud, and environment `{}` is on AWS",
                    envelope.environment
                ),
            )),
            None => Ok(None),
        };
    }
    let endpoint = envelope
        .endpoint
        .clone()
        .or_else(|| {
            std::env::var(ENDPOINT_VARIABLE)
                .ok()
                .filter(|value| !value.is_empty())
        })
        .unwrap_or_else(|| format!("http://127.0.0.1:{}", platform.local.cloud_port.get_ref()));
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(CloudError::new(
            Kind::Usage,
            format!("endpoint `{endpoint}` is not an HTTP address"),
        ));
    }
    Ok(Some(endpoint.trim_end_matches('/').to_owned()))
}

/// The SDK's default client with ring in place of aws-lc. It trusts the certificates of the system.
fn http_client(proxies: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxies.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build()
    })
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ATTEMPT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// The operator's credentials and one address. Nothing of the user's settings for AWS is read.
pub(crate) fn local_config(endpoint: &str, region: Region) -> SdkConfig {
    let secret = std::env::var(KEY_VARIABLE).unwrap_or_default();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client(ProxyConfig::disabled()))
        .region(region)
        .endpoint_url(endpoint)
        .credentials_provider(aws_sdk_sts::config::SharedCredentialsProvider::new(
            Credentials::new(OPERATOR, secret, None, None, "local cloud"),
        ))
        .timeout_config(timeouts())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(2)
                .with_initial_backoff(Duration::from_millis(100)),
        )
        .build()
}

async fn aws_config(region: Region) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(ProxyConfig::from_env()))
        .region(region)
        .timeout_config(timeouts())
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    if let Ok(name) = AppName::new("xtask-aws") {
        loader = loader.app_name(name);
    }
    loader.load().await
}

fn check_account(
    environment: &str,
    expected: Option<&str>,
    identity: &Identity,
) -> Result<(), CloudError> {
    match expected {
        None if environment == LOCAL => Ok(()),
        Some(expected) if expected == identity.account => Ok(()),
        None => Err(CloudError::new(
            Kind::Manifest,
            format!("{MANIFEST_PATH}: environment `{environment}` does not name an account"),
        )),
        Some(expected) => Err(CloudError::new(
            Kind::Prerequisite,
            format!(
                "the credentials are those of account {} ({}), but environment `{environment}` is in account {expected}",
                identity.account, identity.arn
            ),
        )
        .hint(format!(
            "set AWS_PROFILE to a profile of account {expected}, or correct environments.{environment}.account in {MANIFEST_PATH}"
        ))),
    }
}

#[cfg(test)]
impl Cloud {
    /// The local environment of the checkout's manifest, reached through `sdk`.
    pub(crate) fn canned(sdk: SdkConfig) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .expect("the checkout");
        Self {
            environment: LOCAL.to_owned(),
            platform: Platform::load(root).expect("a manifest"),
            identity: Identity {
                account: "000000000000".to_owned(),
                arn: "arn:aws:iam::000000000000:root".to_owned(),
            },
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            sdk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(account: &str) -> Identity {
        Identity {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/somebody"),
        }
    }

    #[test]
    fn another_account_is_refused_with_a_hint() {
        let error = check_account("dev", Some("111111111111"), &identity("222222222222"))
            .expect_err("another account");
        assert_eq!(error.kind, Kind::Prerequisite);
        assert!(
            error.message.contains("222222222222") && error.message.contains("111111111111"),
            "{}",
            error.message
        );
        let hint = error.hint.expect("a hint");
        assert!(
            hint.contains("AWS_PROFILE") && hint.contains("environments.dev.account"),
            "{hint}"
        );
    }

    #[test]
    fn the_manifests_account_and_the_local_cloud_are_accepted() {
        assert_eq!(
            check_account("dev", Some("111111111111"), &identity("111111111111")),
            Ok(())
        );
        assert_eq!(
            check_account(LOCAL, None, &identity("000000000000")),
            Ok(())
        );
        assert!(check_account("dev", None, &identity("111111111111")).is_err());
    }
}
