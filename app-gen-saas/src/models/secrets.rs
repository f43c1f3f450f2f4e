//! Keys in secrets of AWS, one for each tenant and provider: `<prefix>/<tenant>/models/<provider>`. So a job is given
//! the one that it needs, and two people who set keys at once never write into the same secret.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, anyhow, ensure};
use app_gen_contract::{ModelKey, ModelProvider};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_secretsmanager::types::Tag;

use crate::aws::aws_sdk;

/// There is no such secret.
const MISSING: &str = "ResourceNotFoundException";
/// There is one already.
const THERE: &str = "ResourceExistsException";

/// A client of Secrets Manager.
pub(super) struct Secrets {
    client: Client,
    prefix: String,
    tags: BTreeMap<String, String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets({})", self.prefix)
    }
}

impl Secrets {
    pub(super) async fn new(prefix: &str, tags: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        Ok(Self {
            client: Client::new(&aws_sdk().await?),
            prefix: prefix.to_owned(),
            tags: tags.clone(),
        })
    }

    fn name(&self, tenant: &str, provider: ModelProvider) -> anyhow::Result<String> {
        let is_id = !tenant.is_empty()
            && tenant
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        ensure!(is_id, "{tenant:?} is no id of a tenant");
        Ok(format!(
            "{}/{tenant}/models/{}",
            self.prefix,
            provider.as_str()
        ))
    }

    /// Replaces the value, or makes the secret; gives its ARN.
    pub(super) async fn put(
        &self,
        tenant: &str,
        provider: ModelProvider,
        key: &ModelKey,
    ) -> anyhow::Result<String> {
        let name = self.name(tenant, provider)?;
        let text = serde_json::to_string(key).context("the key is no JSON")?;
        let arn = match self.replace(&name, &text).await? {
            Some(arn) => Some(arn),
            None => match self.create(&name, tenant, &text).await? {
                Some(arn) => Some(arn),
                // Somebody else has just made it.
                None => self.replace(&name, &text).await?,
            },
        };
        arn.with_context(|| format!("the secret {name} comes and goes"))
    }

    /// Replaces the value; `None` if there is no such secret.
    async fn replace(&self, name: &str, text: &str) -> anyhow::Result<Option<String>> {
        let put = self
            .client
            .put_secret_value()
            .secret_id(name)
            .secret_string(text)
            .send()
            .await;
        match put {
            Ok(put) => known(put.arn, name).map(Some),
            Err(error) if error.code() == Some(MISSING) => Ok(None),
            Err(error) => Err(described(error, "write", name)),
        }
    }

    /// Makes the secret; `None` if there is one.
    async fn create(&self, name: &str, tenant: &str, text: &str) -> anyhow::Result<Option<String>> {
        let tag = |(key, value): (&str, &str)| Tag::builder().key(key).value(value).build();
        let common = self.tags.iter();
        let tags = common
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .chain([("tenant", tenant)])
            .map(tag)
            .collect();
        let created = self
            .client
            .create_secret()
            .name(name)
            .description("A key of a model provider that a tenant brought")
            .secret_string(text)
            .set_tags(Some(tags))
            .send()
            .await;
        match created {
            Ok(created) => known(created.arn, name).map(Some),
            Err(error) if error.code() == Some(THERE) => Ok(None),
            Err(error) => Err(described(error, "create", name)),
        }
    }

    pub(super) async fn get(
        &self,
        tenant: &str,
        provider: ModelProvider,
    ) -> anyhow::Result<Option<ModelKey>> {
        let name = self.name(tenant, provider)?;
        let got = self.client.get_secret_value().secret_id(&name).send().await;
        let text = match got {
            Ok(got) => got.secret_string,
            Err(error) if error.code() == Some(MISSING) => return Ok(None),
            Err(error) => return Err(described(error, "read", &name)),
        };
        // What the reader says could quote the key.
        let key = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Some(key.with_context(|| {
            format!("the secret {name} holds no key")
        })?))
    }

    /// Removes the secret at once: whoever removes a key wants it to be gone.
    pub(super) async fn delete(&self, tenant: &str, provider: ModelProvider) -> anyhow::Result<()> {
        let name = self.name(tenant, provider)?;
        let deleted = self
            .client
            .delete_secret()
            .secret_id(&name)
            .force_delete_without_recovery(true)
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(MISSING) => Ok(()),
            Err(error) => Err(described(error, "remove", &name)),
        }
    }
}

fn known(arn: Option<String>, name: &str) -> anyhow::Result<String> {
    arn.with_context(|| format!("the answer about the secret {name} has no ARN"))
}

/// The SDK's own text contains only the outermost error.
fn described(error: impl std::error::Error, verb: &str, name: &str) -> anyhow::Error {
    anyhow!(
        "failed to {verb} the secret {name}: {}",
        DisplayErrorContext(&error)
    )
}
