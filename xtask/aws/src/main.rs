//! `xtask-aws`: the AWS side of `cargo xtask`, started by it as a child.
//!
//! Prints one JSON object on stdout, also for a failure
//! (`{"error":{"message","causes","hint"}}`), and progress on stderr.
//! Exit codes are those of `cargo xtask`.

mod alarms;
mod cloudformation;
mod commands;
mod config;
mod ecr;
mod ecs;
mod error;
mod iam;
mod interrupt;
mod load_balancing;
mod log_reader;
mod logs;
mod names;
mod report;
mod rights;
mod rollout;
mod s3;
mod secrets;
mod state;
mod stop_reasons;
mod sts;
mod tasks;
mod time;
mod validate;

#[cfg(test)]
mod canned;

use clap::Parser;
use commands::Command;
use config::{Cloud, CloudArgs};
use error::{CloudError, Kind};
use report::Outcome;
use std::process::ExitCode;

/// The AWS side of cargo xtask
#[derive(Debug, Parser)]
#[command(name = "xtask-aws", version, about)]
struct Cli {
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.exit_code() == 0 => error.exit(),
        Err(error) => {
            let message = error.to_string();
            let message = message.trim().trim_start_matches("error: ");
            return finish(&Outcome {
                value: report::error_value(message, &[], Some("xtask-aws --help")),
                exit_code: Kind::Usage.exit_code(),
            });
        }
    };
    let environment = cli.cloud.environment.clone();
    finish(&run(cli).unwrap_or_else(|error| failure(&error, &environment)))
}

fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cloud = Cloud::open(&cli.cloud).await?;
        commands::run(cli.command, &cloud).await
    })
}

fn failure(error: &anyhow::Error, environment: &str) -> Outcome {
    let known = error.downcast_ref::<CloudError>();
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    let hint = known.and_then(|known| known.hint_for(environment));
    Outcome {
        value: report::error_value(&error.to_string(), &causes, hint.as_deref()),
        exit_code: known.map_or(Kind::Failed, |known| known.kind).exit_code(),
    }
}

fn finish(outcome: &Outcome) -> ExitCode {
    match report::print(&outcome.value) {
        Ok(()) => ExitCode::from(outcome.exit_code),
        // Nobody listens any more; there is nowhere left to say so.
        Err(_) => ExitCode::from(Kind::Failed.exit_code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
