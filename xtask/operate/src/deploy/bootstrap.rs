//! What CDK needs in an account before the first deploy: a stack of its own, with our qualifier and
//! with the rights that our templates need and no others.

use crate::deploy::environment_lock::EnvironmentLock;
use std::time::Duration;
use xtask_aws_api::calls::bootstrap::{Policies, ShowBootstrap, WritePolicies};
use xtask_aws_api::calls::identity::GetIdentity;
use xtask_aws_api::names::{BOOTSTRAP_QUALIFIER, BOOTSTRAP_STACK};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_machine::{aws, cdk};

/// The managed policies of CloudFormation's role, relative to the checkout.
const POLICIES: &str = "app-gen-infra/cdk/bootstrap/execution-policies.json";
/// The managed policy that no role of our templates may exceed, relative to the checkout.
const BOUNDARY: &str = "app-gen-infra/cdk/bootstrap/permissions-boundary.json";
const TIMEOUT: Duration = Duration::from_secs(600);

/// Bootstraps the account unless that has been done. The policies are updated every time, because
/// new types of resources need new rights.
///
/// # Errors
/// The lock is not ours any more, or the cloud refuses. Bootstrapping needs rights that a later deploy does not need.
pub fn ensure(context: &Context, lock: &EnvironmentLock<'_>) -> anyhow::Result<()> {
    lock.still_ours()?;
    let shown = aws::call(context, ShowBootstrap {}).read()?;
    // The boundary first: without it CloudFormation may not make a role.
    write(context, BOUNDARY)?;
    let policies = write(context, POLICIES)?;
    if shown.bootstrapped {
        return Ok(());
    }
    let identity = aws::call(context, GetIdentity {}).read()?;
    let place = format!("aws://{}/{}", identity.account, context.platform.region);
    context.report.step(&format!("bootstrap CDK in {place}"));
    cdk::command(context)?
        .args(["bootstrap", &place, "--qualifier", BOOTSTRAP_QUALIFIER])
        .args(["--toolkit-stack-name", BOOTSTRAP_STACK])
        .args([
            "--cloudformation-execution-policies",
            &policies.arns.join(","),
        ])
        .args(["--tags", &format!("project={}", context.platform.project)])
        .timeout(TIMEOUT)
        .run(&context.report, "cdk")
        .failure(|| {
            Failure::new(Code::Deploy, format!("failed to bootstrap CDK in {place}")).hint(format!(
                "cargo xtask preflight --env {}",
                context.environment
            ))
        })
}

/// Makes managed policies say what a file of the checkout says.
fn write(context: &Context, file: &str) -> anyhow::Result<Policies> {
    let file = context.root.join(file);
    aws::call(context, WritePolicies { file }).read()
}
