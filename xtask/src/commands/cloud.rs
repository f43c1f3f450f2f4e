//! `cargo xtask cloud up|down|status|reset`: the local cloud.

use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_machine::ministack;
use xtask_machine::ministack::{State, Status};

/// Arguments of `cloud`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum Action {
    /// Start it, or repair what does not run
    Up,
    /// Stop it; it forgets everything
    Down,
    /// Say how it is
    Status,
    /// Make it forget everything
    Reset,
}

/// Runs the command.
///
/// # Errors
/// The engine does not run, a port is taken, or it does not answer.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    match args.action {
        Action::Up => {
            let status = ministack::up(context)?;
            context.report.result(&status, &text(&status))
        }
        Action::Status => {
            let status = ministack::status(context)?;
            context.report.result(&status, &text(&status))
        }
        Action::Down => {
            let stopped = ministack::down(context)?;
            let text = if stopped.is_empty() {
                "it did not run".to_owned()
            } else {
                format!("stopped {}", stopped.join(", "))
            };
            context
                .report
                .result(&serde_json::json!({ "stopped": stopped }), &text)
        }
        Action::Reset => {
            ministack::reset(context)?;
            context.report.result(
                &serde_json::json!({ "reset": true }),
                "it has forgotten everything",
            )
        }
    }
}

fn text(status: &Status) -> String {
    let state = match status.state {
        State::Running => "running",
        State::Broken => "broken",
        State::Stopped => "stopped",
        State::Missing => "not installed",
    };
    let process = |id: Option<u32>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let mut rows = vec![
        ("state", state.to_owned()),
        ("endpoint", status.endpoint.clone()),
        (
            "for containers",
            status
                .bridge_endpoint
                .clone()
                .unwrap_or_else(|| "none".to_owned()),
        ),
        ("process", process(status.process_id)),
        ("forwarder", process(status.forwarder_process_id)),
        ("log", status.log.display().to_string()),
    ];
    if !status.detail.is_empty() {
        rows.insert(1, ("because", status.detail.clone()));
        rows.push(("repair", "cargo xtask cloud up".to_owned()));
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    table(&["local cloud", ""], &rows)
}
