//! `cargo xtask secrets`: manages secrets. Values never appear in an argument, a log or the
//! answer to `--json`; only `get` prints a value.

mod check;
mod rotate;

use crate::commands::command::{Answer, Changes, Command};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, unknown};
use xtask_core::interrupt;
use xtask_core::questions;
use xtask_core::report::table;
use xtask_machine::aws;
use xtask_operate::deploy::guards;
use xtask_operate::running::require_cloud;
use xtask_operate::secrets;

/// A secret cannot hold a larger value.
const VALUE_LIMIT_BYTES: u64 = 64 * 1024;
/// A command of `materialize` may run as long as a working day.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(12 * 3600);

crate::commands::command::verbs! {
    /// List, check, set, rotate, remove and use secrets
    Verb {
        "Commands" {
            List(List),
            Check(check::Args),
            Get(Get),
            Set(Set),
            Rotate(rotate::Args),
            Remove(Remove),
            Materialize(Materialize),
        }
    }
}

/// Show which keys exist and which are required, but not their values
#[derive(Debug, clap::Args)]
pub(crate) struct List;

impl Command for List {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"secrets":[{"name","exists","keys":[{"key","present","required"}]}]}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        list(context)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Print the value of a key, after a question or with --yes
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    #[command(flatten)]
    key: Key,
}

impl Command for Get {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::None(
        "nothing: the command refuses `--json`, so that no log keeps a value. Use
        `secrets get SECRET KEY --yes`",
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        get(context, &self.key.secret, &self.key.key)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Set a key to a value that is read from standard input, or typed without being shown
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    #[command(flatten)]
    key: Key,
}

impl Command for Set {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(r#"`{"secret","key","set":true}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        set(context, &self.key.secret, &self.key.key)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Remove a key, or a whole secret
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Secret of platform.toml, for example `orchestrator`
    secret: String,
    /// Key of that secret [default: the whole secret]
    key: Option<String>,
}

impl Command for Remove {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer =
        Answer::Object(r#"`{"secret","key","removed"}`; `key` is `null` for a whole secret"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        remove(context, &self.secret, self.key.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Run a command with the required keys as environment variables, or write them to a file until Ctrl-C
#[derive(Debug, clap::Args)]
pub(crate) struct Materialize {
    /// Secret of platform.toml, for example `orchestrator`
    secret: String,
    /// Command to run, after `--`
    #[arg(last = true)]
    command: Vec<String>,
}

impl Command for Materialize {
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

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, clap::Args)]
struct Key {
    /// Secret of platform.toml, for example `orchestrator`
    secret: String,
    /// Key of that secret
    key: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listing {
    secrets: Vec<SecretState>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecretState {
    name: String,
    exists: bool,
    keys: Vec<KeyState>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeyState {
    key: String,
    present: bool,
    #[serde(default)]
    required: bool,
}

fn check_name(context: &Context, secret: &str, key: Option<&str>) -> anyhow::Result<()> {
    let secrets = &context.platform.secrets;
    let Some(known) = secrets.get(secret) else {
        return Err(unknown("secret", secret, secrets.keys()).into());
    };
    if let Some(key) = key
        && !known.keys.contains_key(key)
    {
        return Err(unknown(&format!("key of secret `{secret}`"), key, known.keys.keys()).into());
    }
    Ok(())
}

fn list(context: &Context) -> anyhow::Result<()> {
    require_cloud(context)?;
    let mut listing: Listing = aws::call(context, ["secrets", "list"]).read()?;
    for secret in &mut listing.secrets {
        let consumer = context
            .platform
            .secrets
            .iter()
            .find(|(_, known)| known.name == secret.name);
        if let Some((consumer, _)) = consumer {
            let required = context
                .platform
                .required_secret_keys(consumer, &context.environment);
            for key in &mut secret.keys {
                key.required = required.contains(&key.key.as_str());
            }
        }
    }
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
    context.report.result(&listing, &text)
}

fn get(context: &Context, secret: &str, key: &str) -> anyhow::Result<()> {
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
    require_cloud(context)?;
    let mut stored: BTreeMap<String, String> =
        aws::call(context, ["secrets", "read", secret]).read()?;
    let value = stored
        .remove(key)
        .ok_or_else(|| secrets::missing(context, secret, key))?;
    // The report would copy the value to the summary of a workflow.
    writeln!(std::io::stdout().lock(), "{value}")?;
    Ok(())
}

fn set(context: &Context, secret: &str, key: &str) -> anyhow::Result<()> {
    check_name(context, secret, Some(key))?;
    let value = value(context, secret, key)?;
    require_cloud(context)?;
    store(context, secret, key, value)?;
    let name = &context.platform.secrets[secret].name;
    context.report.result(
        &serde_json::json!({ "secret": name, "key": key, "set": true }),
        &format!(
            "{key} of {name} is set in environment {}",
            context.environment
        ),
    )
}

fn store(context: &Context, secret: &str, key: &str, value: Vec<u8>) -> anyhow::Result<()> {
    let _: serde_json::Value = aws::call(context, ["secrets", "set", secret, key])
        .stdin(value)
        .read()?;
    Ok(())
}

/// A new value: typed without being shown, or standard input without its last line end.
fn value(context: &Context, secret: &str, key: &str) -> anyhow::Result<Vec<u8>> {
    let typed = questions::hidden(&context.report, &format!("Value of {key}, not shown: "))?;
    let value = match typed {
        Some(typed) => typed.into_bytes(),
        // A person at this terminal would not know that input is expected.
        None if std::io::stdin().is_terminal() => Vec::new(),
        None => {
            let mut value = Vec::new();
            std::io::stdin()
                .lock()
                .take(VALUE_LIMIT_BYTES + 1)
                .read_to_end(&mut value)?;
            if value.last() == Some(&b'\n') {
                value.pop();
            }
            value
        }
    };
    if value.is_empty() || value.len() as u64 > VALUE_LIMIT_BYTES {
        return Err(Failure::new(
            Code::Usage,
            format!("the value of {key} is empty or larger than {VALUE_LIMIT_BYTES} bytes"),
        )
        .hint(format!(
            "cargo xtask secrets set {secret} {key} < FILE_WITH_THE_VALUE"
        ))
        .into());
    }
    Ok(value)
}

fn remove(context: &Context, secret: &str, key: Option<&str>) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Removed {
        removed: bool,
    }
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
    require_cloud(context)?;
    let Removed { removed } = aws::call(context, words).read()?;
    let text = match removed {
        true => format!("{what} is removed from environment {}", context.environment),
        false => format!(
            "{what} does not exist in environment {}",
            context.environment
        ),
    };
    context.report.result(
        &serde_json::json!({ "secret": name, "key": key, "removed": removed }),
        &text,
    )
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
    let Some(file) = secrets::materialize_for(context, secret)? else {
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
