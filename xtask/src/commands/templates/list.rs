//! `cargo xtask templates list`: what a new application can begin with.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, cell};
use serde_json::Value;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::product::encoded;

/// List templates: those that come with App-Gen, then the others, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only templates whose name or description has this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Most templates to list beside those that come with App-Gen
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Only templates older than the one with this id
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer =
        Answer::Object(r#"`{"templates":[TEMPLATE]}`, built-in ones first; see below"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut path = format!("/api/templates?limit={}", self.limit);
        for (name, value) in [("search", &self.search), ("before", &self.before)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        let answer = self.server.product(context)?.get(&path)?;
        let row = |template: &Value| {
            vec![
                cell(template, "id"),
                cell(template, "name"),
                cell(template, "version"),
                cell(template, "description"),
            ]
        };
        let rows: Vec<Vec<String>> = answer["templates"]
            .as_array()
            .into_iter()
            .flatten()
            .map(row)
            .collect();
        let text = match rows.is_empty() {
            true => {
                "there are no such templates; cargo xtask templates create PROJECT NAME makes one"
                    .to_owned()
            }
            false => table(&["template", "name", "version", "description"], &rows),
        };
        context.report.result(&answer, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
