//! `bootstrap`: is the account prepared for CDK, and with which version.

use crate::cloudformation::CloudFormation;
use crate::config::Cloud;
use crate::report::Outcome;
use serde_json::json;

/// What `cdk bootstrap` takes when nobody says otherwise.
pub(crate) const DEFAULT_QUALIFIER: &str = "hnb659fds";

/// Stack of `cdk bootstrap` when nobody says otherwise.
pub(crate) const DEFAULT_STACK: &str = "CDKToolkit";

/// State and version of the CDK bootstrap stack
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the bootstrap stack
    #[arg(long, default_value = DEFAULT_STACK)]
    stack: String,
    /// Qualifier that it must have been made with
    #[arg(long, default_value = DEFAULT_QUALIFIER)]
    qualifier: String,
}

/// # Errors
/// The call fails. An account without the stack is an answer, not an error.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let stack = CloudFormation::new(cloud.sdk()).stack(&args.stack).await?;
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
    let usable =
        complete && version.is_some() && qualifier.is_none_or(|found| *found == args.qualifier);
    Outcome::success(json!({
        "stack": args.stack,
        "bootstrapped": usable,
        "status": status,
        "version": version,
        "qualifier": qualifier,
        "expected_qualifier": args.qualifier,
    }))
}
