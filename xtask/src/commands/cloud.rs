//! `cargo xtask cloud up|down|status|reset`: manages MiniStack, the local cloud.

use crate::commands::command::{Answer, Changes, Command, Reach};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_machine::ministack;
use xtask_machine::ministack::{State, Status};

crate::commands::command::verbs! {
    /// Start, stop and reset MiniStack, the local cloud
    Verb {
        "Commands" {
            Up(Up),
            Down(Down),
            Status(Show),
            Reset(Reset),
        }
    }
}

/// Start the local cloud, or repair the parts of it that do not run
#[derive(Debug, clap::Args)]
pub(crate) struct Up;

impl Command for Up {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(
        r#"`{"state":"running|broken|stopped|missing","detail","endpoint","bridge_endpoint",
        "version","process_id","gate_process_id","log"}`"#,
    );
    const REACH: Reach = Reach::Machine("cargo xtask cloud up");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let status = ministack::up(context)?;
        context.report.result(&status, &text(&status))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Stop the local cloud, which removes everything in it
#[derive(Debug, clap::Args)]
pub(crate) struct Down;

impl Command for Down {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(r#"`{"stopped":[NAME]}`"#);
    const REACH: Reach = Reach::Machine("cargo xtask cloud down");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let stopped = ministack::down(context)?;
        let text = if stopped.is_empty() {
            "the local cloud did not run".to_owned()
        } else {
            format!("stopped {}", stopped.join(", "))
        };
        context
            .report
            .result(&serde_json::json!({ "stopped": stopped }), &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Show the state of the local cloud
#[derive(Debug, clap::Args)]
pub(crate) struct Show;

impl Command for Show {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Up::ANSWER;
    const REACH: Reach = Reach::Machine("cargo xtask cloud status");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let status = ministack::status(context)?;
        context.report.result(&status, &text(&status))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Remove everything in the local cloud, which keeps running
#[derive(Debug, clap::Args)]
pub(crate) struct Reset;

impl Command for Reset {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(r#"`{"reset":true}`"#);
    const REACH: Reach = Reach::Machine("cargo xtask cloud reset");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        ministack::reset(context)?;
        context.report.result(
            &serde_json::json!({ "reset": true }),
            "everything in the local cloud is removed",
        )?;
        Ok(ExitCode::SUCCESS)
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
        ("gate", process(status.gate_process_id)),
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
