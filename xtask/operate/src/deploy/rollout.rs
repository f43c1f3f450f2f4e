//! Brings an environment to the state that an assembly describes. While CDK changes the stacks, the
//! deployment of our service is followed, and cancelled as soon as it can no longer succeed.

use crate::deploy::assembly::Assembly;
use crate::deploy::service::Service;
use crate::deploy::{health, stacks};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use xtask_aws_api::calls::services::FollowService;
use xtask_aws_api::calls::stacks::CancelStack;
use xtask_aws_api::names::Concern;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _, Rendered};
use xtask_core::interrupt;
use xtask_machine::{aws, cdk};

/// CloudFormation waits up to three hours for a service to start; nobody waits so long.
const CDK_TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// CDK makes a change set for each stack.
const DIFF_TIMEOUT: Duration = Duration::from_secs(600);
/// The way back drains tasks and starts others, as a deployment does.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// The task definition that the stack last gave to the service.
const DEFINITION_OUTPUT: &str = "OrchestratorTaskDefinitionArn";

/// The service after a rollout, when it answers.
#[derive(Debug, Clone)]
pub struct Serving {
    /// ARN of the task definition with its revision.
    pub task_definition: String,
    /// URL for people.
    pub url: String,
    /// Base URL for programs.
    pub base_url: String,
}

/// Deploys the assembly and waits until users get answers from the image with this key.
///
/// # Errors
/// Why it does not serve, in plain words. The caller has to repair what runs then.
pub fn roll_out(context: &Context, assembly: &Assembly, key: &str) -> anyhow::Result<Serving> {
    let service = Service::of(context, assembly)?;
    let before = service.definition(context)?;
    change_stacks(context, assembly, &service, before.as_deref())?;
    // ECS may have rolled back by itself after an earlier deploy. CloudFormation does not know
    // that, and does not see anything to change.
    let wanted = stacks::output(context, Concern::Service, DEFINITION_OUTPUT)?;
    let now = service.definition(context)?;
    if now.as_deref() != Some(&wanted) {
        let following = service.follow(context, now.as_deref())?;
        service.redefine(context, &wanted)?;
        following.read()?;
    }
    let (url, base_url) = service.addresses(context)?;
    health::until_served(context, &base_url, key)?;
    Ok(Serving {
        task_definition: wanted,
        url,
        base_url,
    })
}

/// Lets CDK deploy while another thread follows the deployment of our service.
fn change_stacks(
    context: &Context,
    assembly: &Assembly,
    service: &Service,
    before: Option<&str>,
) -> anyhow::Result<()> {
    let following = service.follow(context, before)?;
    let ended = AtomicBool::new(false);
    let (deployed, followed) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(context, service, before, following, &ended));
        let deployed = cdk_deploy(context, assembly, &["--all", "--concurrency", "4"]);
        ended.store(true, Ordering::Release);
        let followed = watcher.join().unwrap_or_else(|_| {
            Err(anyhow::anyhow!(
                "the thread that follows the deployment panicked"
            ))
        });
        (deployed, followed)
    });
    interrupt::check()?;
    // The reason of ECS comes first: CloudFormation only reports that the service did not start.
    followed?;
    deployed
}

/// Follows the deployment of our service to its end. If it can no longer succeed, the update of its
/// stack is cancelled, so that CDK does not wait for it either.
fn watch(
    context: &Context,
    service: &Service,
    before: Option<&str>,
    mut following: aws::Started<FollowService>,
    ended: &AtomicBool,
) -> anyhow::Result<()> {
    let mut is_new = false;
    loop {
        let had_ended = ended.load(Ordering::Acquire);
        match following.try_read() {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) => {
                if !had_ended && !interrupt::requested() {
                    cancel(context, &error);
                }
                return Err(error);
            }
        }
        if had_ended && !is_new {
            let now = service.definition(context)?;
            // CDK has finished without a change of the service, so there is no deployment to
            // follow.
            if now.is_none() || now.as_deref() == before {
                return Ok(());
            }
            is_new = true;
        }
        interrupt::sleep(Duration::from_millis(100))?;
    }
}

fn cancel(context: &Context, why: &anyhow::Error) {
    let report = &context.report;
    report.step(&format!(
        "this deployment can no longer succeed: {}; cancel it",
        Rendered::new(why).message
    ));
    let stack = stacks::name(context, Concern::Service);
    let request = CancelStack {
        name: stack.clone(),
    };
    let cancelled = aws::call(context, request)
        .timeout(CANCEL_TIMEOUT)
        .start("stacks")
        .and_then(aws::Started::read);
    if let Err(error) = cancelled {
        report.step(&format!(
            "failed to cancel the update of {stack}: {error:#}"
        ));
    }
}

/// Deploys the stack of one concern without those that it depends on.
///
/// # Errors
/// CloudFormation refuses.
pub fn deploy_alone(
    context: &Context,
    assembly: &Assembly,
    concern: Concern,
) -> anyhow::Result<()> {
    let stack = stacks::name(context, concern);
    cdk_deploy(context, assembly, &[&stack, "--exclusively"])
}

/// Removes the service and the stacks that depend on it. Data, logs and images stay.
///
/// # Errors
/// CloudFormation refuses.
pub fn remove_service(context: &Context, assembly: &Assembly) -> anyhow::Result<()> {
    destroy(context, assembly, &service_stacks(context))
}

/// The stack of the service, and the stack that depends on it.
#[must_use]
pub fn service_stacks(context: &Context) -> [String; 2] {
    [Concern::Observability, Concern::Service].map(|concern| stacks::name(context, concern))
}

/// Destroys stacks.
///
/// # Errors
/// CloudFormation refuses.
pub fn destroy(context: &Context, assembly: &Assembly, stacks: &[String]) -> anyhow::Result<()> {
    if stacks.is_empty() {
        return Ok(());
    }
    cdk_on(context, "destroy", assembly)?
        .args(stacks)
        .args(["--exclusively", "--force"])
        .timeout(CDK_TIMEOUT)
        .run(&context.report, "cdk")
        .failure(|| {
            Failure::new(
                Code::Deploy,
                format!("stacks of {} cannot be destroyed", context.environment),
            )
            .hint("the events above name the resource; remove what uses it, then run the same command again")
        })
}

/// The output of `cdk diff`: how the assembly differs from what is deployed.
///
/// # Errors
/// CDK fails.
pub fn diff(context: &Context, assembly: &Assembly) -> anyhow::Result<String> {
    let output = cdk_on(context, "diff", assembly)?
        .arg("--all")
        .timeout(DIFF_TIMEOUT)
        .output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(anyhow::Error::msg(text).context(Failure::new(
        Code::Deploy,
        format!("the stacks of {} cannot be compared", context.environment),
    )))
}

fn cdk_deploy(context: &Context, assembly: &Assembly, which: &[&str]) -> anyhow::Result<()> {
    cdk_on(context, "deploy", assembly)?
        .args(which)
        .args(["--require-approval", "never", "--progress", "events"])
        // Directly, without a change set for each stack, because nobody would read the change set.
        .args(["--method", "direct"])
        .timeout(CDK_TIMEOUT)
        .run(&context.report, "cdk")
        .failure(|| {
            Failure::new(
                Code::Deploy,
                format!("the stacks of {} cannot be deployed", context.environment),
            )
            .hint("the events above name the resource; cargo xtask diff shows what would change")
        })
}

fn cdk_on(context: &Context, verb: &str, assembly: &Assembly) -> anyhow::Result<Cmd> {
    Ok(cdk::command(context)?
        .args([verb, "--app"])
        .arg(assembly.folder()))
}
