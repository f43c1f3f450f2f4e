//! Brings an environment to the state that an assembly describes. While CDK changes the stacks, the
//! deployment of our service is followed, and cancelled as soon as it can no longer succeed.

use crate::deploy::assembly::Assembly;
use crate::deploy::environment_lock::EnvironmentLock;
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
pub fn roll_out(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    assembly: &Assembly,
    key: &str,
) -> anyhow::Result<Serving> {
    let service = Service::of(context, assembly)?;
    let before = service.definition(context)?;
    change_stacks(context, lock, assembly, &service, before.as_deref())?;
    // ECS may have rolled back by itself after an earlier deploy. CloudFormation does not know
    // that, and does not see anything to change.
    let wanted = stacks::output(context, Concern::Service, DEFINITION_OUTPUT)?;
    let now = service.definition(context)?;
    if now.as_deref() != Some(&wanted) {
        let following = service.follow(context, now.as_deref())?;
        service.redefine(context, lock, &wanted)?;
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
    lock: &EnvironmentLock<'_>,
    assembly: &Assembly,
    service: &Service,
    before: Option<&str>,
) -> anyhow::Result<()> {
    let following = service.follow(context, before)?;
    let ended = AtomicBool::new(false);
    let (deployed, followed) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(context, lock, service, before, following, &ended));
        // CDK does not ask between two stacks: if the lock is lost, its renewer ends CDK.
        let deployed = cdk_deploy(context, lock, assembly, &["--all", "--concurrency", "4"]);
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
    lock: &EnvironmentLock<'_>,
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
                    cancel(context, lock, &error);
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

fn cancel(context: &Context, lock: &EnvironmentLock<'_>, why: &anyhow::Error) {
    let report = &context.report;
    report.step(&format!(
        "this deployment can no longer succeed: {}; cancel it",
        Rendered::new(why).message
    ));
    let stack = stacks::name(context, Concern::Service);
    let request = CancelStack {
        name: stack.clone(),
    };
    let cancelled = lock.still_ours().and_then(|()| {
        aws::call(context, request)
            .timeout(CANCEL_TIMEOUT)
            .start("stacks")?
            .read()
    });
    if let Err(error) = cancelled {
        report.step(&format!(
            "failed to cancel the update of {stack}: {error:#}"
        ));
    }
}

/// Deploys the stack of one concern without those that it depends on.
///
/// # Errors
/// The lock is not ours any more, or CloudFormation refuses.
pub fn deploy_alone(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    assembly: &Assembly,
    concern: Concern,
) -> anyhow::Result<()> {
    let stack = stacks::name(context, concern);
    cdk_deploy(context, lock, assembly, &[&stack, "--exclusively"])
}

/// Removes the service and the stacks that depend on it. Data, logs and images stay.
///
/// # Errors
/// The lock is not ours any more, or CloudFormation refuses.
pub fn remove_service(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    assembly: &Assembly,
) -> anyhow::Result<()> {
    destroy(context, lock, assembly, &service_stacks(context))
}

/// The stack of the service, and the stack that depends on it.
#[must_use]
pub fn service_stacks(context: &Context) -> [String; 2] {
    [Concern::Observability, Concern::Service].map(|concern| stacks::name(context, concern))
}

/// Destroys stacks.
///
/// # Errors
/// The lock is not ours any more, or CloudFormation refuses.
pub fn destroy(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    assembly: &Assembly,
    stacks: &[String],
) -> anyhow::Result<()> {
    if stacks.is_empty() {
        return Ok(());
    }
    lock.still_ours()?;
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

/// What `cdk diff` says of each stack: how the assembly differs from what is deployed.
///
/// # Errors
/// CDK fails.
pub fn diff(context: &Context, assembly: &Assembly) -> anyhow::Result<String> {
    let report = &context.report;
    // It compares all stacks where none is named. With `--ci`, what it found is on standard output,
    // and standard error has only what Node and CDK warn of.
    let output = cdk_on(context, "diff", assembly)?
        .arg("--ci")
        .timeout(DIFF_TIMEOUT)
        .output()?;
    let [found, warned] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let Differences { changes, notes } = Differences::of(&found);
    if output.status.success() {
        for line in warned.lines().chain(notes) {
            report.line("cdk", line);
        }
        return Ok(changes);
    }
    let text = format!("{found}{warned}");
    Err(anyhow::Error::msg(text).context(Failure::new(
        Code::Deploy,
        format!("the stacks of {} cannot be compared", context.environment),
    )))
}

/// What `cdk diff` found, apart from what it says about itself.
struct Differences<'a> {
    /// A section for each stack, which its name begins.
    changes: String,
    notes: Vec<&'a str>,
}

impl<'a> Differences<'a> {
    fn of(output: &'a str) -> Self {
        let mut sections: Vec<&str> = Vec::new();
        let mut notes = Vec::new();
        for line in output.lines() {
            let begins = line.starts_with("Stack ");
            if begins && !sections.is_empty() {
                sections.push("");
            }
            if ABOUT_CDK.iter().any(|note| line.starts_with(note)) || sections.is_empty() && !begins
            {
                notes.push(line);
            } else {
                sections.push(line);
            }
        }
        // Blank lines of CDK follow each section; one of ours separates two.
        sections.dedup_by(|next, before| next.is_empty() && before.is_empty());
        notes.retain(|line| !line.is_empty());
        Self {
            changes: sections.join("\n").trim_end().to_owned(),
            notes,
        }
    }
}

/// How lines begin that CDK writes between the sections of two stacks, about how it compares.
const ABOUT_CDK: [&str; 4] = [
    "Hold on while we create a read-only change set",
    "Could not create a change set",
    "Could not determine",
    "✨",
];

fn cdk_deploy(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    assembly: &Assembly,
    which: &[&str],
) -> anyhow::Result<()> {
    lock.still_ours()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::release::{Outcome, Release};
    use crate::deploy::serve;
    use crate::destination;
    use std::collections::BTreeMap;
    use std::path::Path;
    use xtask_core::report::{Report, Verbosity};

    #[test]
    fn what_cdk_says_about_itself_is_no_change() {
        let output = "[Warning at /S/T] something is deprecated
Hold on while we create a read-only change set to get a diff with accurate replacement information

Could not create a change set, will base the diff on template differences (run again with -v)

Stack S (aws://000000000000/us-east-1)
Resources
[+] AWS::SNS::Topic T


Could not create a change set, will base the diff on template differences (run again with -v)

Stack U
There were no differences


✨  Number of stacks with differences: 1

";
        let found = Differences::of(output);
        assert_eq!(
            found.changes,
            "Stack S (aws://000000000000/us-east-1)\nResources\n[+] AWS::SNS::Topic T\n\nStack U\nThere were no differences"
        );
        assert_eq!(found.notes.len(), 5, "{:?}", found.notes);
        assert_eq!(Differences::of("").changes, "");
    }

    /// Nothing here may reach a cloud or a registry, so each would fail in another way if it did
    /// not ask first.
    #[test]
    fn nothing_is_changed_without_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        let report = Report::new(false, Verbosity::Quiet);
        let context = Context::at(root.to_owned(), "local", true, report).unwrap();
        let lock = EnvironmentLock::lost(&context, folder.path());
        let service = Service {
            cluster: String::new(),
            name: String::new(),
            load_balancer: String::new(),
        };
        let content = "0".repeat(64);
        let mut release = Release::begin(
            String::new(),
            None,
            content,
            BTreeMap::new(),
            service.clone(),
        )
        .unwrap();
        release.outcome = Outcome::Succeeded;
        let image = format!("127.0.0.1:1/app@sha256:{}", "0".repeat(64));
        release.images.insert(
            "orchestrator".to_owned(),
            crate::deploy::release::Image {
                reference: image.clone(),
                key: String::new(),
            },
        );
        let assembly =
            Assembly::unpack(&serde_json::json!({}), &folder.path().join("out")).unwrap();
        let refused: [(&str, anyhow::Result<()>); 9] = [
            ("a record", release.save(&context, &lock, None)),
            ("a moving tag", serve::promote(&context, &lock, &release)),
            (
                "one moving tag",
                destination::move_tag(&context, Some(&lock), &image, "stable"),
            ),
            ("a definition", service.redefine(&context, &lock, "arn")),
            ("a repair", stacks::repair(&context, &lock)),
            (
                "all stacks",
                cdk_deploy(&context, &lock, &assembly, &["--all"]),
            ),
            (
                "one stack",
                deploy_alone(&context, &lock, &assembly, Concern::Registry),
            ),
            ("the way out", remove_service(&context, &lock, &assembly)),
            (
                "the account",
                crate::deploy::bootstrap::ensure(&context, &lock),
            ),
        ];
        for (what, refused) in refused {
            let rendered = Rendered::new(&refused.unwrap_err());
            assert_eq!(rendered.exit_code, Code::Busy as u8, "{what}: {rendered:?}");
            assert!(
                rendered.message.ends_with("so nothing more is changed"),
                "{what}: {rendered:?}"
            );
        }
    }
}
