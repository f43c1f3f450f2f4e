//! The JSON secrets that `platform.toml` names.
//!
//! Values come in on standard input and go out on a pipe. They never come as arguments, and never
//! get into a message.

use crate::commands::{Handle, unknown};
use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::secrets::{SecretMap, Secrets, Stored};
use app_gen_infra::Secret;
use std::io::IsTerminal;
use xtask_aws_api::calls::secrets::{
    ListSecrets, ListedKey, ListedSecret, ListedSecrets, ReadSecret, RemoveSecret, SecretRemoved,
    SecretSet, SecretState, SecretValues, SetSecret,
};

/// Secrets Manager accepts this much for a whole secret.
const VALUE_LIMIT_BYTES: usize = 65_536;

/// Values are judged here, so that nobody else has to see them.
impl Handle for ListSecrets {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<ListedSecrets> {
        let mut listed = Vec::new();
        for (id, secret) in &cloud.platform.secrets {
            let values = values(secret, cloud).await?;
            let state = |key: &str| {
                values
                    .as_ref()
                    .map_or(SecretState::Missing, |values| values.state(key))
            };
            let mut required = cloud.platform.required_secret_keys(id, &cloud.environment);
            // Where one of several is enough and none is there, each of them would do.
            let groups = cloud
                .platform
                .alternative_secret_keys(id, &cloud.environment);
            let unmet = groups
                .into_iter()
                .filter(|group| group.iter().all(|key| state(key) != SecretState::Set));
            required.extend(unmet.flatten());
            let keys = secret.keys.keys().map(|key| ListedKey {
                key: key.clone(),
                required: required.contains(&key.as_str()),
                state: state(key),
            });
            listed.push(ListedSecret {
                id: id.clone(),
                name: secret.name.clone(),
                exists: values.is_some(),
                keys: keys.collect(),
            });
        }
        Ok(ListedSecrets { secrets: listed })
    }
}

/// What is stored; `None` where the secret does not exist.
async fn values(secret: &Secret, cloud: &Cloud) -> Result<Option<SecretMap>, CloudError> {
    match Secrets::new(cloud.sdk()).read(&secret.name).await? {
        Stored::Present { values, .. } => Ok(Some(values)),
        Stored::Missing | Stored::Removed => Ok(None),
    }
}

impl Handle for SetSecret {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<SecretSet> {
        let found = find(&self.secret, cloud)?;
        check_key(&self.secret, found, &self.key)?;
        check_value(self.value.reveal())?;
        let value = self.value.into_revealed();
        Secrets::new(cloud.sdk())
            .set(&found.name, &self.key, value, &cloud.tags())
            .await?;
        Ok(SecretSet {
            name: found.name.clone(),
            key: self.key,
        })
    }
}

impl Handle for ReadSecret {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<SecretValues> {
        let secret = find(&self.secret, cloud)?;
        if std::io::stdout().is_terminal() {
            return Err(CloudError::new(
                Kind::Usage,
                "secret values are not printed on a terminal",
            )
            .hint("cargo xtask secrets list shows which keys are set")
            .into());
        }
        let values = values(secret, cloud).await?.ok_or_else(|| {
            CloudError::new(
                Kind::SecretMissing,
                format!(
                    "secret {} does not exist in environment `{}`",
                    secret.name, cloud.environment
                ),
            )
            .hint(format!(
                "cargo xtask secrets set --env {}",
                cloud.environment
            ))
        })?;
        Ok(SecretValues(values.into_environment()))
    }
}

impl Handle for RemoveSecret {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<SecretRemoved> {
        let found = find(&self.secret, cloud)?;
        let secrets = Secrets::new(cloud.sdk());
        let removed = match &self.key {
            Some(key) => secrets.remove_key(&found.name, key).await?,
            // AWS keeps a removed secret for a while; those of the local cloud are worth nothing.
            None => secrets.remove(&found.name, cloud.is_local()).await?,
        };
        Ok(SecretRemoved {
            name: found.name.clone(),
            key: self.key,
            removed,
        })
    }
}

/// The secret that a request names.
fn find<'a>(wanted: &str, cloud: &'a Cloud) -> Result<&'a Secret, CloudError> {
    let secrets = &cloud.platform.secrets;
    secrets
        .get(wanted)
        .or_else(|| secrets.values().find(|secret| secret.name == wanted))
        .ok_or_else(|| unknown("secret", wanted, secrets.keys().map(String::as_str)))
}

fn check_key(wanted: &str, secret: &Secret, key: &str) -> Result<(), CloudError> {
    if secret.keys.contains_key(key) {
        return Ok(());
    }
    let known: Vec<&str> = secret.keys.keys().map(String::as_str).collect();
    Err(CloudError::new(
        Kind::Usage,
        format!(
            "secret `{wanted}` has no key `{key}` in {}",
            app_gen_infra::MANIFEST_PATH
        ),
    )
    .hint(format!("choose one of: {}", known.join(", "))))
}

fn check_value(value: &str) -> Result<(), CloudError> {
    let refused = |why: &str| CloudError::new(Kind::Usage, format!("the value {why}"));
    if value.is_empty() {
        return Err(refused("is empty"));
    }
    if value.len() > VALUE_LIMIT_BYTES {
        return Err(refused("is longer than 65,536 bytes"));
    }
    Ok(())
}
