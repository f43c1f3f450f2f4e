//! `bootstrap show`: is the account prepared for CDK, and with which version.
//! `bootstrap policies`: what CloudFormation may do there.

use crate::cloudformation::CloudFormation;
use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::iam::Iam;
use crate::report::{self, Outcome};
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Ours, so that other projects of the account keep their own bootstrap.
pub(crate) const DEFAULT_QUALIFIER: &str = "appgen";

/// Stack of our `cdk bootstrap`.
pub(crate) const DEFAULT_STACK: &str = "AppGenToolkit";

/// What CDK needs in the account before it deploys
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// State and version of the bootstrap stack
    Show {
        /// Name of the bootstrap stack
        #[arg(long, default_value = DEFAULT_STACK)]
        stack: String,
        /// Qualifier that it must have been made with
        #[arg(long, default_value = DEFAULT_QUALIFIER)]
        qualifier: String,
    },
    /// Make managed policies say what a file says
    Policies {
        /// JSON: policy name → document; `${ACCOUNT}` and `${REGION}` stand for the environment's
        #[arg(long, value_name = "PATH")]
        file: PathBuf,
    },
}

/// # Errors
/// A call fails, or the file is not as it should be. An account without the stack
/// is an answer, not an error.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    match command {
        Command::Show { stack, qualifier } => show(&stack, &qualifier, cloud).await,
        Command::Policies { file } => policies(&file, cloud).await,
    }
}

async fn show(name: &str, expected: &str, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let stack = CloudFormation::new(cloud.sdk()).stack(name).await?;
    let status = stack.as_ref().map(|stack| stack.status.as_str());
    let qualifier = stack
        .as_ref()
        .and_then(|stack| stack.parameters.get("Qualifier"));
    let version = stack
        .as_ref()
        .and_then(|stack| stack.outputs.get("BootstrapVersion"))
        .and_then(|version| version.parse::<u32>().ok());
    let complete = status.is_some_and(|status| {
        matches!(
            status,
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE"
        )
    });
    let usable = complete && version.is_some() && qualifier.is_none_or(|found| found == expected);
    Outcome::success(json!({
        "stack": name,
        "bootstrapped": usable,
        "status": status,
        "version": version,
        "qualifier": qualifier,
        "expected_qualifier": expected,
    }))
}

async fn policies(file: &Path, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let account = &cloud.identity.account;
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("failed to read {}", file.display()))?;
    let documents = documents(&text, account, cloud.region())
        .map_err(|why| CloudError::new(Kind::Usage, format!("{}: {why}", file.display())))?;
    let iam = Iam::new(cloud.sdk());
    let mut arns = Vec::new();
    for (name, document) in documents {
        report::step(&format!("policy {name}"));
        let arn = format!("arn:aws:iam::{account}:policy/{name}");
        iam.ensure_policy(&arn, &document, &cloud.tags()).await?;
        arns.push(arn);
    }
    Outcome::success(json!({ "arns": arns }))
}

fn documents(text: &str, account: &str, region: &str) -> Result<BTreeMap<String, Value>, String> {
    let text = text
        .replace("${ACCOUNT}", account)
        .replace("${REGION}", region);
    let documents: BTreeMap<String, Value> =
        serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+=,.@".contains(&byte);
    match documents
        .keys()
        .find(|name| name.is_empty() || !name.bytes().all(allowed))
    {
        Some(name) => Err(format!("`{name}` is no name of a policy")),
        None => Ok(documents),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_and_wrong_names_refused() {
        let text = r#"{"B": {"Resource": "arn:aws:s3:::x-${ACCOUNT}-${REGION}-${aws:username}"}}"#;
        let found = documents(text, "1", "us-east-1").expect("documents");
        assert_eq!(
            found["B"],
            json!({ "Resource": "arn:aws:s3:::x-1-us-east-1-${aws:username}" })
        );
        for wrong in ["", "[]", r#"{"a b": {}}"#, r#"{"": {}}"#] {
            assert!(documents(wrong, "1", "us-east-1").is_err(), "{wrong}");
        }
    }
}
