//! `cargo xtask secrets list`: shows which keys exist, without their values.

use crate::commands::command::{Answer, Changes, Command};
use std::process::ExitCode;
use xtask_aws_api::calls::secrets::{ListSecrets, ListedKey, ListedSecret, ListedSecrets};
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_machine::{aws, ministack};

/// Show which keys exist and which are required, but not their values
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"secrets":[{"id","name","exists",
        "keys":[{"key","required","state":"set|missing|placeholder"}]}]}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        ministack::require_if_local(context)?;
        let listed = aws::call(context, ListSecrets {}).read()?;
        context.report.result(&listed, &text(&listed))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A row for each key.
pub(super) fn text(listed: &ListedSecrets) -> String {
    let row = |secret: &ListedSecret, key: &ListedKey| {
        vec![
            secret.name.clone(),
            key.key.clone(),
            if key.required { "yes" } else { "no" }.to_owned(),
            key.state.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = listed
        .secrets
        .iter()
        .flat_map(|secret| secret.keys.iter().map(move |key| row(secret, key)))
        .collect();
    table(&["secret", "key", "required", "value"], &rows)
}
