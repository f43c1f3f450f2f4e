//! `cargo xtask projects download`: the files of a version.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, project_path, text};
use crate::commands::projects::Version;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use xtask_core::context::Context;

/// Download the files of a version
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    version: Version,
    /// File to write, which must not exist yet [default: SLUG-N.zip]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(r#"`{"file","size_bytes","version"}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let product = self.server.product(context)?;
        let project = product.get(&project_path(&self.version.project))?;
        let number = self.version.number(&product)?;
        let slug = text(&project, "slug");
        let file = self
            .to
            .unwrap_or_else(|| PathBuf::from(format!("{slug}-{number}.zip")));
        let path = format!(
            "{}/versions/{number}/download",
            project_path(&self.version.project)
        );
        let size_bytes = product.download(&path, &file)?;
        context.report.result(
            &json!({ "file": file, "size_bytes": size_bytes, "version": number }),
            &format!("{}: version {number}, {size_bytes} bytes", file.display()),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
