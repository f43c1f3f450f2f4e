//! One release from its first record to its last, whether it goes forward or back: deployed,
//! used as a user would, tagged and recorded, or put right where it does not serve.

use crate::deploy::assembly::Assembly;
use crate::deploy::release;
use crate::deploy::release::{Outcome, Release};
use crate::deploy::rollout;
use crate::deploy::rollout::Serving;
use crate::deploy::stacks;
use crate::deploy::{deploy_again, folder, orchestrator_key};
use crate::destination;
use crate::smoke;
use crate::smoke::{Seen, SmokeTest};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, Rendered};

/// The tag of what passed every test of its environment.
const STABLE_TAG: &str = "stable";

/// Brings a release to serve users; `history` is what was released before it. Returns its
/// record and what the smoke test saw.
///
/// # Errors
/// It does not serve, or cannot be recorded. What served before does again then, unless we
/// were interrupted: the next deploy goes on from there.
pub fn serve(
    context: &Context,
    mut release: Release,
    assembly: &Assembly,
    history: &[Release],
) -> anyhow::Result<(Release, Seen)> {
    // First: whatever ends us, the next command knows that something was begun.
    release.save(context, None)?;
    let served = orchestrator_key(context, &release)
        .and_then(|key| rollout::roll_out(context, assembly, key))
        .and_then(|serving| Ok((use_it(context, &release, &serving)?, serving)));
    let (seen, serving) = match served {
        Ok(served) => served,
        Err(error) => return Err(fall_back(context, release, assembly, history, error)),
    };
    release.task_definition = Some(serving.task_definition);
    release.url = Some(serving.url);
    end(context, &mut release, Outcome::Succeeded)?;
    release.save(context, Some(&assembly.pack()?))?;
    promote(context, &release)?;
    Ok((release, seen))
}

/// Uses what was deployed as a user would, and makes sure that the cloud ran the job.
fn use_it(context: &Context, release: &Release, serving: &Serving) -> anyhow::Result<Seen> {
    let test = SmokeTest::new(context, &serving.base_url, &folder(context, "smoke"));
    let seen = test.generate(|| Ok(()))?;
    let generator = release.image(context.platform.generator().image.get_ref())?;
    let cluster = &release.service.cluster;
    smoke::ran_as_task(context, &seen, cluster, &generator.reference)?;
    Ok(seen)
}

/// Tags for people: what serves the environment, and what passed all its tests.
#[must_use]
pub fn tags(context: &Context) -> [&str; 2] {
    [&context.environment, STABLE_TAG]
}

/// Puts the tags on what a release consists of.
///
/// # Errors
/// The registry refuses.
pub fn promote(context: &Context, release: &Release) -> anyhow::Result<()> {
    for image in release.images.values() {
        for tag in tags(context) {
            destination::move_tag(context, &image.reference, tag)?;
        }
    }
    Ok(())
}

/// Stamps a release that is over.
///
/// # Errors
/// The clock is beyond what a date can say.
pub fn end(context: &Context, release: &mut Release, outcome: Outcome) -> anyhow::Result<()> {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0)?;
    release.at = now.format(&Rfc3339)?;
    release.seconds = context.report.elapsed_secs();
    release.outcome = outcome;
    Ok(())
}

/// Puts right what a release left that does not serve, and records it. Returns the error to
/// end with: why it does not serve, and what does now.
fn fall_back(
    context: &Context,
    mut release: Release,
    assembly: &Assembly,
    history: &[Release],
    error: anyhow::Error,
) -> anyhow::Error {
    let report = &context.report;
    let why = Rendered::new(&error);
    if why.exit_code == Code::Interrupted as u8 {
        report.step("stopped half-way: `cargo xtask deploy` goes on from here");
        return error;
    }
    report.step(&format!(
        "release {} does not serve: {}",
        release.id, why.message
    ));
    let mut outcome = Outcome::Failed;
    let now = match release::current(history) {
        Some(good) => match restore(context, good) {
            Ok(serving) => {
                outcome = Outcome::RolledBack;
                release.task_definition = Some(serving.task_definition);
                format!("release {} serves again", good.id)
            }
            Err(also) => format!("going back to release {} failed too: {also:#}", good.id),
        },
        // What starts and ends for ever must not go on; what only fails a test may be looked at.
        None if why.exit_code == Code::Smoke as u8 => "nothing was there to go back to".to_owned(),
        None => match rollout::remove_service(context, assembly) {
            Ok(()) => "nothing was there to go back to; the service was removed".to_owned(),
            Err(also) => format!("removing the service failed too: {also:#}"),
        },
    };
    let reason: Vec<String> = [why.message].into_iter().chain(why.causes).collect();
    release.reason = Some(reason.join(": "));
    let recorded = end(context, &mut release, outcome).and_then(|()| release.save(context, None));
    if let Err(also) = recorded {
        report.step(&format!("failed to record the release: {also:#}"));
    }
    let failure = Failure::new(Code::Deploy, format!("release {}: {now}", release.id));
    failure.because(error).into()
}

/// Goes back to a release that served: its task definition serves again at once, and the
/// stacks follow.
fn restore(context: &Context, good: &Release) -> anyhow::Result<Serving> {
    let report = &context.report;
    report.step(&format!("go back to release {}", good.id));
    let now = good.service.definition(context)?;
    if let (Some(wanted), Some(_)) = (&good.task_definition, &now)
        && now.as_ref() != Some(wanted)
        && let Err(error) = good.service.redefine(context, wanted)
    {
        // CloudFormation may have deregistered it already; then its stacks bring it back.
        report.step(&format!("not at once: {error:#}"));
    }
    // Also a stack whose own way back failed.
    stacks::repair(context)?;
    deploy_again(context, good)
}
