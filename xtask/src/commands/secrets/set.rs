//! `cargo xtask secrets set`: stores a new value.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::secrets::{Key, check_name};
use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::questions;
use xtask_machine::ministack;
use xtask_operate::secrets;

/// A secret cannot hold a larger value.
const VALUE_LIMIT_BYTES: u64 = 64 * 1024;
/// Of the longer line end, which is not part of the value.
const LINE_END_BYTES: u64 = 2;

/// Set a key to a value that is read from standard input, or typed without being shown
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    key: Key,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"secret","key","set":true,"needs_deploy":BOOL}`; where `needs_deploy`, tasks get the
        key from the next `deploy` on"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let Key { secret, key } = &self.key;
        check_name(context, secret, Some(key))?;
        let value = value(context, secret, key)?;
        ministack::require_if_local(context)?;
        let store = || secrets::store(context, secret, key, value);
        let needs_deploy = secrets::needs_deploy(context, store)?;
        let environment = &context.environment;
        let then = match needs_deploy {
            true => format!("; cargo xtask deploy --env {environment} hands it to tasks"),
            false => String::new(),
        };
        let name = &context.platform.secrets[secret].name;
        context.report.result(
            &serde_json::json!({
                "secret": name,
                "key": key,
                "set": true,
                "needs_deploy": needs_deploy,
            }),
            &format!("{key} of {name} is set in environment {environment}{then}"),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A new value: typed without being shown, or standard input, each without its line end.
pub(super) fn value(context: &Context, secret: &str, key: &str) -> anyhow::Result<String> {
    let typed = questions::hidden(&context.report, &format!("Value of {key}, not shown: "))?;
    let refused = |why: &str, hint: &str| {
        Failure::new(Code::Usage, format!("the value of {key} is {why}")).hint(hint)
    };
    let value = match typed {
        Some(typed) => typed,
        // A person at this terminal would not know that input is expected.
        None if std::io::stdin().is_terminal() => String::new(),
        None => {
            let mut value = Vec::new();
            std::io::stdin()
                .lock()
                .take(VALUE_LIMIT_BYTES + LINE_END_BYTES + 1)
                .read_to_end(&mut value)?;
            let mut value = String::from_utf8(value)
                .map_err(|_| refused("not UTF-8", "encode it, for instance with base64"))?;
            questions::without_line_end(&mut value);
            value
        }
    };
    if value.is_empty() || value.len() as u64 > VALUE_LIMIT_BYTES {
        return Err(refused(
            &format!("empty or larger than {VALUE_LIMIT_BYTES} bytes"),
            &format!("cargo xtask secrets set {secret} {key} < FILE_WITH_THE_VALUE"),
        )
        .into());
    }
    Ok(value)
}
