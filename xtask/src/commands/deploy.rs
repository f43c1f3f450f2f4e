//! `cargo xtask deploy`: deploys the images that `validate` proved. If the new release does not
//! serve, the release from before is restored.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::validate;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::table;
use xtask_image::build;
use xtask_image::build::Outcome;
use xtask_image::key::short;
use xtask_machine::ministack::database;
use xtask_operate::cost;
use xtask_operate::deploy;
use xtask_operate::deploy::assembly::Assembly;
use xtask_operate::deploy::environment_lock::EnvironmentLock;
use xtask_operate::deploy::release;
use xtask_operate::deploy::release::{Image, Release};
use xtask_operate::deploy::rollout;
use xtask_operate::deploy::rollout::Service;
use xtask_operate::deploy::serve::serve;
use xtask_operate::deploy::{bootstrap, guards, stacks};
use xtask_operate::destination;
use xtask_operate::smoke::Seen;

/// This stack has the repositories of the images, so it comes before all others.
const REGISTRY: &str = "Registry";

/// Validate the images, deploy them, and use the result as a user would
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Deploy even if the same content serves already
    #[arg(long)]
    force: bool,
    /// Deploy this image from the registry of the environment instead of building it; all images must be given then
    #[arg(long = "image", value_name = "NAME=REFERENCE", value_parser = parse_image)]
    images: Vec<(String, String)>,
}

fn parse_image(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, reference)) if !name.is_empty() && !reference.is_empty() => {
            Ok((name.to_owned(), reference.to_owned()))
        }
        _ => Err("an image has the form NAME=REGISTRY/REPOSITORY@sha256:…"),
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

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"state":"deployed|unchanged","release":RELEASE,"smoke","seconds"}`, with `smoke` of
        `validate`, or `null` where nothing had to be done; with `--dry-run` the answer of
        `diff`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        run(&self, context)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    if args.dry_run {
        return crate::commands::diff::show(context);
    }
    guards::protected(context, "deploy")?;
    if context.is_local() {
        xtask_machine::require(context, xtask_machine::FOR_VALIDATE)?;
    }
    let lock = EnvironmentLock::take(context, "deploy")?;
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

    let release = Release::begin(
        lock.holder().owner.clone(),
        guards::revision(context),
        content,
        images,
        Service::of(context, &assembly)?,
    )?;
    let (release, seen) = serve(context, release, &assembly, &releases)?;
    let text = format!(
        "{}\ndeployed as release {} in {:.0} s: the job of a user ran as {}, and its application answered\n{}",
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
        "{}\nnothing to do: release {} has the same content and answers ({:.1} s)\n{}",
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
        // The registry's stack too may have been left half-way.
        stacks::repair(context)?;
        let names = build::select(context, &[])?;
        let registry_stack = stacks::name(context, REGISTRY);
        let is_new = stacks::show(context)?
            .iter()
            .any(|stack| stack.name == registry_stack && stack.status.is_none());
        if is_new {
            create_repositories(context)?;
        }
        let registry = destination::registry(context, destination::Registry::Environment, &names)?;
        let proved = images;
        images = build::all(context, &names, &registry, || {
            xtask_machine::require(context, xtask_machine::FOR_BUILD)
        })?;
        if images
            .iter()
            .zip(&proved)
            .any(|(now, then)| now.key != then.key)
        {
            return Err(Failure::new(
                Code::Build,
                "the sources changed after they were validated, so the built images are not proved",
            )
            .hint(format!("cargo xtask deploy --env {}", context.environment))
            .into());
        }
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
    destination::registry(context, destination::Registry::Environment, &names)?;
    let mut images = BTreeMap::new();
    for (name, reference) in wanted {
        images.insert(name.clone(), Image::find(context, reference)?);
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
    let references = destination::unbuilt(context);
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
