//! Parses, dispatches, reports the error, exits. Nothing else.

mod commands;

use app_gen_infra::Instance;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, Rendered};
use xtask_core::interrupt;
use xtask_core::report::{Report, Verbosity};

/// Builds, validates and runs App-Gen.
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
    command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Environment of platform.toml
    #[arg(long, global = true, default_value = "local")]
    env: String,
    /// Print one JSON object on standard output, and progress as one a line on standard error
    #[arg(long, global = true)]
    json: bool,
    /// Do not ask
    #[arg(long, global = true)]
    yes: bool,
    /// Install and start what is missing first
    #[arg(long, global = true)]
    setup: bool,
    /// Show no progress: only the result, or the error
    #[arg(long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Show every command line
    #[arg(long, global = true)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Install and start what is missing on this machine
    Setup,
    /// List what is needed, what was found, and how to fix the rest
    Preflight,
    /// Bring images into the registry; those whose inputs are unchanged are skipped
    Build(commands::build::Args),
    /// Show what `build` would do, and why, without doing it
    Plan(commands::plan::Args),
    /// Name the inputs that differ between two keys of an image
    Why(commands::why::Args),
    /// List all inputs of a key: of an image, or of any Docker context
    Inputs(commands::inputs::Args),
    /// List the base images, what each stands for, and whether it is pinned
    Bases(commands::bases::Args),
    /// Build, start the platform in containers, and use it as a user would
    Validate(commands::validate::Args),
    /// Take what `validate` proved to a service that answers users
    Deploy(commands::deploy::Args),
    /// Show what a deploy would change, and what was changed behind its back
    Diff,
    /// Go back to the release that served before
    Rollback(commands::rollback::Args),
    /// List what was deployed when, by whom, and how it ended
    Releases,
    /// Put the tags for people on a release's images
    Promote(commands::promote::Args),
    /// List the stacks with their outputs
    Outputs,
    /// Print the address of what serves
    Open,
    /// Remove an environment and its data
    Destroy,
    /// Take an environment's lock from whoever holds it
    Unlock,
    /// Show what runs, how it is, and what failed lately
    Status(commands::status::Args),
    /// Show what services and tasks said, and say
    Logs(commands::logs::Args),
    /// List running tasks, and lately stopped ones with why
    Tasks(commands::tasks::Args),
    /// Run one task, show its log, and end with its exit code
    Run(commands::run::Args),
    /// Run a command, or a shell, inside a running task
    Exec(commands::exec::Args),
    /// Replace the tasks of services by new ones
    Restart(commands::restart::Args),
    /// Set how many tasks services run
    Scale(commands::scale::Args),
    /// Stop tasks
    Stop(commands::stop::Args),
    /// Say what is wrong, by cause, and the next command
    Doctor(commands::doctor::Args),
    /// Run API and page on this machine, reloading on every edit
    Dev,
    /// List, check, set, rotate, remove and use secrets
    Secrets(commands::secrets::Args),
    /// Manage the local cloud
    Cloud(commands::cloud::Args),
    /// Price a month of an environment, and compare it with its ceiling
    Cost(commands::cost::Args),
    /// Remove what the commands left: containers, processes, secret files
    Cleanup(commands::cleanup::Args),
    /// Remove what piles up: releases, task definitions, images and results that nothing needs
    Prune(commands::prune::Args),
    /// Run everything that proves the product
    Test(commands::test::Args),
    /// Explain all commands, or one; with --json to a program
    Help(commands::help::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let verbosity = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let report = Report::new(cli.global.json, verbosity);
    match dispatch(cli, report.clone()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => end(&error, &report),
    }
}

fn end(error: &anyhow::Error, report: &Report) -> ExitCode {
    let rendered = Rendered::new(error);
    report.error(&rendered);
    ExitCode::from(rendered.exit_code)
}

/// A command line that is wrong, or asks for help. With `--json` its error is an object too.
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

fn dispatch(cli: Cli, report: Report) -> anyhow::Result<()> {
    interrupt::install()?;
    if let Command::Inputs(args) = &cli.command
        && let Some(build) = args.docker_build()
    {
        return commands::inputs::run_docker(args, &build, &report);
    }
    // Also where the manifest is wrong, or there is none.
    if let Command::Help(args) = &cli.command {
        return commands::help::run(args, Cli::command(), &report);
    }
    // The tests have an instance of their own, whatever the environment says.
    let instance = matches!(cli.command, Command::Test(_)).then_some(Instance::Test);
    let context = Context::load(instance, &cli.global.env, cli.global.yes, report)?;
    // Secrets of a killed holder do not wait for a command that needs secrets; `cleanup`
    // does it itself, to say so.
    if !matches!(cli.command, Command::Cleanup(_)) {
        xtask_operate::secrets::file::sweep(&context)?;
    }
    if cli.global.setup && !matches!(cli.command, Command::Setup) {
        let for_tests = matches!(cli.command, Command::Test(_));
        commands::setup::ensure(&context, for_tests)?;
    }
    match cli.command {
        Command::Setup => commands::setup::run(&context),
        Command::Preflight => commands::preflight::run(&context),
        Command::Build(args) => commands::build::run(&args, &context),
        Command::Plan(args) => commands::plan::run(&args, &context),
        Command::Why(args) => commands::why::run(&args, &context),
        Command::Inputs(args) => commands::inputs::run(&args, &context),
        Command::Bases(args) => commands::bases::run(&args, &context),
        Command::Validate(args) => commands::validate::run(&args, &context),
        Command::Deploy(args) => commands::deploy::run(&args, &context),
        Command::Diff => commands::diff::run(&context),
        Command::Rollback(args) => commands::rollback::run(&args, &context),
        Command::Releases => commands::releases::run(&context),
        Command::Promote(args) => commands::promote::run(&args, &context),
        Command::Outputs => commands::outputs::run(&context),
        Command::Open => commands::open::run(&context),
        Command::Destroy => commands::destroy::run(&context),
        Command::Unlock => commands::unlock::run(&context),
        Command::Status(args) => commands::status::run(&args, &context),
        Command::Logs(args) => commands::logs::run(&args, &context),
        Command::Tasks(args) => commands::tasks::run(&args, &context),
        Command::Run(args) => commands::run::run(&args, &context),
        Command::Exec(args) => commands::exec::run(&args, &context),
        Command::Restart(args) => commands::restart::run(&args, &context),
        Command::Scale(args) => commands::scale::run(&args, &context),
        Command::Stop(args) => commands::stop::run(&args, &context),
        Command::Doctor(args) => commands::doctor::run(&args, &context),
        Command::Dev => commands::dev::run(&context),
        Command::Secrets(args) => commands::secrets::run(&args, &context),
        Command::Cloud(args) => commands::cloud::run(&args, &context),
        Command::Cost(args) => commands::cost::run(&args, &context),
        Command::Cleanup(args) => commands::cleanup::run(&args, &context),
        Command::Prune(args) => commands::prune::run(&args, &context),
        Command::Test(args) => commands::test::run(&args, &context),
        Command::Help(args) => commands::help::run(&args, Cli::command(), &context.report),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_says_of_every_command_what_it_changes() {
        assert_eq!(
            commands::help::names(&Cli::command()),
            commands::help::described()
        );
    }
}
