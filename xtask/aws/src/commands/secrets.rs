//! `secrets list|check|set|read|remove`: the JSON secrets that platform.toml names.
//!
//! Values come in on stdin and go out on a pipe, never as arguments, to a
//! terminal, or into a message.

use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::report::Outcome;
use crate::secrets::{Meant, Secrets, Stored};
use app_gen_infra::Secret;
use serde::Serialize;
use serde_json::json;
use std::io::{IsTerminal, Read};

/// Secrets Manager takes this much for a whole secret.
const VALUE_LIMIT_BYTES: u64 = 65_536;

/// The JSON secrets of platform.toml
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Which secrets and keys exist; never their values
    List,
    /// Which keys have a value that can be meant; never their values
    Check,
    /// Set one key to what stdin holds (less one line end) and keep the others
    Set {
        /// As platform.toml names it: `orchestrator`, or `app-gen-saas/orchestrator`
        secret: String,
        key: String,
    },
    /// All keys and values, on a pipe only
    Read { secret: String },
    /// Remove one key, or the whole secret
    Remove { secret: String, key: Option<String> },
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: &'a str,
    name: &'a str,
    exists: bool,
    keys: Vec<ListedKey<'a>>,
}

#[derive(Debug, Serialize)]
struct ListedKey<'a> {
    key: &'a str,
    present: bool,
    required: bool,
}

/// # Errors
/// The manifest does not know the secret or key, it does not exist, or a call fails.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let secrets = Secrets::new(cloud.sdk());
    match command {
        Command::List => list(&secrets, cloud).await,
        Command::Check => check(&secrets, cloud).await,
        Command::Set { secret, key } => {
            let found = find(&secret, cloud)?;
            check_key(&secret, found, &key)?;
            let value = value_from_stdin()?;
            secrets.set(&found.name, &key, value, &cloud.tags()).await?;
            Outcome::success(json!({ "name": found.name, "key": key }))
        }
        Command::Read { secret } => read(&secrets, find(&secret, cloud)?, cloud).await,
        Command::Remove { secret, key } => {
            let found = find(&secret, cloud)?;
            let removed = match &key {
                Some(key) => secrets.remove_key(&found.name, key).await?,
                // AWS keeps a removed secret for a while; the local cloud's are worth nothing.
                None => secrets.remove(&found.name, cloud.is_local()).await?,
            };
            Outcome::success(json!({ "name": found.name, "key": key, "removed": removed }))
        }
    }
}

async fn list(secrets: &Secrets, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let mut listed = Vec::new();
    for (id, secret) in &cloud.platform.secrets {
        let stored = secrets.read(&secret.name).await?;
        let values = match &stored {
            Stored::Present { values, .. } => Some(values),
            Stored::Missing | Stored::Removed => None,
        };
        let required = cloud.platform.required_secret_keys(id, &cloud.environment);
        listed.push(Listed {
            id,
            name: &secret.name,
            exists: values.is_some(),
            keys: secret
                .keys
                .keys()
                .map(|key| ListedKey {
                    key,
                    present: values.is_some_and(|values| values.has(key)),
                    required: required.contains(&key.as_str()),
                })
                .collect(),
        });
    }
    Outcome::success(json!({ "secrets": listed }))
}

#[derive(Debug, Serialize)]
struct Checked<'a> {
    id: &'a str,
    name: &'a str,
    exists: bool,
    keys: Vec<CheckedKey<'a>>,
}

#[derive(Debug, Serialize)]
struct CheckedKey<'a> {
    key: &'a str,
    required: bool,
    state: Meant,
}

/// The values are judged here: nobody else needs to see them.
async fn check(secrets: &Secrets, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let mut checked = Vec::new();
    for (id, secret) in &cloud.platform.secrets {
        let values = match secrets.read(&secret.name).await? {
            Stored::Present { values, .. } => Some(values),
            Stored::Missing | Stored::Removed => None,
        };
        let required = cloud.platform.required_secret_keys(id, &cloud.environment);
        let keys = secret.keys.keys().map(|key| CheckedKey {
            key,
            required: required.contains(&key.as_str()),
            state: values
                .as_ref()
                .map_or(Meant::Missing, |values| values.meant(key)),
        });
        checked.push(Checked {
            id,
            name: &secret.name,
            exists: values.is_some(),
            keys: keys.collect(),
        });
    }
    Outcome::success(json!({ "secrets": checked }))
}

async fn read(secrets: &Secrets, secret: &Secret, cloud: &Cloud) -> anyhow::Result<Outcome> {
    if std::io::stdout().is_terminal() {
        return Err(
            CloudError::new(Kind::Usage, "secret values are not printed on a terminal")
                .hint("cargo xtask secrets list shows which keys are set")
                .into(),
        );
    }
    match secrets.read(&secret.name).await? {
        Stored::Present { values, .. } => Outcome::success(values.into_environment()),
        Stored::Missing | Stored::Removed => Err(CloudError::new(
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
        .into()),
    }
}

fn find<'a>(wanted: &str, cloud: &'a Cloud) -> Result<&'a Secret, CloudError> {
    let secrets = &cloud.platform.secrets;
    secrets
        .get(wanted)
        .or_else(|| secrets.values().find(|secret| secret.name == wanted))
        .ok_or_else(|| {
            let known: Vec<&str> = secrets.keys().map(String::as_str).collect();
            CloudError::new(
                Kind::Usage,
                format!(
                    "secret `{wanted}` is not in {}",
                    app_gen_infra::MANIFEST_PATH
                ),
            )
            .hint(format!("choose one of: {}", known.join(", ")))
        })
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

fn value_from_stdin() -> Result<String, CloudError> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(
            CloudError::new(Kind::Usage, "the value is read from stdin, not typed")
                .hint("give it by a pipe or from a file: … < FILE"),
        );
    }
    let mut bytes = Vec::new();
    stdin
        .lock()
        .take(VALUE_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CloudError::new(Kind::Usage, format!("stdin cannot be read: {error}")))?;
    let refused = |why: &str| CloudError::new(Kind::Usage, format!("the value on stdin {why}"));
    if bytes.len() as u64 > VALUE_LIMIT_BYTES {
        return Err(refused("is longer than 65,536 bytes"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| refused("is not UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(refused("is empty"));
    }
    Ok(text)
}
