//! The commands, one file each.

mod bootstrap;
mod bucket;
mod ecr;
mod follow;
mod identity;
mod logs;
mod prune;
mod rights;
mod run_task;
mod s3;
mod secrets;
mod service;
mod stack;
mod state;
mod status;
mod task;
mod tasks;
mod validate;

use crate::config::Cloud;
use crate::report::Outcome;

/// What can be asked of the cloud.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Account and principal of the credentials
    Identity,
    /// Image repositories
    #[command(subcommand)]
    Ecr(ecr::Command),
    /// What `cargo xtask validate` needs in the cloud
    #[command(subcommand)]
    Validate(validate::Command),
    /// Services, tasks and alarms as they are now
    Status,
    /// Run one task and wait for its end
    RunTask(run_task::Args),
    /// Tasks, running and lately stopped
    Tasks(tasks::Args),
    /// Remove old task definitions and images that nothing needs
    Prune(prune::Args),
    /// One task
    #[command(subcommand)]
    Task(task::Command),
    /// What tasks wrote
    #[command(subcommand)]
    Logs(logs::Command),
    /// The JSON secrets of platform.toml
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Objects
    #[command(subcommand)]
    S3(s3::Command),
    /// Services of a cluster
    #[command(subcommand)]
    Service(service::Command),
    /// CloudFormation stacks
    #[command(subcommand)]
    Stack(stack::Command),
    /// Who works on the environment, and what was released to it
    #[command(subcommand)]
    State(state::Command),
    /// Buckets
    #[command(subcommand)]
    Bucket(bucket::Command),
    /// Which of the rights that the commands need the principal has
    Rights(rights::Args),
    /// What CDK needs in the account before it deploys
    #[command(subcommand)]
    Bootstrap(bootstrap::Command),
}

/// Carries the command out.
///
/// # Errors
/// Whatever keeps the command from its end.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    match command {
        Command::Identity => identity::run(cloud),
        Command::Ecr(command) => ecr::run(command, cloud).await,
        Command::Validate(command) => validate::run(command, cloud).await,
        Command::Status => status::run(cloud).await,
        Command::RunTask(args) => run_task::run(args, cloud).await,
        Command::Tasks(args) => tasks::run(args, cloud).await,
        Command::Prune(args) => prune::run(args, cloud).await,
        Command::Task(command) => task::run(command, cloud).await,
        Command::Logs(command) => logs::run(command, cloud).await,
        Command::Secrets(command) => secrets::run(command, cloud).await,
        Command::S3(command) => s3::run(command, cloud).await,
        Command::Service(command) => service::run(command, cloud).await,
        Command::Stack(command) => stack::run(command, cloud).await,
        Command::State(command) => state::run(command, cloud).await,
        Command::Bucket(command) => bucket::run(command, cloud).await,
        Command::Rights(args) => rights::run(args, cloud).await,
        Command::Bootstrap(command) => bootstrap::run(command, cloud).await,
    }
}
