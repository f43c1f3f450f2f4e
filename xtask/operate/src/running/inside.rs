//! A command inside a running task: in the local cloud by the engine, on AWS by ECS's sessions.

use crate::running::answers::Task;
use serde::Deserialize;
use serde_json::json;
use std::io::{self, IsTerminal as _};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::aws;
use xtask_machine::{self, tools};

/// AWS's program that holds the other end of a session.
const PLUGIN: &str = "session-manager-plugin";
/// It reads the session, which has a token in it, from the variable that its first argument
/// names if that begins like this; in an argument everybody on the machine could read it.
const PLUGIN_VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";
/// Nobody sits longer before it.
const SESSION_TIMEOUT: Duration = Duration::from_secs(12 * 3600);

/// A session that ECS has opened.
#[derive(Deserialize)]
struct Session {
    session_id: String,
    stream_url: String,
    token: String,
    target: String,
    region: String,
}

/// The command line in the task's container in the local cloud.
///
/// # Errors
/// The task has no container: it has ended meanwhile.
pub fn local(context: &Context, task: &Task, command: &[String]) -> anyhow::Result<Cmd> {
    let container = xtask_machine::ministack::task_containers::of_task(context, &task.arn)?
        .ok_or_else(|| {
            Failure::new(
                Code::Service,
                format!("task {} has no container any more", task.task),
            )
            .hint("cargo xtask tasks")
        })?;
    let mut cmd = Cmd::new("docker").args(["exec", "--interactive"]);
    if io::stdin().is_terminal() && io::stdout().is_terminal() && !context.report.json() {
        cmd = cmd.arg("--tty");
    }
    Ok(cmd.arg(container).args(command).timeout(SESSION_TIMEOUT))
}

/// The program that talks to the task on AWS.
///
/// # Errors
/// It is not installed, or ECS opens no session.
pub fn on_aws(context: &Context, task: &Task, command: &[String]) -> anyhow::Result<Cmd> {
    if tools::on_path(PLUGIN).is_none() {
        return Err(
            Failure::new(Code::Prerequisite, format!("there is no program {PLUGIN}"))
                .hint("install it as AWS's user guide of Systems Manager says under \"Install the Session Manager plugin\"")
                .into(),
        );
    }
    let line = command
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ");
    let session: Session =
        aws::call(context, ["task", "session", &task.arn, "--command", &line]).read()?;
    let response = json!({
        "SessionId": session.session_id,
        "StreamUrl": session.stream_url,
        "TokenValue": session.token,
    });
    Ok(Cmd::new(PLUGIN)
        .arg(PLUGIN_VARIABLE)
        .arg(&session.region)
        // The profile is only for resuming, which needs rights of its own.
        .args(["StartSession", ""])
        .arg(json!({ "Target": session.target }).to_string())
        .arg(format!("https://ssm.{}.amazonaws.com", session.region))
        .env(PLUGIN_VARIABLE, response.to_string())
        .timeout(SESSION_TIMEOUT))
}

/// A word as a shell reads it back: ECS takes one string.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_being_one_string() {
        let words = ["ls", "-l", "/tmp/a b", "it's", "", "$HOME", "a;b"];
        let line = words.map(quoted).join(" ");
        let read = Cmd::new("sh")
            .args(["-c", &format!("printf '%s\\n' {line}")])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(read.stdout).unwrap(),
            words.map(|word| format!("{word}\n")).concat()
        );
    }
}
