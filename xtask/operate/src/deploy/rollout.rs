//! Brings an environment to what an assembly says: CDK changes the stacks while our own
//! deployment is followed beside it, and what cannot end well is stopped early.

use crate::deploy::assembly::Assembly;
use crate::deploy::{health, stacks};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _, Rendered};
use xtask_core::interrupt;
use xtask_machine::aws;

/// CloudFormation itself bounds a service's start by three hours; nobody waits for that.
const CDK_TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// Also what an update of the load balancer may take before the service's turn comes.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(40 * 60);
/// It makes a change set for each stack.
const DIFF_TIMEOUT: Duration = Duration::from_secs(600);
/// A rollback drains and starts as a deployment does.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(20 * 60);
/// From the first task to a stable deployment.
const STABLE_SECS: &str = "900";

/// What the service's stack last gave the service to run.
const DEFINITION_OUTPUT: &str = "OrchestratorTaskDefinitionArn";

/// The service that a rollout is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Service {
    /// Cluster by name.
    pub cluster: String,
    /// Service by name.
    pub name: String,
    /// Load balancer by name.
    pub load_balancer: String,
}

/// A service as ECS knows it.
#[derive(Debug, Clone, Deserialize)]
pub struct ServiceState {
    /// ARN with revision.
    pub task_definition: String,
    /// Tasks that should run.
    pub desired: u32,
    /// Tasks that run.
    pub running: u32,
}

/// What serves after a rollout.
#[derive(Debug, Clone)]
pub struct Serving {
    /// ARN with revision.
    pub task_definition: String,
    /// For people, and their browsers.
    pub url: String,
    /// For programs, which resolve no name below `localhost`.
    pub base_url: String,
}

impl Service {
    /// The service that an assembly makes.
    ///
    /// # Errors
    /// The assembly has none.
    pub fn of(context: &Context, assembly: &Assembly) -> anyhow::Result<Self> {
        let property =
            |resource: &str, name: &str| assembly.property(context, "Service", resource, name);
        Ok(Self {
            cluster: property("AWS::ECS::Cluster", "ClusterName")?,
            name: property("AWS::ECS::Service", "ServiceName")?,
            load_balancer: property("AWS::ElasticLoadBalancingV2::LoadBalancer", "Name")?,
        })
    }

    /// As it is now; nothing where it does not exist.
    ///
    /// # Errors
    /// The cloud does not answer.
    pub fn state(&self, context: &Context) -> anyhow::Result<Option<ServiceState>> {
        #[derive(Deserialize)]
        struct Shown {
            service: Option<ServiceState>,
        }
        let shown: Shown = self.call(context, "show").read()?;
        Ok(shown.service)
    }

    /// Where it is reached: for people, and for programs.
    ///
    /// # Errors
    /// The service's stack does not exist, or the cloud does not answer.
    pub fn addresses(&self, context: &Context) -> anyhow::Result<(String, String)> {
        if context.is_local() {
            let port = context.platform.local.cloud_port.get_ref();
            // `/health` below its name is answered by the local cloud itself; the page needs
            // a root of its own.
            return Ok((
                format!("http://{}.alb.localhost:{port}/", self.load_balancer),
                format!(
                    "{}/_alb/{}",
                    xtask_machine::ministack::endpoint(context),
                    self.load_balancer
                ),
            ));
        }
        let url = stacks::output(context, "Service", "Url")?;
        Ok((url.clone(), url))
    }

    /// Takes the service back to a task definition at once.
    ///
    /// # Errors
    /// The cloud refuses.
    pub fn redefine(&self, context: &Context, definition: &str) -> anyhow::Result<()> {
        let _: serde_json::Value = self
            .call_with(context, "redefine", &["--definition", definition])
            .read()?;
        Ok(())
    }

    /// Its task definition; nothing where the service does not exist.
    ///
    /// # Errors
    /// The cloud does not answer.
    pub fn definition(&self, context: &Context) -> anyhow::Result<Option<String>> {
        Ok(self.state(context)?.map(|state| state.task_definition))
    }

    /// Follows the next deployment of another definition than `before`.
    fn follow(&self, context: &Context, before: Option<&str>) -> anyhow::Result<aws::Started> {
        let appear = FOLLOW_TIMEOUT.as_secs().to_string();
        let mut more = vec!["--timeout-secs", STABLE_SECS, "--appear-secs", &appear];
        if let Some(definition) = before {
            more.extend(["--not-definition", definition]);
        }
        self.call_with(context, "follow", &more)
            .timeout(FOLLOW_TIMEOUT)
            .start("service")
    }

    fn call<'a>(&self, context: &'a Context, verb: &str) -> aws::Call<'a> {
        self.call_with(context, verb, &[])
    }

    fn call_with<'a>(&self, context: &'a Context, verb: &str, more: &[&str]) -> aws::Call<'a> {
        let arguments = [
            "service",
            verb,
            "--cluster",
            &self.cluster,
            "--service",
            &self.name,
        ];
        aws::call(context, arguments.iter().chain(more).copied())
    }
}

/// Deploys the assembly and waits until its image, known by its key, answers users.
///
/// # Errors
/// Why it does not serve, in plain words. What runs then is for the caller to put right.
pub fn roll_out(context: &Context, assembly: &Assembly, key: &str) -> anyhow::Result<Serving> {
    let service = Service::of(context, assembly)?;
    let before = service.definition(context)?;
    change_stacks(context, assembly, &service, before.as_deref())?;
    // ECS may have gone back by itself after an earlier deploy; CloudFormation, which believes
    // in what it deployed then, sees nothing to change.
    let wanted = stacks::output(context, "Service", DEFINITION_OUTPUT)?;
    let now = service.definition(context)?;
    if now.as_deref() != Some(&wanted) {
        let following = service.follow(context, now.as_deref())?;
        service.redefine(context, &wanted)?;
        following.read::<serde_json::Value>()?;
    }
    let (url, base_url) = service.addresses(context)?;
    health::until_served(context, &base_url, key)?;
    Ok(Serving {
        task_definition: wanted,
        url,
        base_url,
    })
}

/// Lets CDK deploy while our own deployment is followed beside it.
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
        let followed = watcher
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the watch over the deployment broke")));
        (deployed, followed)
    });
    interrupt::check()?;
    // Its reason first: what CloudFormation says of a service that did not start is that it
    // did not.
    followed?;
    deployed
}

/// Follows our deployment to its end. One that cannot end well is cancelled in its stack, so
/// that CDK's wait for it ends too.
fn watch(
    context: &Context,
    service: &Service,
    before: Option<&str>,
    mut following: aws::Started,
    ended: &AtomicBool,
) -> anyhow::Result<()> {
    let mut is_new = false;
    loop {
        let had_ended = ended.load(Ordering::Acquire);
        match following.try_read::<serde_json::Value>() {
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
            // CDK is done and nothing of the service changed: there is nothing to follow.
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
        "this deployment cannot end well: {}; cancel it",
        Rendered::new(why).message
    ));
    let stack = stacks::name(context, "Service");
    let cancelled: anyhow::Result<serde_json::Value> =
        aws::call(context, ["stack", "cancel", &stack])
            .timeout(CANCEL_TIMEOUT)
            .start("stacks")
            .and_then(aws::Started::read);
    if let Err(error) = cancelled {
        report.step(&format!(
            "failed to cancel the update of {stack}: {error:#}"
        ));
    }
}

/// Deploys the stack of one concern, and none that it depends on.
///
/// # Errors
/// CloudFormation refuses.
pub fn deploy_alone(context: &Context, assembly: &Assembly, concern: &str) -> anyhow::Result<()> {
    let stack = stacks::name(context, concern);
    cdk_deploy(context, assembly, &[&stack, "--exclusively"])
}

/// Removes the service and what stands on it. Data, logs and images stay.
///
/// # Errors
/// CloudFormation refuses.
pub fn remove_service(context: &Context, assembly: &Assembly) -> anyhow::Result<()> {
    destroy(context, assembly, &service_stacks(context))
}

/// The stacks of the service and of what stands on it.
#[must_use]
pub fn service_stacks(context: &Context) -> [String; 2] {
    ["Observability", "Service"].map(|concern| stacks::name(context, concern))
}

/// Destroys stacks.
///
/// # Errors
/// CloudFormation refuses.
pub fn destroy(context: &Context, assembly: &Assembly, stacks: &[String]) -> anyhow::Result<()> {
    if stacks.is_empty() {
        return Ok(());
    }
    cdk(context, "destroy", assembly)?
        .args(stacks)
        .args(["--exclusively", "--force"])
        .timeout(CDK_TIMEOUT)
        .run(&context.report, "cdk")
        .failure(|| {
            Failure::new(
                Code::Deploy,
                format!("stacks of {} cannot be destroyed", context.environment),
            )
            .hint("the events above name the resource; remove what holds it, then the same again")
        })
}

/// What `cdk diff` says of the assembly against what is deployed.
///
/// # Errors
/// CDK fails.
pub fn diff(context: &Context, assembly: &Assembly) -> anyhow::Result<String> {
    let output = cdk(context, "diff", assembly)?
        .arg("--all")
        .timeout(DIFF_TIMEOUT)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(anyhow::Error::msg(said).context(Failure::new(
        Code::Deploy,
        format!("the stacks of {} cannot be compared", context.environment),
    )))
}

fn cdk_deploy(context: &Context, assembly: &Assembly, which: &[&str]) -> anyhow::Result<()> {
    cdk(context, "deploy", assembly)?
        .args(which)
        .args(["--require-approval", "never", "--progress", "events"])
        // Without a change set for each stack: nobody would look at it before it is carried out.
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

fn cdk(context: &Context, verb: &str, assembly: &Assembly) -> anyhow::Result<Cmd> {
    Ok(xtask_machine::cdk::command(context)?
        .args([verb, "--app"])
        .arg(assembly.folder()))
}
