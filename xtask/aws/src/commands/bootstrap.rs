//! What CDK needs in an account: its bootstrap stack, and policies for CloudFormation.

use crate::cloudformation::CloudFormation;
use crate::commands::Handle;
use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::iam::Iam;
use crate::report;
use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;
use xtask_aws_api::calls::bootstrap::{Bootstrap, Policies, ShowBootstrap, WritePolicies};
use xtask_aws_api::names::{BOOTSTRAP_QUALIFIER, BOOTSTRAP_STACK};

impl Handle for ShowBootstrap {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Bootstrap> {
        let stack = CloudFormation::new(cloud.sdk())
            .stack(BOOTSTRAP_STACK)
            .await?;
        let stack = stack.as_ref();
        let status = stack.map(|stack| stack.status.clone());
        let qualifier = stack.and_then(|stack| stack.parameters.get("Qualifier").cloned());
        let version = stack
            .and_then(|stack| stack.outputs.get("BootstrapVersion"))
            .and_then(|version| version.parse::<u32>().ok());
        let is_complete = matches!(
            status.as_deref(),
            Some("CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE")
        );
        let is_ours = qualifier
            .as_ref()
            .is_none_or(|found| found == BOOTSTRAP_QUALIFIER);
        Ok(Bootstrap {
            stack: BOOTSTRAP_STACK.to_owned(),
            bootstrapped: is_complete && version.is_some() && is_ours,
            status,
            version,
            qualifier,
            expected_qualifier: BOOTSTRAP_QUALIFIER.to_owned(),
        })
    }
}

impl Handle for WritePolicies {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Policies> {
        let (account, file) = (&cloud.identity.account, self.file.display());
        let text = std::fs::read_to_string(&self.file)
            .with_context(|| format!("failed to read {file}"))?;
        let documents = documents(&text, account, cloud.region())
            .map_err(|why| CloudError::new(Kind::Usage, format!("{file}: {why}")))?;
        let iam = Iam::new(cloud.sdk());
        let mut arns = Vec::new();
        for (name, document) in documents {
            report::step(&format!("policy {name}"));
            let arn = format!("arn:aws:iam::{account}:policy/{name}");
            iam.ensure_policy(&arn, &document, &cloud.tags()).await?;
            arns.push(arn);
        }
        Ok(Policies { arns })
    }
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
        Some(name) => Err(format!("`{name}` is not a valid name for a policy")),
        None => Ok(documents),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_are_filled_in_and_wrong_names_refused() {
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
