//! `cargo xtask deploy`: take what validate proved to a service that answers users, or
//! back to what answered before.

use super::validate;
use crate::engine::build::{self, Outcome, buildx};
use crate::engine::context::Context;
use crate::engine::cost;
use crate::engine::deploy::assembly::Assembly;
use crate::engine::deploy::environment_lock::EnvironmentLock;
use crate::engine::deploy::release::{self, Image, Release};
use crate::engine::deploy::rollout::{self, Service, Serving};
use crate::engine::deploy::{self, bootstrap, guards, stacks};
use crate::engine::error::{Code, Failure, FailureContext as _, Rendered};
use crate::engine::key::short;
use crate::engine::registry::Repository;
use crate::engine::report::table;
use crate::engine::smoke::{self, Seen, SmokeTest};
use crate::engine::target;
use crate::local::{self, database};
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The tag of what passed every test of its environment.
const STABLE_TAG: &str = "stable";
/// Its repositories take the images, so it is there before all others.
const REGISTRY: &str = "Registry";
/// Arguments of `deploy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Also where the same content serves already
    #[arg(long)]
    force: bool,
    /// Deploy this image by its digest instead of building one; then all images must be
    /// given. What one environment proved goes to the next this way
    #[arg(long = "image", value_name = "NAME=REFERENCE", value_parser = parse_image)]
    images: Vec<(String, String)>,
}

fn parse_image(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, reference)) if !name.is_empty() && !reference.is_empty() => {
            Ok((name.to_owned(), reference.to_owned()))
        }
        _ => Err("an image is NAME=REGISTRY/REPOSITORY@sha256:…"),
    }
}

/// The result of `deploy --json`.
#[derive(Debug, Serialize)]
struct Deployed {
    /// `deployed`, or `unchanged` where it served already.
    state: &'static str,
    release: Release,
    /// What the smoke test saw; absent where it did not run.
    smoke: Option<Seen>,
    seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// A guard refuses, or what was deployed does not serve; what served before does again then.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    if args.dry_run {
        return super::diff::show(context);
    }
    guards::protected(context, "deploy")?;
    if context.is_local() {
        local::require(context, local::FOR_VALIDATE)?;
    }
    let lock = EnvironmentLock::take(context, "deploy")?;
    deploy::end_leftovers(context);
    let images = if args.images.is_empty() {
        prove(context)?
    } else {
        given(context, &args.images)?
    };
    let content = deploy::content(context, &images)?;
    let releases = release::list(context)?;
    if !args.force
        && let Some(release) = deploy::serving_already(context, &content, &releases)?
    {
        return unchanged(context, release);
    }
    validate::check_secrets(context)?;
    let assembly = Assembly::synthesise(
        context,
        &references(&images),
        &deploy::folder(context, "assembly"),
    )?;
    cost::check(&cost::month(
        &context.platform,
        &context.environment,
        Some(assembly.folder()),
    )?)?;
    bootstrap::ensure(context)?;
    if context.is_local() {
        database::ensure(context)?;
    }
    stacks::repair(context)?;

    let service = Service::of(context, &assembly)?;
    let before = service.definition(context)?;
    let key = images[context.platform.orchestrator().image.get_ref()]
        .key
        .clone();
    let mut release = Release {
        id: Release::new_id(&content)?,
        at: String::new(),
        by: lock.holder().owner.clone(),
        git: guards::revision(context),
        content,
        images,
        service,
        task_definition: None,
        outcome: release::Outcome::Succeeded,
        reason: None,
        restores: None,
        url: None,
        seconds: 0.0,
    };
    let served = rollout::roll_out(context, &assembly, &key)
        .and_then(|serving| Ok((smoke(context, &release, &serving)?, serving)));
    let (seen, serving) = match served {
        Ok(served) => served,
        Err(error) => {
            return Err(fall_back(
                context,
                release,
                &assembly,
                before.as_deref(),
                &releases,
                error,
            ));
        }
    };
    keep(context, &mut release, serving, &assembly)?;
    let text = format!(
        "{}\ndeployed as release {} in {:.0} s: a user's job ran as {} and its application answered\n{}",
        summary(&release),
        release.id,
        release.seconds,
        seen.task,
        release.url.as_deref().unwrap_or_default()
    );
    let deployed = Deployed {
        state: "deployed",
        seconds: release.seconds,
        release,
        smoke: Some(seen),
    };
    context.report.result(&deployed, &text)
}

/// Nothing to do: what is wanted serves already.
fn unchanged(context: &Context, release: Release) -> anyhow::Result<()> {
    let text = format!(
        "{}\nnothing to do: release {} has exactly this, and it answers ({:.1} s)\n{}",
        summary(&release),
        release.id,
        context.report.elapsed_secs(),
        release.url.as_deref().unwrap_or_default()
    );
    let deployed = Deployed {
        state: "unchanged",
        release,
        smoke: None,
        seconds: context.report.elapsed_secs(),
    };
    context.report.result(&deployed, &text)
}

/// Images that a validation on this machine proved, in the registry of the environment.
fn prove(context: &Context) -> anyhow::Result<BTreeMap<String, Image>> {
    let here = context.in_environment("local")?;
    let mut images = validate::validate(&validate::Args::default(), &here)?
        .0
        .images;
    if !context.is_local() {
        let names = build::select(context, &[])?;
        let registry_stack = stacks::name(context, REGISTRY);
        let is_new = stacks::show(context)?
            .iter()
            .any(|stack| stack.name == registry_stack && stack.status.is_none());
        if is_new {
            create_repositories(context)?;
        }
        let registry = target::registry(context, target::Registry::Environment, &names)?;
        images = build::all(context, &names, &registry)?;
    }
    let image = |outcome: Outcome| {
        let image = Image {
            reference: outcome.reference,
            key: outcome.key,
        };
        (outcome.image, image)
    };
    Ok(images.into_iter().map(image).collect())
}

/// Images that were built and proved elsewhere: for the right platform, each with its key.
fn given(
    context: &Context,
    wanted: &[(String, String)],
) -> anyhow::Result<BTreeMap<String, Image>> {
    let names: Vec<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
    build::select(context, &names)?;
    target::registry(context, target::Registry::Environment, &names)?;
    let mut images = BTreeMap::new();
    for (name, reference) in wanted {
        let (repository, digest) = Repository::of_reference(reference)?;
        let key = buildx::carried_key(&repository, digest, &context.platform.platform)?;
        let reference = reference.clone();
        images.insert(name.clone(), Image { reference, key });
    }
    match context
        .platform
        .images
        .keys()
        .find(|&name| !images.contains_key(name))
    {
        None => Ok(images),
        Some(missing) => Err(Failure::new(
            Code::Usage,
            format!("image `{missing}` is not given, but others are"),
        )
        .hint(format!(
            "add --image {missing}=REGISTRY/REPOSITORY@sha256:…"
        ))
        .into()),
    }
}

/// The repositories of a new environment, before there is anything to put into them.
fn create_repositories(context: &Context) -> anyhow::Result<()> {
    bootstrap::ensure(context)?;
    let references = target::unbuilt(context);
    let folder = deploy::folder(context, "repositories");
    let assembly = Assembly::synthesise(context, &references, &folder)?;
    rollout::deploy_alone(context, &assembly, REGISTRY)
}

fn references(images: &BTreeMap<String, Image>) -> BTreeMap<String, String> {
    images
        .iter()
        .map(|(name, image)| (name.clone(), image.reference.clone()))
        .collect()
}

/// Uses what was deployed as a user would, and makes sure that the cloud ran the job.
pub(super) fn smoke(
    context: &Context,
    release: &Release,
    serving: &Serving,
) -> anyhow::Result<Seen> {
    let folder = deploy::folder(context, "smoke");
    let seen = SmokeTest::new(context, &serving.base_url, &folder).generate(|| Ok(()))?;
    let generator = &release.images[context.platform.generator().image.get_ref()];
    smoke::ran_as_task(
        context,
        &seen,
        &release.service.cluster,
        &generator.reference,
    )?;
    Ok(seen)
}

/// Tags for people: what serves the environment, and what passed all its tests.
pub(super) fn tags(context: &Context) -> [&str; 2] {
    [&context.environment, STABLE_TAG]
}

/// Puts the tags on what a release consists of.
pub(super) fn promote(context: &Context, release: &Release) -> anyhow::Result<()> {
    for image in release.images.values() {
        for tag in tags(context) {
            target::move_tag(context, &image.reference, tag)?;
        }
    }
    Ok(())
}

/// Records a release that serves.
pub(super) fn keep(
    context: &Context,
    release: &mut Release,
    serving: Serving,
    assembly: &Assembly,
) -> anyhow::Result<()> {
    release.task_definition = Some(serving.task_definition);
    release.url = Some(serving.url);
    promote(context, release)?;
    end(context, release)?;
    release.save(context, Some(&assembly.pack()?))
}

/// Stamps a release that is over.
fn end(context: &Context, release: &mut Release) -> anyhow::Result<()> {
    release.at = OffsetDateTime::now_utc()
        .replace_nanosecond(0)?
        .format(&Rfc3339)?;
    release.seconds = context.report.elapsed_secs();
    Ok(())
}

/// Puts right what a release left that does not serve, and records it. Returns the error to
/// end with: why it does not serve, and what does now.
pub(super) fn fall_back(
    context: &Context,
    mut release: Release,
    assembly: &Assembly,
    before: Option<&str>,
    releases: &[Release],
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
    release.outcome = release::Outcome::Failed;
    release.reason = Some(
        [why.message]
            .into_iter()
            .chain(why.causes)
            .collect::<Vec<_>>()
            .join(": "),
    );
    let now = match release::current(releases) {
        Some(good) => match deploy::restore(context, &release.service, before, good) {
            Ok(serving) => {
                release.outcome = release::Outcome::RolledBack;
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
    let recorded = end(context, &mut release).and_then(|()| release.save(context, None));
    if let Err(also) = recorded {
        report.step(&format!("failed to record the release: {also:#}"));
    }
    Err::<(), _>(error)
        .failure(|| Failure::new(Code::Deploy, format!("release {}: {now}", release.id)))
        .err()
        .unwrap_or_else(|| anyhow::anyhow!("release {}: {now}", release.id))
}

/// The images of a release, as a table.
pub(super) fn summary(release: &Release) -> String {
    let rows: Vec<Vec<String>> = release
        .images
        .iter()
        .map(|(name, image)| {
            vec![
                name.clone(),
                short(&image.key).to_owned(),
                image.reference.clone(),
            ]
        })
        .collect();
    table(&["image", "key", "digest"], &rows)
}
