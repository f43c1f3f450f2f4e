//! `cargo xtask secrets materialize`: gives the values of a secret to a command, or writes them to
//! a file that exists as long as this command runs.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::secrets::check_name;
use std::process::ExitCode;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::interrupt;
use xtask_operate::secrets;

/// A command of `materialize` may run as long as a working day.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(12 * 3600);

/// Run a command with the required keys as environment variables, or write them to a file until Ctrl-C
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Secret of platform.toml, for example `orchestrator`
    secret: String,
    /// Command to run, after `--`
    #[arg(last = true)]
    command: Vec<String>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(
        r#"`{"file"}`; the file exists until SIGINT, and `file` is `null` where no key is
        required. With a command, the output of that command"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        materialize(context, &self.secret, &self.command)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn materialize(context: &Context, secret: &str, command: &[String]) -> anyhow::Result<()> {
    check_name(context, secret, None)?;
    if let [program, arguments @ ..] = command {
        let mut cmd = Cmd::new(program).args(arguments).timeout(COMMAND_TIMEOUT);
        for (key, value) in secrets::values(context, secret)? {
            cmd = cmd.env(key, value);
        }
        let status = cmd.pass_through()?;
        anyhow::ensure!(status.success(), "`{program}` ended with {status}");
        return Ok(());
    }
    let Some(file) = secrets::file::materialize(context, secret)? else {
        return context.report.result(
            &serde_json::json!({ "file": null }),
            &format!(
                "no file was written: environment {} requires no key of `{secret}`",
                context.environment
            ),
        );
    };
    let path = file.path().display().to_string();
    context
        .report
        .result(&serde_json::json!({ "file": path }), &path)?;
    context
        .report
        .step("the file is removed when this command ends; Ctrl-C ends it");
    while !interrupt::requested() {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
