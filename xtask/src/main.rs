//! Reads the command line, starts the command, reports its error, and exits.

mod commands;
#[cfg(test)]
mod documentation;
mod gate;

use crate::commands::Verb;
use crate::commands::command::{Entry as _, Global};
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use std::process::ExitCode;
use xtask_core::error::{Code, Failure, Rendered};
use xtask_core::interrupt;
use xtask_core::report::{Report, Verbosity};

/// Builds, validates, deploys and operates App-Gen.
#[derive(Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    version,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// The whole command line, as clap knows it.
fn command_line() -> clap::Command {
    commands::help::grouped(Cli::command())
}

fn main() -> ExitCode {
    if let Some(code) = gate::serve_if_asked() {
        return code;
    }
    let read = command_line()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let Cli { global, verb } = match read {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let verbosity = match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let report = Report::new(global.json, verbosity);
    let ended = interrupt::install()
        .map_err(anyhow::Error::from)
        .and_then(|()| verb.start(&global, report.clone()));
    ended.unwrap_or_else(|error| end(&error, &report))
}

fn end(error: &anyhow::Error, report: &Report) -> ExitCode {
    let rendered = Rendered::new(error);
    report.error(&rendered);
    ExitCode::from(rendered.exit_code)
}

/// Ends on a command line that is wrong or asks for help. With `--json`, the error is an object
/// too.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os()
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json");
    if !error.use_stderr() || !wants_json {
        error.exit();
    }
    let text = error.to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.trim_start_matches("error: ").trim();
    let usage = rest
        .lines()
        .find_map(|line| line.strip_prefix("Usage: "))
        .unwrap_or("cargo xtask help");
    let failure = Failure::new(Code::Usage, message).hint(usage);
    end(&failure.into(), &Report::new(true, Verbosity::Quiet))
}
