//! `cargo xtask projects list`: the applications of an environment.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, cell, usd};
use serde_json::Value;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::product::encoded;

/// List projects, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only projects whose names have this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// List those that were archived, instead of the others
    #[arg(long)]
    archived: bool,
    /// Most projects to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Only projects older than the one with this id
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(r#"`{"projects":[PROJECT]}`, newest first; see below"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut path = format!(
            "/api/projects?limit={}&archived={}",
            self.limit, self.archived
        );
        for (name, value) in [("search", &self.search), ("before", &self.before)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        let answer = self.server.product(context)?.get(&path)?;
        let row = |project: &Value| {
            vec![
                cell(project, "id"),
                cell(project, "newest_version"),
                usd(&project["micro_usd"]),
                cell(project, "name"),
            ]
        };
        let rows: Vec<Vec<String>> = answer["projects"]
            .as_array()
            .into_iter()
            .flatten()
            .map(row)
            .collect();
        let text = match rows.is_empty() {
            true => "there are no such projects; cargo xtask jobs create DESCRIPTION makes one"
                .to_owned(),
            false => table(&["project", "version", "models", "name"], &rows),
        };
        context.report.result(&answer, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
