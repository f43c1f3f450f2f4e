//! Secrets: their values for the life of one process, checked against the manifest.

pub mod file;

use std::collections::BTreeMap;
use xtask_aws_api::SecretText;
use xtask_aws_api::calls::secrets::{ListSecrets, SecretState, SetSecret};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::{aws, ministack};

/// The values of a secret that this environment needs, and of the keys of which one is enough, those that
/// are there. If its modes need none, the cloud is not asked.
///
/// # Errors
/// [`Code::Secret`] naming the first key without a value; or the cloud does not answer.
pub fn values(context: &Context, secret: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let (platform, environment) = (&context.platform, &context.environment);
    let required = platform.required_secret_keys(secret, environment);
    let alternatives = platform.alternative_secret_keys(secret, environment);
    if required.is_empty() && alternatives.is_empty() {
        return Ok(BTreeMap::new());
    }
    ministack::require_if_local(context)?;
    // If the secret does not exist, the message below names its first key.
    let mut stored = aws::secret_values(context, secret)?;
    let mut values = BTreeMap::new();
    for key in required {
        let value = stored
            .remove(key)
            .map(SecretText::into_revealed)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| missing(context, secret, key))?;
        values.insert(key.to_owned(), value);
    }
    for key in platform.optional_secret_keys(secret, environment) {
        let value = stored.remove(key).map(SecretText::into_revealed);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            values.insert(key.to_owned(), value);
        }
    }
    for group in alternatives {
        if !group.iter().any(|key| values.contains_key(*key)) {
            return Err(none_of(context, secret, &group).into());
        }
    }
    Ok(values)
}

/// The values of a secret that tasks of this environment get, of those keys that have one. Nothing is missing
/// here: [`values`] says what a mode needs.
///
/// # Errors
/// The cloud does not answer.
pub fn handed_over(
    context: &Context,
    secret: &str,
) -> anyhow::Result<BTreeMap<String, SecretText>> {
    let (platform, environment) = (&context.platform, &context.environment);
    let mut keys = platform.required_secret_keys(secret, environment);
    keys.extend(platform.optional_secret_keys(secret, environment));
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    ministack::require_if_local(context)?;
    let mut stored = aws::secret_values(context, secret)?;
    stored.retain(|key, value| keys.contains(&key.as_str()) && !value.reveal().is_empty());
    Ok(stored)
}

/// Checks that everything that the orchestrator and the generator need has a value, before minutes
/// are spent.
///
/// # Errors
/// As [`values`].
pub fn require_all(context: &Context) -> anyhow::Result<()> {
    let platform = &context.platform;
    let deliverer = platform.generator().deliverer.as_ref();
    for secret in [
        platform.orchestrator().secret.as_ref(),
        platform.generator().secret.as_ref(),
        deliverer.map(|deliverer| &deliverer.secret),
    ]
    .into_iter()
    .flatten()
    {
        values(context, secret.get_ref())?;
    }
    Ok(())
}

/// The names of the keys of which one is enough that each secret has, by its name in the manifest. The cloud
/// is not asked where the manifest has no such key.
///
/// # Errors
/// The cloud does not answer.
pub fn present(context: &Context) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let platform = &context.platform;
    let optional = |id: &str| platform.optional_secret_keys(id, &context.environment);
    if platform.secrets.keys().all(|id| optional(id).is_empty()) {
        return Ok(BTreeMap::new());
    }
    let listed = aws::call(context, ListSecrets {}).read()?;
    let secrets = listed.secrets.into_iter().map(|secret| {
        let optional = optional(&secret.id);
        let keys = secret.keys.into_iter();
        let present = keys.filter(|key| key.state != SecretState::Missing);
        let present = present.map(|key| key.key);
        let keys = present.filter(|key| optional.contains(&key.as_str()));
        (secret.id, keys.collect())
    });
    Ok(secrets.collect())
}

/// Whether tasks are to be deployed again for what `change` does to the keys of secrets: their
/// definition names the optional keys that were there when it was deployed.
///
/// # Errors
/// Those of `change`; or the cloud does not answer.
pub fn needs_deploy(
    context: &Context,
    change: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let before = present(context)?;
    change()?;
    Ok(present(context)? != before)
}

/// Sets a key. The value reaches `xtask-aws` on standard input, never in an argument.
///
/// # Errors
/// The cloud refuses.
pub fn store(context: &Context, secret: &str, key: &str, value: String) -> anyhow::Result<()> {
    let request = SetSecret {
        secret: secret.to_owned(),
        key: key.to_owned(),
        value: value.into(),
    };
    aws::call(context, request).read()?;
    Ok(())
}

/// The error of a key without a value.
pub fn missing(context: &Context, secret: &str, key: &str) -> Failure {
    let (name, environment) = (&context.platform.secrets[secret].name, &context.environment);
    Failure::new(
        Code::Secret,
        format!("secret {name} of environment {environment} has no key {key}"),
    )
    .hint(set_hint(context, secret, key))
}

/// The error of keys of which one is enough and none has a value.
pub fn none_of(context: &Context, secret: &str, keys: &[&str]) -> Failure {
    let failure = missing(context, secret, keys.first().copied().unwrap_or_default());
    match keys.get(1..).unwrap_or_default() {
        [] => failure,
        others => failure.because(anyhow::anyhow!(
            "{} would do as well, and is missing, too",
            others.join(" or ")
        )),
    }
}

/// The command that gives a key another value.
#[must_use]
pub fn set_hint(context: &Context, secret: &str, key: &str) -> String {
    format!(
        "cargo xtask secrets set {secret} {key} --env {} < FILE_WITH_THE_VALUE",
        context.environment
    )
}
