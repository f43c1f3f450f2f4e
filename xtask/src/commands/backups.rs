//! `cargo xtask backups`: lists the backups in the bucket of an environment.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::shown::backups::{at, size};
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_operate::backup::{Backup, Whose, list};

/// Each is read on its own.
const MOST: usize = 30;

/// The result of `backups --json`.
#[derive(Debug, Serialize)]
struct Listing {
    /// The newest first.
    backups: Vec<Backup>,
}

/// List the newest backups of an environment that are whole
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List those of `cargo xtask dev` instead of those of an environment
    #[arg(long)]
    dev: bool,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"backups":[BACKUP]}`, the newest 30, newest first, where BACKUP is the answer of `backup`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let whose = match self.dev {
            true => Whose::Dev,
            false => Whose::Environment,
        };
        let backups = list(context, whose, MOST)?;
        let rows: Vec<Vec<String>> = backups
            .iter()
            .map(|backup| {
                vec![
                    backup.id.clone(),
                    at(backup),
                    backup.rows.to_string(),
                    backup.objects.to_string(),
                    size(backup.size_bytes),
                ]
            })
            .collect();
        let text = match rows.is_empty() {
            true => "there is no backup yet".to_owned(),
            false => table(&["backup", "of", "rows", "objects", "size"], &rows),
        };
        context.report.result(&Listing { backups }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
