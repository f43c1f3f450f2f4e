//! The life of a release, for a deploy and for a rollback: it is recorded, deployed, used as a user
//! does, tagged, and recorded again. If it does not serve, the release before it is restored.

use crate::deploy::assembly::Assembly;
use crate::deploy::environment_lock::EnvironmentLock;
use crate::deploy::folder::deploy_folder;
use crate::deploy::release;
use crate::deploy::release::{Outcome, Release};
use crate::deploy::rollout;
use crate::deploy::rollout::Serving;
use crate::deploy::stacks;
use crate::destination;
use crate::smoke;
use crate::smoke::{Seen, SmokeTest, Wanted};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, Rendered};

/// The moving tag of images that have passed all tests of their environment.
const STABLE_TAG: &str = "stable";

/// Brings a release to serve users. `history` are the releases before it. Returns the release as it
/// ended, and what the smoke test saw.
///
/// # Errors
/// It does not serve, or cannot be recorded. Then the release before it serves again, unless we
/// were interrupted: in that case the next deploy continues.
pub fn serve(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    mut release: Release,
    assembly: &Assembly,
    history: &[Release],
) -> anyhow::Result<(Release, Seen)> {
    // Recorded first, so that the next command knows of it even if we are killed.
    release.save(context, lock, None)?;
    let served = release
        .orchestrator_key(context)
        .and_then(|key| rollout::roll_out(context, lock, assembly, key))
        .and_then(|serving| Ok((use_it(context, &release, &serving)?, serving)));
    let (seen, serving) = match served {
        Ok(served) => served,
        Err(error) => return Err(recover(context, lock, release, assembly, history, error)),
    };
    release.task_definition = Some(serving.task_definition);
    release.url = Some(serving.url);
    end(context, &mut release, Outcome::Succeeded)?;
    release.save(context, lock, Some(&assembly.pack()?))?;
    promote(context, lock, &release)?;
    Ok((release, seen))
}

/// Runs the smoke test, and checks that the cloud ran its job.
fn use_it(context: &Context, release: &Release, serving: &Serving) -> anyhow::Result<Seen> {
    let test = SmokeTest::new(context, &serving.base_url, &deploy_folder(context, "smoke"));
    let seen = test.generate(&Wanted::FROM_TEMPLATE, || Ok(()))?;
    let generator = release.image(context.platform.generator().image.get_ref())?;
    let cluster = &release.service.cluster;
    smoke::ran_as_task(context, &seen, cluster, &generator.reference)?;
    Ok(seen)
}

/// The moving tags of an environment: its name, and `stable`.
#[must_use]
pub fn tags(context: &Context) -> [&str; 2] {
    [&context.environment, STABLE_TAG]
}

/// Points the moving tags at the images of a release.
///
/// # Errors
/// The lock is not ours any more, or the registry refuses.
pub fn promote(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    release: &Release,
) -> anyhow::Result<()> {
    for image in release.images.values() {
        for tag in tags(context) {
            destination::move_tag(context, Some(lock), &image.reference, tag)?;
        }
    }
    Ok(())
}

/// Notes how and when a release ended.
///
/// # Errors
/// The clock is beyond the years that a date can have.
pub fn end(context: &Context, release: &mut Release, outcome: Outcome) -> anyhow::Result<()> {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0)?;
    release.at = now.format(&Rfc3339)?;
    release.seconds = context.report.elapsed_secs();
    release.outcome = outcome;
    Ok(())
}

/// Restores the release before one that does not serve, and records that. Returns the error to end
/// with: what serves now, and why the new release does not.
fn recover(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    mut release: Release,
    assembly: &Assembly,
    history: &[Release],
    error: anyhow::Error,
) -> anyhow::Error {
    let report = &context.report;
    let why = Rendered::new(&error);
    if why.exit_code == Code::Interrupted as u8 {
        report.step("interrupted: `cargo xtask deploy` continues from here");
        return error;
    }
    if let Err(lost) = lock.still_ours() {
        report.step(&format!("release {} was given up: {error:#}", release.id));
        return lost;
    }
    report.step(&format!(
        "release {} does not serve: {}",
        release.id, why.message
    ));
    let mut outcome = Outcome::Failed;
    let now = match release::current(history) {
        Some(good) => match restore(context, lock, good) {
            Ok(serving) => {
                outcome = Outcome::RolledBack;
                release.task_definition = Some(serving.task_definition);
                format!("release {} serves again", good.id)
            }
            Err(also) => format!("going back to release {} failed too: {also:#}", good.id),
        },
        // A service that only fails the smoke test may be looked at; tasks that never start must
        // not be started for ever.
        None if why.exit_code == Code::Smoke as u8 => {
            "there is no earlier release to go back to".to_owned()
        }
        None => match rollout::remove_service(context, lock, assembly) {
            Ok(()) => {
                "there is no earlier release to go back to, and the service was removed".to_owned()
            }
            Err(also) => format!("removing the service failed too: {also:#}"),
        },
    };
    let reason: Vec<String> = [why.message].into_iter().chain(why.causes).collect();
    release.reason = Some(reason.join(": "));
    let recorded =
        end(context, &mut release, outcome).and_then(|()| release.save(context, lock, None));
    if let Err(also) = recorded {
        report.step(&format!("failed to record the release: {also:#}"));
    }
    let failure = Failure::new(Code::Deploy, format!("release {}: {now}", release.id));
    failure.because(error).into()
}

/// Goes back to a release that served: first only its task definition, so that it serves again as
/// soon as possible, then its stacks.
fn restore(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    good: &Release,
) -> anyhow::Result<Serving> {
    let report = &context.report;
    report.step(&format!("go back to release {}", good.id));
    let now = good.service.definition(context)?;
    if let (Some(wanted), Some(_)) = (&good.task_definition, &now)
        && now.as_ref() != Some(wanted)
        && let Err(error) = good.service.redefine(context, lock, wanted)
    {
        // CloudFormation may have deregistered the task definition; then its stack brings it back.
        report.step(&format!(
            "its task definition cannot be used again before its stacks are deployed: {error:#}"
        ));
    }
    // CloudFormation may have failed to roll back a stack.
    stacks::repair(context, lock)?;
    let packed = release::assembly(context, good)?;
    let assembly = Assembly::unpack(&packed, &deploy_folder(context, "restored"))?;
    rollout::roll_out(context, lock, &assembly, good.orchestrator_key(context)?)
}
