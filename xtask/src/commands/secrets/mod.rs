//! `cargo xtask secrets`: values never pass through an argument, a log or `--json`; only
//! `get` shows one, to whoever asks for it by name.

mod check;
mod rotate;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_core::questions;
use xtask_core::report::table;
use xtask_machine::{aws, ministack};
use xtask_operate::deploy::guards;
use xtask_operate::secrets;

/// Larger values do not fit a secret (64 KiB) anyway.
const VALUE_LIMIT_BYTES: u64 = 64 * 1024;
/// A command given to `materialize` may run as long as a working day.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(12 * 3600);

/// Arguments of `secrets`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show which keys exist and which are required, never their values
    List,
    /// See that all that is required is set, and to no placeholder
    Check,
    /// Print the value of a key; a person is asked first, a program needs --yes
    Get(Key),
    /// Set a key; its value is read from standard input, or typed unseen
    Set(Key),
    /// Set a key as `set` does, and restart what runs with it
    Rotate(Key),
    /// Remove a key, or a whole secret
    Remove {
        /// Secret of platform.toml, like `orchestrator`
        secret: String,
        /// Key of that secret; without it, all of them
        key: Option<String>,
    },
    /// Give a command the required keys as environment, or hold them in a file until Ctrl-C
    Materialize {
        /// Secret of platform.toml, like `orchestrator`
        secret: String,
        /// The command, after `--`
        #[arg(last = true)]
        command: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Key {
    /// Secret of platform.toml, like `orchestrator`
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

/// Runs the command.
///
/// # Errors
/// The cloud does not answer, a name is unknown, or the command fails.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    match &args.action {
        Action::List => list(context),
        Action::Check => check::run(context),
        Action::Get(Key { secret, key }) => get(context, secret, key),
        Action::Set(Key { secret, key }) => set(context, secret, key),
        Action::Rotate(Key { secret, key }) => {
            check_name(context, secret, Some(key))?;
            rotate::run(context, secret, key)
        }
        Action::Remove { secret, key } => remove(context, secret, key.as_deref()),
        Action::Materialize { secret, command } => materialize(context, secret, command),
    }
}

fn check_name(context: &Context, secret: &str, key: Option<&str>) -> anyhow::Result<()> {
    let Some(known) = context.platform.secrets.get(secret) else {
        let names: Vec<&str> = context
            .platform
            .secrets
            .keys()
            .map(String::as_str)
            .collect();
        return Err(Failure::new(
            Code::Usage,
            format!("no secret `{secret}` in {}", app_gen_infra::MANIFEST_PATH),
        )
        .hint(format!("secrets: {}", names.join(", ")))
        .into());
    };
    if let Some(key) = key
        && !known.keys.contains_key(key)
    {
        let names: Vec<&str> = known.keys.keys().map(String::as_str).collect();
        return Err(Failure::new(
            Code::Usage,
            format!(
                "no key `{key}` in secret `{secret}` of {}",
                app_gen_infra::MANIFEST_PATH
            ),
        )
        .hint(format!("keys: {}", names.join(", ")))
        .into());
    }
    Ok(())
}

fn list(context: &Context) -> anyhow::Result<()> {
    ministack::require_if_local(context)?;
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
        return Err(refused("a secret value is no JSON for a log to keep").into());
    }
    // Not `CI=true`: what CI prints is kept and shown.
    if !context.yes_given {
        let question = format!(
            "Print the value of {key} of {name} in environment {}? [y/N] ",
            context.environment
        );
        match questions::line(&context.report, &question)?.as_deref() {
            Some("y" | "Y" | "yes") => {}
            Some(_) => return Err(refused("the answer was no").into()),
            None => return Err(refused("nobody can be asked").into()),
        }
    }
    ministack::require_if_local(context)?;
    let mut stored: BTreeMap<String, String> =
        aws::call(context, ["secrets", "read", secret]).read()?;
    let value = stored
        .remove(key)
        .ok_or_else(|| secrets::missing(context, secret, key))?;
    // Past the report, which would copy it to the page of a workflow's run.
    writeln!(std::io::stdout().lock(), "{value}")?;
    Ok(())
}

fn set(context: &Context, secret: &str, key: &str) -> anyhow::Result<()> {
    check_name(context, secret, Some(key))?;
    let value = value(context, secret, key)?;
    ministack::require_if_local(context)?;
    secrets::store(context, secret, key, value)?;
    let name = &context.platform.secrets[secret].name;
    context.report.result(
        &serde_json::json!({ "secret": name, "key": key, "set": true }),
        &format!(
            "{key} of {name} is set in environment {}",
            context.environment
        ),
    )
}

/// A new value: what a person types unseen, or standard input less one line end.
fn value(context: &Context, secret: &str, key: &str) -> anyhow::Result<Vec<u8>> {
    let typed = questions::hidden(&context.report, &format!("Value of {key}, not shown: "))?;
    let value = match typed {
        Some(typed) => typed.into_bytes(),
        // Nobody knows there that something is to be typed.
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
    ministack::require_if_local(context)?;
    let Removed { removed } = aws::call(context, words).read()?;
    let text = match removed {
        true => format!("{what} is removed from environment {}", context.environment),
        false => format!("{what} is not in environment {}", context.environment),
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
    let Some(file) = secrets::file::materialize(context, secret)? else {
        return context.report.result(
            &serde_json::json!({ "file": null }),
            &format!(
                "nothing to materialize: environment {} needs no key of `{secret}`",
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
