//! `cargo xtask jobs list`: the newest jobs.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, cell, usd};
use serde_json::Value;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::product::encoded;

/// List jobs, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only jobs of the project with this id
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// Most jobs to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Only jobs older than the one with this id
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(r#"`{"jobs":[JOB]}`, newest first; see below"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut path = format!("/api/jobs?limit={}", self.limit);
        for (name, value) in [("project", &self.project), ("before", &self.before)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        let answer = self.server.product(context)?.get(&path)?;
        let jobs: Vec<&Value> = answer["jobs"].as_array().into_iter().flatten().collect();
        let row = |job: &Value| {
            let cost = &job["usage"]["micro_usd"];
            let mut row = ["id", "state", "kind", "version", "description"]
                .map(|field| cell(job, field))
                .to_vec();
            row.insert(4, usd(cost));
            row
        };
        let rows: Vec<Vec<String>> = jobs.into_iter().map(row).collect();
        let text = match rows.is_empty() {
            true => "there are no jobs".to_owned(),
            false => table(
                &["job", "state", "kind", "version", "models", "description"],
                &rows,
            ),
        };
        context.report.result(&answer, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
