//! `cargo xtask secrets remove`: removes a key or a whole secret.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::secrets::check_name;
use std::process::ExitCode;
use xtask_aws_api::calls::secrets::RemoveSecret;
use xtask_core::context::Context;
use xtask_machine::{aws, ministack};
use xtask_operate::deploy::guards;
use xtask_operate::secrets;

/// Remove a key, or a whole secret
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Secret of platform.toml, for example `orchestrator`
    secret: String,
    /// Key of that secret [default: the whole secret]
    key: Option<String>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"secret","key","removed","needs_deploy":BOOL}`; `key` is `null` for a whole secret;
            where `needs_deploy`, tasks that were deployed with a removed key do not start before
            the next `deploy`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        remove(context, &self.secret, self.key.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn remove(context: &Context, secret: &str, key: Option<&str>) -> anyhow::Result<()> {
    check_name(context, secret, key)?;
    let name = &context.platform.secrets[secret].name;
    let what = match key {
        Some(key) => format!("{key} of {name}"),
        None => format!("all of {name}"),
    };
    let words: Vec<&str> = ["secrets", "remove", secret]
        .into_iter()
        .chain(key)
        .collect();
    guards::said_yes(context, &words.join(" "))?;
    guards::confirm(
        context,
        &format!(
            "this removes {what} from environment {}",
            context.environment
        ),
    )?;
    ministack::require_if_local(context)?;
    let request = RemoveSecret {
        secret: secret.to_owned(),
        key: key.map(str::to_owned),
    };
    let mut removed = false;
    let needs_deploy = secrets::needs_deploy(context, || {
        removed = aws::call(context, request).read()?.removed;
        Ok(())
    })?;
    let environment = &context.environment;
    let mut text = match removed {
        true => format!("{what} is removed from environment {environment}"),
        false => format!("{what} does not exist in environment {environment}"),
    };
    if needs_deploy {
        let deploy = format!("cargo xtask deploy --env {environment}");
        text += &format!("; tasks that were deployed with it do not start before {deploy}");
    }
    context.report.result(
        &serde_json::json!({
            "secret": name,
            "key": key,
            "removed": removed,
            "needs_deploy": needs_deploy,
        }),
        &text,
    )
}
