//! `cargo xtask deploy`: deploys the images that `validate` proved. If the new release does not
//! serve, the release from before is restored.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::shown;
use crate::commands::shown::difference;
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_machine::ministack::database;
use xtask_operate::cost;
use xtask_operate::deploy::assembly::Assembly;
use xtask_operate::deploy::environment_lock::EnvironmentLock;
use xtask_operate::deploy::export::Sources;
use xtask_operate::deploy::folder::deploy_folder;
use xtask_operate::deploy::release;
use xtask_operate::deploy::release::Release;
use xtask_operate::deploy::serve::serve;
use xtask_operate::deploy::service::Service;
use xtask_operate::deploy::{bootstrap, guards, images, stacks, unchanged};
use xtask_operate::providers;
use xtask_operate::providers::NamedIn;
use xtask_operate::secrets;
use xtask_operate::smoke::Seen;

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
        if self.dry_run {
            difference::show(context)?;
        } else {
            deploy(&self, context)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn deploy(args: &Args, context: &Context) -> anyhow::Result<()> {
    guards::protected(context, "deploy")?;
    guards::closed_to_strangers(context)?;
    if context.is_local() {
        xtask_machine::require(context, xtask_machine::FOR_VALIDATE)?;
    }
    let lock = EnvironmentLock::take(context, "deploy")?;
    let revision = guards::revision(context);
    let sources = Sources::of(context)?;
    let context = sources.context();
    if let Some(chosen) = providers::of_orchestrator(context) {
        providers::require(context, &chosen, NamedIn::Manifest)?;
    }
    let images = if args.images.is_empty() {
        images::validated(context, &lock)?
    } else {
        images::given(context, &args.images)?
    };
    let content = unchanged::content(context, &images)?;
    let releases = release::list(context)?;
    if !args.force
        && let Some(release) = unchanged::serving_already(context, &content, &releases)?
    {
        return report_unchanged(context, release);
    }
    secrets::require_all(context)?;
    let assembly = Assembly::synthesise(
        context,
        &images::references(&images),
        &deploy_folder(context, "assembly"),
    )?;
    cost::check(&cost::month(
        &context.platform,
        &context.environment,
        Some(assembly.folder()),
    )?)?;
    bootstrap::ensure(context, &lock)?;
    if context.is_local() {
        database::ensure(context)?;
    }
    stacks::repair(context, &lock)?;

    let release = Release::begin(
        lock.holder().owner.clone(),
        revision,
        content,
        images,
        Service::of(context, &assembly)?,
    )?;
    let (release, seen) = serve(context, &lock, release, &assembly, &releases)?;
    let application = match context.is_local() {
        true => "answered",
        false => "arrived",
    };
    let text = format!(
        "{}\ndeployed as release {} in {:.0} s: the job of a user ran as {}, and its application {application}\n{}",
        shown::images::of_release(&release),
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

/// Ends the command where the same content serves already.
fn report_unchanged(context: &Context, release: Release) -> anyhow::Result<()> {
    let text = format!(
        "{}\nnothing to do: release {} has the same content and answers ({:.1} s)\n{}",
        shown::images::of_release(&release),
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
