//! `cargo xtask projects show`: one application with its versions.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, cell, project_path};
use crate::commands::projects::heading;
use serde_json::{Value, json};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;

/// Show a project and its versions
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"project":PROJECT,"versions":[VERSION]}`, the newest 200 versions; see below"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let product = self.server.product(context)?;
        let path = project_path(&self.project);
        let project = product.get(&path)?;
        let mut versions = product.get(&format!("{path}/versions?limit=200"))?;
        let versions = versions["versions"].take();
        let row = |version: &Value| {
            let failed = version["checks"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|check| check["outcome"] == "failed")
                .count();
            vec![
                cell(version, "number"),
                cell(version, "parent"),
                version["commit"]
                    .as_str()
                    .unwrap_or_default()
                    .chars()
                    .take(12)
                    .collect(),
                failed.to_string(),
                cell(version, "created_at"),
                cell(version, "description"),
            ]
        };
        let rows: Vec<Vec<String>> = versions.as_array().into_iter().flatten().map(row).collect();
        let table = match rows.is_empty() {
            true => String::new(),
            false => table(
                &[
                    "version",
                    "made from",
                    "commit",
                    "failed checks",
                    "at",
                    "description",
                ],
                &rows,
            ),
        };
        let text = format!("{}\n{table}", heading(&project));
        context
            .report
            .result(&json!({ "project": project, "versions": versions }), &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
