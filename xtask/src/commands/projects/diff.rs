//! `cargo xtask projects diff`: what a version changed.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, text};
use crate::commands::projects::Version;
use serde_json::Value;
use std::process::ExitCode;
use xtask_core::context::Context;

/// Show what differs between a version and the one that it was made from
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    version: Version,
    /// Compare with this version instead; 0 is an empty one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"files":[{"path","change","language","added_lines","removed_lines","patch"}],"truncated"}`;
        `patch` is `null` for what is no text or too long"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let product = self.server.product(context)?;
        let mut path = format!("{}/diff", self.version.path(&product)?);
        if let Some(from) = self.from {
            path.push_str(&format!("?from={from}"));
        }
        let answer = product.get(&path)?;
        let files = answer["files"].as_array().into_iter().flatten();
        let mut shown: Vec<String> = files.map(file_text).collect();
        if answer["truncated"] == true {
            shown.push("more files differ".to_owned());
        }
        let text = match shown.is_empty() {
            true => "nothing differs".to_owned(),
            false => shown.join("\n"),
        };
        context.report.result(&answer, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn file_text(file: &Value) -> String {
    let heading = format!(
        "{} {} (+{} -{})",
        text(file, "change"),
        text(file, "path"),
        file["added_lines"],
        file["removed_lines"]
    );
    match file["patch"].as_str() {
        Some(patch) => format!("{heading}\n{patch}"),
        None => format!("{heading}\nno text, or too long to be shown\n"),
    }
}
