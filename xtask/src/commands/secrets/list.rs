//! `cargo xtask secrets list`: shows which keys exist, without their values.

use crate::commands::command::{Answer, Changes, Command};
use std::process::ExitCode;
use xtask_aws_api::calls::secrets::ListSecrets;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_machine::{aws, ministack};

/// Show which keys exist and which are required, but not their values
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"secrets":[{"id","name","exists","keys":[{"key","present","required"}]}]}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        ministack::require_if_local(context)?;
        let listing = aws::call(context, ListSecrets {}).read()?;
        let yes_no = |value: bool| if value { "yes" } else { "no" }.to_owned();
        let rows: Vec<Vec<String>> = listing
            .secrets
            .iter()
            .flat_map(|secret| {
                secret.keys.iter().map(|key| {
                    vec![
                        secret.name.clone(),
                        key.key.clone(),
                        yes_no(key.present),
                        yes_no(key.required),
                    ]
                })
            })
            .collect();
        let text = table(&["secret", "key", "present", "required"], &rows);
        context.report.result(&listing, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
