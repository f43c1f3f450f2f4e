//! `cargo xtask jobs download`: the result of a job.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, job_path};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use xtask_core::context::Context;

/// Download what a job made, or what it asks about
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the job
    #[arg(value_name = "JOB")]
    id: String,
    /// File to write, which must not exist yet [default: app-JOB.zip]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(r#"`{"file","size_bytes"}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let product = self.server.product(context)?;
        let path = format!("{}/artifact", job_path(&self.id));
        let file = self
            .to
            .unwrap_or_else(|| PathBuf::from(format!("app-{}.zip", self.id)));
        let size_bytes = product.download(&path, &file)?;
        context.report.result(
            &json!({ "file": file, "size_bytes": size_bytes }),
            &format!("{}: {size_bytes} bytes", file.display()),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
