//! `cargo xtask secrets check`: checks that every required key is set and is not a placeholder.
//! The values stay in `xtask-aws`, which judges them.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::secrets::list;
use serde::Serialize;
use std::process::ExitCode;
use xtask_aws_api::calls::secrets::{ListSecrets, ListedSecrets, SecretState};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::{aws, ministack};

/// The result of `secrets check --json`.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    ok: bool,
    #[serde(flatten)]
    found: &'a ListedSecrets,
}

/// Check that all required keys are set and are not placeholders
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"ok","secrets":[{"id","name","exists",
        "keys":[{"key","required","state":"set|missing|placeholder"}]}]}`; exit code 9 where a
        required key is not `set`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        run(context)
    }
}

fn run(context: &Context) -> anyhow::Result<ExitCode> {
    ministack::require_if_local(context)?;
    let found = aws::call(context, ListSecrets {}).read()?;
    let wrong = found
        .secrets
        .iter()
        .flat_map(|secret| secret.keys.iter().map(move |key| (secret, key)))
        .find(|(_, key)| key.required && key.state != SecretState::Set);
    let checked = Checked {
        ok: wrong.is_none(),
        found: &found,
    };
    context.report.result(&checked, &list::text(&found))?;
    let Some((secret, key)) = wrong else {
        return Ok(ExitCode::SUCCESS);
    };
    if context.report.json() {
        // An error would print a second JSON object.
        return Ok(ExitCode::from(Code::Secret as u8));
    }
    let is = match key.state {
        SecretState::Placeholder => "holds a placeholder",
        SecretState::Missing | SecretState::Set => "is missing",
    };
    Err(Failure::new(
        Code::Secret,
        format!(
            "{} of secret {} {is} in environment {}",
            key.key, secret.name, context.environment
        ),
    )
    .hint(format!(
        "cargo xtask secrets set {} {} --env {} < FILE_WITH_THE_VALUE",
        secret.id, key.key, context.environment
    ))
    .into())
}
