//! `cargo xtask promote`: points the moving tags of an environment, which people use, at the
//! images of a release.

use crate::commands::command::{Answer, Changes, Command};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_operate::deploy::environment_lock::EnvironmentLock;
use xtask_operate::deploy::{guards, release, serve};
use xtask_operate::destination;

/// Point the environment's moving tags at the images of a release
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Release whose images get the tags [default: the release that serves]
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(r#"`{"release","tags":[TAG]}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "promote")?;
        if context.is_local() {
            xtask_machine::ministack::require(context)?;
        }
        // A deploy moves the same tags.
        let lock = EnvironmentLock::take(context, "promote")?;
        let releases = release::list(context)?;
        let chosen = match &self.release {
            Some(id) => release::before(&releases, Some(id))?,
            None => release::current(&releases).ok_or_else(|| {
                Failure::new(
                    Code::Usage,
                    "nothing has been deployed, so nothing can be promoted",
                )
                .hint("cargo xtask deploy")
            })?,
        };
        // This logs the engine in where the registry requires it.
        destination::asked(context, destination::Registry::Environment)?;
        serve::promote(context, &lock, chosen)?;
        context.report.result(
            &serde_json::json!({ "release": chosen.id, "tags": serve::tags(context) }),
            &format!(
                "{} now point at the images of release {}",
                serve::tags(context).join(" and "),
                chosen.id
            ),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
