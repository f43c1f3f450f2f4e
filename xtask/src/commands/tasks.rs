//! `cargo xtask tasks`: what runs, and what stopped lately and why.

use crate::engine::context::Context;
use crate::engine::operate::answers::{self, Task};
use crate::engine::operate::require_cloud;
use serde::Serialize;

/// Stopped tasks that are listed without `--all`.
const LATELY: usize = 10;

/// Arguments of `tasks`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All stopped tasks that ECS remembers (for about an hour), not just the newest ten
    #[arg(long)]
    all: bool,
}

/// The result of `tasks --json`.
#[derive(Debug, Serialize)]
struct Listing {
    /// Running ones first, then the newest end.
    tasks: Vec<Task>,
}

/// Runs the command.
///
/// # Errors
/// The cloud does not answer.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    require_cloud(context)?;
    let (mut tasks, mut stopped): (Vec<Task>, Vec<Task>) = answers::tasks(context)?
        .into_iter()
        .partition(|task| !task.is_stopped());
    let remembered = stopped.len();
    if !args.all {
        stopped.truncate(LATELY);
    }
    let left_out = remembered - stopped.len();
    tasks.append(&mut stopped);
    let mut text = match tasks.is_empty() {
        true => "no task runs, and none stopped lately".to_owned(),
        false => super::status::tasks(tasks.iter()),
    };
    if left_out > 0 {
        text.push_str(&format!("{left_out} more have stopped; --all lists them"));
    }
    context.report.result(&Listing { tasks }, &text)
}
