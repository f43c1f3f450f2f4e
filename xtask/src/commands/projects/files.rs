//! `cargo xtask projects files`: the files of a version, or what is in one of them.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, text};
use crate::commands::projects::Version;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::product::encoded;

/// List the files of a version, or print one of them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    version: Version,
    /// Print this file
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"files":[{"path","size_bytes","executable","language"}]}`; with `--path` the file:
        `{"path","text","truncated",…}`, where `text` is `null` if it is no text"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let product = self.server.product(context)?;
        let version = self.version.path(&product)?;
        let Some(path) = &self.path else {
            let answer = product.get(&format!("{version}/files"))?;
            let files = answer["files"].as_array().into_iter().flatten();
            let lines: Vec<String> = files
                .map(|file| format!("{:>9}  {}", file["size_bytes"], text(file, "path")))
                .collect();
            context.report.result(&answer, &lines.join("\n"))?;
            return Ok(ExitCode::SUCCESS);
        };
        let file = product.get(&format!("{version}/file?path={}", encoded(path)))?;
        let shown = match (file["text"].as_str(), file["truncated"].as_bool()) {
            (None, _) => format!("{path} is no text: {} bytes", file["size_bytes"]),
            (Some(text), Some(true)) => format!("{text}\n… of {} bytes", file["size_bytes"]),
            (Some(text), _) => text.to_owned(),
        };
        context.report.result(&file, &shown)?;
        Ok(ExitCode::SUCCESS)
    }
}
