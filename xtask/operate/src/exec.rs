//! A command inside a running task: through the engine in the local cloud, through a session of
//! ECS on AWS.

use serde_json::json;
use std::io::{self, IsTerminal as _};
use std::time::Duration;
use xtask_aws_api::calls::tasks::{OpenSession, Task};
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::aws;
use xtask_machine::ministack::task_containers;
use xtask_machine::programs;

/// The program of AWS that holds our end of a session.
const PLUGIN: &str = "session-manager-plugin";
/// The plugin reads the session from the variable that its first argument names, if that name
/// begins like this. The session contains a token, which everybody on the machine could read in an
/// argument.
const PLUGIN_VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";
/// Nobody uses one session for longer.
const SESSION_TIMEOUT: Duration = Duration::from_secs(12 * 3600);

/// The command that runs `command` in the container of a task of the local cloud.
///
/// # Errors
/// The task has ended, so it has no container.
pub fn local(context: &Context, task: &Task, command: &[String]) -> anyhow::Result<Cmd> {
    let container = task_containers::of_task(context, &task.state.arn)?.ok_or_else(|| {
        Failure::new(
            Code::Service,
            format!("task {} no longer has a container", task.id),
        )
        .hint("cargo xtask tasks")
    })?;
    let mut cmd = Cmd::new("docker").args(["exec", "--interactive"]);
    if io::stdin().is_terminal() && io::stdout().is_terminal() && !context.report.json() {
        cmd = cmd.arg("--tty");
    }
    Ok(cmd.arg(container).args(command).timeout(SESSION_TIMEOUT))
}

/// The command that runs `command` in a task on AWS.
///
/// # Errors
/// The plugin is not installed, or ECS refuses the session.
pub fn on_aws(context: &Context, task: &Task, command: &[String]) -> anyhow::Result<Cmd> {
    if programs::on_path(PLUGIN).is_none() {
        return Err(
            Failure::new(Code::Prerequisite, format!("{PLUGIN} is not installed"))
                .hint("install it as the user guide of AWS Systems Manager describes under \"Install the Session Manager plugin\"")
                .into(),
        );
    }
    let line = command
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ");
    let request = OpenSession {
        task: task.state.arn.clone(),
        command: line,
    };
    let session = aws::call(context, request).read()?;
    let response = json!({
        "SessionId": session.session_id,
        "StreamUrl": session.stream_url,
        "TokenValue": session.token.reveal(),
    });
    Ok(Cmd::new(PLUGIN)
        .arg(PLUGIN_VARIABLE)
        .arg(&session.region)
        // The profile would only be used to resume a session, which needs rights of its own.
        .args(["StartSession", ""])
        .arg(json!({ "Target": session.target }).to_string())
        .arg(format!("https://ssm.{}.amazonaws.com", session.region))
        .env(PLUGIN_VARIABLE, response.to_string())
        .timeout(SESSION_TIMEOUT))
}

/// A word in the quotes that a shell takes off again, because ECS takes the command as one string.
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
    fn a_shell_reads_the_same_words_from_one_string() {
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
