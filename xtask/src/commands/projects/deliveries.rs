//! `cargo xtask projects deliveries`: where the versions of an application are.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, cell, project_path};
use crate::commands::projects::target_text;
use serde_json::Value;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;

/// List the deliveries of a project: what was asked for last comes first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Only those of the version with this number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    /// Most deliveries to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"deliveries":[DELIVERY]}`, what was asked for last comes first; see below"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut path = format!(
            "{}/deliveries?limit={}",
            project_path(&self.project),
            self.limit
        );
        if let Some(number) = self.version {
            path.push_str(&format!("&version={number}"));
        }
        let answer = self.server.product(context)?.get(&path)?;
        let row = |delivery: &Value| {
            vec![
                cell(delivery, "version"),
                target_text(delivery),
                cell(delivery, "state"),
                cell(delivery, "url"),
                cell(delivery, "updated_at"),
                cell(delivery, "error"),
            ]
        };
        let rows: Vec<Vec<String>> = answer["deliveries"]
            .as_array()
            .into_iter()
            .flatten()
            .map(row)
            .collect();
        let text = match rows.is_empty() {
            true => "nothing was delivered; cargo xtask projects deliver PROJECT TARGET does it"
                .to_owned(),
            false => table(&["version", "target", "state", "url", "at", "error"], &rows),
        };
        context.report.result(&answer, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
