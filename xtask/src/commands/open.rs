//! `cargo xtask open`: prints the address of the deployed application.

use crate::commands::command::{Answer, Changes, Command};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_operate::deploy::{health, release};

/// Print the address of the deployed application
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(r#"`{"url"}`; exit code 10 where nothing answers"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if context.is_local() {
            xtask_machine::ministack::require(context)?;
        }
        let name = &context.environment;
        let releases = release::list(context)?;
        let Some(current) = release::current(&releases) else {
            return Err(Failure::new(
                Code::Deploy,
                format!("nothing has been deployed to environment {name}"),
            )
            .hint(format!("cargo xtask deploy --env {name}"))
            .into());
        };
        let (url, base_url) = current.service.addresses(context)?;
        let app = current.image(context.platform.orchestrator().image.get_ref())?;
        if !health::is_served(context, &base_url, &app.key) {
            return Err(Failure::new(
                Code::Deploy,
                format!("release {} does not answer at {url}", current.id),
            )
            .hint(format!("cargo xtask deploy --env {name}"))
            .into());
        }
        context
            .report
            .result(&serde_json::json!({ "url": url }), &url)?;
        Ok(ExitCode::SUCCESS)
    }
}
