//! `cargo xtask help`: explains all commands or one of them, to a person or, with `--json`, to
//! a program. What clap does not know comes from the [`Description`] of each command.

use crate::commands::Verb;
use crate::commands::command::{Answer, Changes, Command, Description, Entry as _, Reach};
use clap::{Arg, ArgAction};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::Report;
use xtask_machine::part::Part;

/// Spaces before and after the names in the list of commands, as in clap's own lists.
const INDENT: usize = 2;

/// Explain all commands, or one of them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Command to explain, for example `secrets set` [default: all]
    command: Vec<String>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"version","exit_codes":[{"code","name","meaning"}],"global":[ARGUMENT],
        "commands":[{"name","group","about","changes":"nothing|machine|checkout|environment",
        "reach":"environments|machine","json":"object|stream|none","answer",
        "arguments":[ARGUMENT]}]}`, where ARGUMENT is
        `{"name","long","short","value","required","multiple","default","values","help"}`. A flag
        has no `value`. `answer` is the text of this table"#,
    );
    const SETUP: &'static [Part] = &[];

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        explain(&self.command, &context.report)
    }

    fn run_without_checkout(&self, report: &Report) -> Option<anyhow::Result<ExitCode>> {
        Some(explain(&self.command, report))
    }
}

fn explain(words: &[String], report: &Report) -> anyhow::Result<ExitCode> {
    let mut root = crate::command_line();
    root.build();
    let mut command = &root;
    for word in words {
        let known = || command.get_subcommands().map(clap::Command::get_name);
        command = command.find_subcommand(word).ok_or_else(|| {
            let failure = Failure::new(Code::Usage, format!("no command is named `{word}`"));
            match known().next() {
                None => failure.hint("cargo xtask help"),
                Some(_) => {
                    let known: Vec<&str> = known().collect();
                    failure.hint(format!("commands: {}", known.join(", ")))
                }
            }
        })?;
    }
    report.result(&Help::new(&root, words), &help_flag(words))?;
    Ok(ExitCode::SUCCESS)
}

/// The text of `--help`, from clap itself, so that both agree.
fn help_flag(words: &[String]) -> String {
    let line = ["xtask"]
        .into_iter()
        .chain(words.iter().map(String::as_str));
    match crate::command_line().try_get_matches_from(line.chain(["--help"])) {
        Ok(_) => String::new(),
        Err(help) => help.to_string(),
    }
}

/// The command line with its commands listed below the headings of their groups, which clap
/// cannot do by itself.
#[must_use]
pub(crate) fn grouped(root: clap::Command) -> clap::Command {
    let template = template(&root);
    root.help_template(template)
}

fn template(root: &clap::Command) -> String {
    let styles = root.get_styles();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let width = root.get_subcommands().map(|verb| verb.get_name().len());
    let width = width.max().unwrap_or_default() + INDENT;
    let mut list = String::new();
    let mut verbs = root.get_subcommands();
    for group in groups(Verb::DESCRIPTION) {
        let _ = write!(list, "\n{header}{}:{header:#}\n", group.heading);
        for verb in verbs.by_ref().take(group.verbs.len()) {
            let (name, about) = (verb.get_name(), text(verb.get_about()));
            let _ = writeln!(list, "  {literal}{name:width$}{literal:#}{about}");
        }
    }
    let options = format!("{header}Options:{header:#}\n{{options}}");
    format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{list}\n{options}")
}

/// A command by its full name, with everything that is known of it.
pub(crate) struct Leaf<'a> {
    pub(crate) name: String,
    /// The heading of the first of its words.
    pub(crate) group: &'static str,
    pub(crate) command: &'a clap::Command,
    pub(crate) changes: Changes,
    pub(crate) answer: Answer,
    pub(crate) reach: Reach,
}

/// All commands that do something, in their order.
#[must_use]
pub(crate) fn leaves(root: &clap::Command) -> Vec<Leaf<'_>> {
    let mut leaves = Vec::new();
    collect(root, Verb::DESCRIPTION, None, "", &mut leaves);
    leaves
}

/// `group` is the heading of the family, where it is below another one.
fn collect<'a>(
    family: &'a clap::Command,
    description: Description,
    group: Option<&'static str>,
    prefix: &str,
    leaves: &mut Vec<Leaf<'a>>,
) {
    let described = groups(description).iter().flat_map(|below| {
        let group = group.unwrap_or(below.heading);
        below.verbs.iter().map(move |verb| (group, *verb))
    });
    for (command, (group, description)) in family.get_subcommands().zip(described) {
        let name = format!("{prefix}{}", command.get_name());
        match description {
            Description::Family(_) => {
                collect(
                    command,
                    description,
                    Some(group),
                    &format!("{name} "),
                    leaves,
                );
            }
            Description::Command {
                changes,
                answer,
                reach,
            } => leaves.push(Leaf {
                name,
                group,
                command,
                changes,
                answer,
                reach,
            }),
        }
    }
}

fn groups(description: Description) -> &'static [super::command::Group] {
    match description {
        Description::Family(groups) => groups,
        Description::Command { .. } => &[],
    }
}

/// The result of `help --json`.
#[derive(Debug, Serialize)]
struct Help {
    version: &'static str,
    exit_codes: Vec<DocumentedCode>,
    /// Arguments of every command.
    global: Vec<Argument>,
    commands: Vec<DocumentedCommand>,
}

#[derive(Debug, Serialize)]
struct DocumentedCode {
    code: u8,
    name: &'static str,
    meaning: &'static str,
}

#[derive(Debug, Serialize)]
struct DocumentedCommand {
    name: String,
    group: &'static str,
    about: String,
    changes: Changes,
    reach: &'static str,
    json: &'static str,
    answer: String,
    arguments: Vec<Argument>,
}

#[derive(Debug, Serialize)]
struct Argument {
    name: String,
    /// An argument with neither `long` nor `short` is recognised by its position.
    long: Option<String>,
    short: Option<char>,
    /// The name of its value, for example `FILE`; a flag has none.
    value: Option<String>,
    required: bool,
    multiple: bool,
    default: Option<String>,
    /// All values that the argument accepts, where they are few.
    values: Vec<String>,
    help: String,
}

impl Help {
    /// Describes all commands, or those at and below the one that `words` name.
    fn new(root: &clap::Command, words: &[String]) -> Self {
        let wanted = words.join(" ");
        let is_wanted = |name: &str| {
            name.strip_prefix(&wanted)
                .is_some_and(|rest| wanted.is_empty() || rest.is_empty() || rest.starts_with(' '))
        };
        let codes = Code::all().map(|code| DocumentedCode {
            code: code as u8,
            name: code.name(),
            meaning: code.meaning(),
        });
        let done = DocumentedCode {
            code: 0,
            name: "done",
            meaning: "done",
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            exit_codes: [done].into_iter().chain(codes).collect(),
            global: root
                .get_arguments()
                .filter(|argument| argument.is_global_set())
                .map(Argument::new)
                .collect(),
            commands: leaves(root)
                .into_iter()
                .filter(|leaf| is_wanted(&leaf.name))
                .map(DocumentedCommand::new)
                .collect(),
        }
    }
}

impl DocumentedCommand {
    fn new(leaf: Leaf<'_>) -> Self {
        Self {
            about: text(leaf.command.get_about()),
            changes: leaf.changes,
            reach: leaf.reach.name(),
            json: leaf.answer.kind(),
            answer: leaf.answer.text(),
            arguments: own_arguments(leaf.command).map(Argument::new).collect(),
            name: leaf.name,
            group: leaf.group,
        }
    }
}

/// The arguments that not every command has.
pub(crate) fn own_arguments(command: &clap::Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| {
        !argument.is_global_set()
            && !matches!(
                argument.get_action(),
                ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
            )
    })
}

impl Argument {
    fn new(argument: &Arg) -> Self {
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
        Self {
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
}

/// A text of clap, without colours.
#[must_use]
pub(crate) fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}
