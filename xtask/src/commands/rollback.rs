//! `cargo xtask rollback`: deploys an earlier release again, from the templates and digests that
//! were stored with it.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::shown::images;
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::ministack::database;
use xtask_operate::deploy::assembly::Assembly;
use xtask_operate::deploy::environment_lock::EnvironmentLock;
use xtask_operate::deploy::folder::deploy_folder;
use xtask_operate::deploy::release;
use xtask_operate::deploy::release::{Image, Release};
use xtask_operate::deploy::serve::serve;
use xtask_operate::deploy::{guards, stacks};
use xtask_operate::destination;
use xtask_operate::smoke::Seen;

/// Return to the release that served before
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Release to return to [default: the one before the release that serves]
    #[arg(long, value_name = "RELEASE")]
    to: Option<String>,
}

/// The result of `rollback --json`.
#[derive(Debug, Serialize)]
struct RolledBack {
    release: Release,
    smoke: Seen,
    seconds: f64,
}

/// The error of a rollback that would open the environment again.
fn open_to_everybody(goal: &Release) -> Failure {
    Failure::new(
        Code::Refused,
        format!(
            "release {} lets everybody on the internet in, and asks nobody for a login",
            goal.id
        ),
    )
    .hint("check out its revision, which cargo xtask releases names, write allowed_cidrs into platform.toml, and deploy it")
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer =
        Answer::Object(r#"`{"release":RELEASE,"smoke","seconds"}`, with `smoke` of `validate`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "rollback")?;
        if context.is_local() {
            xtask_machine::require(context, xtask_machine::FOR_VALIDATE)?;
        }
        let lock = EnvironmentLock::take(context, "rollback")?;
        let releases = release::list(context)?;
        let goal = release::before(&releases, self.to.as_deref())?;
        context
            .report
            .step(&format!("return to release {} of {}", goal.id, goal.at));
        // This logs the engine in where the registry requires it.
        destination::asked(context, destination::Registry::Environment)?;
        for image in goal.images.values() {
            Image::find(context, &image.reference)?;
        }
        if context.is_local() {
            database::ensure(context)?;
        }
        stacks::repair(context, &lock)?;

        let packed = release::assembly(context, goal)?;
        let assembly = Assembly::unpack(&packed, &deploy_folder(context, "assembly"))?;
        if !context.is_local() && assembly.lets_everybody_in(context)? {
            return Err(open_to_everybody(goal).into());
        }
        let release = goal.back_to(lock.holder().owner.clone())?;
        let (release, seen) = serve(context, &lock, release, &assembly, &releases)?;
        let text = format!(
            "{}\nrelease {} serves again, as release {} ({:.0} s)\n{}",
            images::of_release(&release),
            goal.id,
            release.id,
            release.seconds,
            release.url.as_deref().unwrap_or_default()
        );
        let rolled_back = RolledBack {
            seconds: release.seconds,
            release,
            smoke: seen,
        };
        context.report.result(&rolled_back, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
