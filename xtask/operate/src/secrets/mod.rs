//! Secrets: their values for the life of one process, checked against the manifest.

pub mod file;

use serde_json::Value;
use std::collections::BTreeMap;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, Rendered};
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
    let mut stored: BTreeMap<String, String> =
        match aws::call(context, ["secrets", "read", secret]).read() {
            // If the secret does not exist, the message below names its first key.
            Err(error) if Rendered::new(&error).exit_code == Code::Secret as u8 => BTreeMap::new(),
            answer => answer?,
        };
    let mut values = BTreeMap::new();
    for key in required {
        let value = stored
            .remove(key)
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

/// Sets a key. The value goes through standard input, never through an argument.
///
/// # Errors
/// The cloud refuses.
pub fn store(context: &Context, secret: &str, key: &str, value: Vec<u8>) -> anyhow::Result<()> {
    let _: Value = aws::call(context, ["secrets", "set", secret, key])
        .stdin(value)
        .read()?;
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
