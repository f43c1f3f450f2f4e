//! `cargo xtask secrets get`: prints a value, the only command that does.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::secrets::{Key, check_name};
use std::process::ExitCode;
use xtask_aws_api::calls::secrets::ReadSecret;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::questions;
use xtask_core::report::lines;
use xtask_machine::{aws, ministack};
use xtask_operate::secrets;

/// Print the value of a key, after a question or with --yes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    key: Key,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::None(
        "nothing: the command refuses `--json`, so that no log keeps a value. Use
        `secrets get SECRET KEY --yes`",
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let Key { secret, key } = &self.key;
        check_name(context, secret, Some(key))?;
        let name = &context.platform.secrets[secret].name;
        let refused = |why: &str| {
            let hint = format!(
                "cargo xtask secrets get {secret} {key} --env {} --yes > FILE",
                context.environment
            );
            Failure::new(Code::Refused, format!("{why}; nothing was printed")).hint(hint)
        };
        if context.report.json() {
            return Err(
                refused("secret values are never printed as JSON, which logs would keep").into(),
            );
        }
        // `CI=true` is not enough: the output of CI is kept and shown.
        if !context.yes_given {
            let question = format!(
                "Print the value of {key} of {name} in environment {}? [y/N] ",
                context.environment
            );
            match questions::line(&context.report, &question)?.as_deref() {
                Some("y" | "Y" | "yes") => {}
                Some(_) => return Err(refused("the answer was no").into()),
                None => return Err(refused("there is nobody to ask").into()),
            }
        }
        ministack::require_if_local(context)?;
        let request = ReadSecret {
            secret: secret.clone(),
        };
        let mut stored = aws::call(context, request).read()?.0;
        let value = stored
            .remove(key)
            .ok_or_else(|| secrets::missing(context, secret, key))?;
        // The report would copy the value to the summary of a workflow.
        lines::print_raw(value.reveal())?;
        Ok(ExitCode::SUCCESS)
    }
}
