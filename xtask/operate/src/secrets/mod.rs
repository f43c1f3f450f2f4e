//! Secrets: their values for the life of one process, checked against the manifest.

pub mod file;

use std::collections::BTreeMap;
use xtask_aws_api::SecretText;
use xtask_aws_api::calls::secrets::SetSecret;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::{aws, ministack};

/// The values of a secret that this environment needs. If its modes need none, the cloud is not
/// asked.
///
/// # Errors
/// [`Code::Secret`] naming the first key without a value; or the cloud does not answer.
pub fn values(context: &Context, secret: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let required = context
        .platform
        .required_secret_keys(secret, &context.environment);
    if required.is_empty() {
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
    Ok(values)
}

/// Checks that everything that the orchestrator and the generator need has a value, before minutes
/// are spent.
///
/// # Errors
/// As [`values`].
pub fn require_all(context: &Context) -> anyhow::Result<()> {
    let platform = &context.platform;
    for secret in [
        &platform.orchestrator().secret,
        &platform.generator().secret,
    ]
    .into_iter()
    .flatten()
    {
        values(context, secret.get_ref())?;
    }
    Ok(())
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
    .hint(format!(
        "cargo xtask secrets set {secret} {key} --env {environment} < FILE_WITH_THE_VALUE"
    ))
}
