//! `cargo xtask help`: all commands, to a person or, with `--json`, to a program. What clap
//! knows comes from clap; what it cannot know stands in [`DESCRIBED`].

use anyhow::Context as _;
use clap::{Arg, ArgAction, Command};
use serde::Serialize;
#[cfg(test)]
use std::collections::BTreeSet;
use xtask_core::error::{Code, Failure};
use xtask_core::report::Report;

/// Arguments of `help`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Command to explain, like `secrets set`; without one, all
    command: Vec<String>,
}

/// The furthest that a command can change anything, whatever its flags.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Changes {
    /// It reads.
    Nothing,
    /// What runs, lies or is installed on this machine.
    Machine,
    /// Files of the checkout.
    Checkout,
    /// An environment: what serves, its data, its secrets, its registry.
    Environment,
}

/// What `--json` brings on standard output.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    /// One object, last.
    Object,
    /// Objects, one a line, as they come.
    Stream,
    /// It is refused.
    None,
}

/// What each command changes and answers, by its full name.
const DESCRIBED: &[(&str, Changes, Answer)] = {
    use Answer::{None, Object, Stream};
    use Changes::{Checkout, Environment, Machine, Nothing};
    &[
        ("bases", Checkout, Object),
        ("build", Environment, Object),
        ("cleanup", Machine, Object),
        ("cloud down", Machine, Object),
        ("cloud reset", Machine, Object),
        ("cloud status", Nothing, Object),
        ("cloud up", Machine, Object),
        ("cost", Nothing, Object),
        ("deploy", Environment, Object),
        ("destroy", Environment, Object),
        ("dev", Machine, Object),
        ("diff", Nothing, Object),
        ("doctor", Nothing, Object),
        ("exec", Environment, Object),
        ("help", Nothing, Object),
        ("inputs", Nothing, Object),
        ("logs", Nothing, Stream),
        ("open", Nothing, Object),
        ("outputs", Nothing, Object),
        ("plan", Nothing, Object),
        ("preflight", Nothing, Object),
        ("promote", Environment, Object),
        ("prune", Environment, Object),
        ("releases", Nothing, Object),
        ("restart", Environment, Object),
        ("rollback", Environment, Object),
        ("run", Environment, Stream),
        ("scale", Environment, Object),
        ("secrets check", Nothing, Object),
        ("secrets get", Nothing, None),
        ("secrets list", Nothing, Object),
        ("secrets materialize", Machine, Object),
        ("secrets remove", Environment, Object),
        ("secrets rotate", Environment, Object),
        ("secrets set", Environment, Object),
        ("setup", Machine, Object),
        ("status", Nothing, Stream),
        ("stop", Environment, Object),
        ("tasks", Nothing, Object),
        ("test", Machine, Object),
        ("unlock", Environment, Object),
        ("validate", Machine, Object),
        ("why", Nothing, Object),
    ]
};

/// The result of `help --json`.
#[derive(Debug, Serialize)]
struct Help {
    version: &'static str,
    exit_codes: Vec<ExitCode>,
    /// Arguments of every command.
    global: Vec<Argument>,
    commands: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct ExitCode {
    code: u8,
    name: &'static str,
    meaning: &'static str,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    about: String,
    changes: Changes,
    json: Answer,
    arguments: Vec<Argument>,
}

#[derive(Debug, Serialize)]
struct Argument {
    name: String,
    /// Nothing for both: it stands by its place.
    long: Option<String>,
    short: Option<char>,
    /// What it takes, like `FILE`; nothing for a flag.
    value: Option<String>,
    required: bool,
    multiple: bool,
    default: Option<String>,
    /// The only ones that it takes, where they are few.
    values: Vec<String>,
    help: String,
}

/// Runs the command; `root` is the whole command line.
///
/// # Errors
/// There is no such command.
pub(crate) fn run(args: &Args, mut root: Command, report: &Report) -> anyhow::Result<()> {
    root.build();
    let mut command = &mut root;
    for word in &args.command {
        let known: Vec<String> = command
            .get_subcommands()
            .map(|known| known.get_name().to_owned())
            .collect();
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            let failure = Failure::new(Code::Usage, format!("no command `{word}`"));
            match known.is_empty() {
                true => failure.hint("cargo xtask help"),
                false => failure.hint(format!("commands: {}", known.join(", "))),
            }
        })?;
    }
    let text = command.render_help().to_string();
    let help = if report.json() {
        Some(help(&root, &args.command)?)
    } else {
        None
    };
    report.result(&help, &text)
}

/// The commands of the whole, or those at and below the one that is named.
fn help(root: &Command, wanted: &[String]) -> anyhow::Result<Help> {
    let wanted = wanted.join(" ");
    let mut commands = Vec::new();
    for (name, command) in leaves(root) {
        let below = name
            .strip_prefix(&wanted)
            .is_some_and(|rest| wanted.is_empty() || rest.is_empty() || rest.starts_with(' '));
        if below {
            commands.push(entry(name, command)?);
        }
    }
    let codes = Code::ALL.map(|code| ExitCode {
        code: code as u8,
        name: code.name(),
        meaning: code.meaning(),
    });
    let done = ExitCode {
        code: 0,
        name: "done",
        meaning: "done",
    };
    Ok(Help {
        version: env!("CARGO_PKG_VERSION"),
        exit_codes: [done].into_iter().chain(codes).collect(),
        global: root
            .get_arguments()
            .filter(|argument| argument.is_global_set())
            .map(argument)
            .collect(),
        commands,
    })
}

fn entry(name: String, command: &Command) -> anyhow::Result<Entry> {
    let (_, changes, json) = DESCRIBED
        .iter()
        .find(|(described, ..)| *described == name)
        .with_context(|| format!("`{name}` is not described"))?;
    let own = |argument: &&Arg| {
        !argument.is_global_set()
            && !matches!(
                argument.get_action(),
                ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
            )
    };
    Ok(Entry {
        about: text(command.get_about()),
        changes: *changes,
        json: *json,
        arguments: command.get_arguments().filter(own).map(argument).collect(),
        name,
    })
}

fn argument(argument: &Arg) -> Argument {
    let takes_values = argument.get_action().takes_values();
    let value = || {
        let names = argument.get_value_names().unwrap_or_default();
        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        names.join(" ")
    };
    let values = if takes_values {
        argument.get_possible_values()
    } else {
        Vec::new()
    };
    Argument {
        name: argument.get_id().to_string(),
        long: argument.get_long().map(str::to_owned),
        short: argument.get_short(),
        value: takes_values.then(value),
        required: argument.is_required_set(),
        multiple: matches!(argument.get_action(), ArgAction::Append | ArgAction::Count)
            || argument
                .get_num_args()
                .is_some_and(|count| count.max_values() > 1),
        default: argument
            .get_default_values()
            .first()
            .filter(|_| takes_values)
            .map(|value| value.to_string_lossy().into_owned()),
        values: values
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect(),
        help: text(argument.get_help()),
    }
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

/// Commands that do something, by their full name, in their order.
fn leaves(command: &Command) -> Vec<(String, &Command)> {
    command
        .get_subcommands()
        .flat_map(|command| {
            let name = command.get_name();
            let below = leaves(command);
            if below.is_empty() {
                return vec![(name.to_owned(), command)];
            }
            below
                .into_iter()
                .map(|(below, command)| (format!("{name} {below}"), command))
                .collect()
        })
        .collect()
}

/// Names of the commands of a command line.
#[cfg(test)]
#[must_use]
pub(crate) fn names(root: &Command) -> BTreeSet<String> {
    leaves(root).into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
/// Names of the commands whose effect `help --json` knows.
#[must_use]
pub(crate) fn described() -> BTreeSet<String> {
    DESCRIBED
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .collect()
}
