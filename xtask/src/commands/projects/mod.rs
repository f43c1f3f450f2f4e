//! `cargo xtask projects`: what a user does with applications and their versions in a browser, on the command
//! line.

mod archive;
mod delete;
mod diff;
mod download;
mod files;
mod list;
mod preview;
mod rename;
mod restore;
mod show;
mod unarchive;

use crate::commands::product::{Server, project_path, text, usd};
use serde_json::Value;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::product::Product;

crate::commands::command::verbs! {
    /// List, show, compare, restore, rename and delete applications
    Verb {
        "Commands" {
            List(list::Args),
            Show(show::Args),
            Files(files::Args),
            Diff(diff::Args),
            Download(download::Args),
            Preview(preview::Args),
            Restore(restore::Args),
            Rename(rename::Args),
            Archive(archive::Args),
            Unarchive(unarchive::Args),
            Delete(delete::Args),
        }
    }
}

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, clap::Args)]
struct Version {
    /// Id of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Number of the version [default: the newest one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
}

impl Version {
    /// The number of the version.
    fn number(&self, product: &Product) -> anyhow::Result<i64> {
        if let Some(number) = self.version {
            return Ok(number);
        }
        let project = product.get(&project_path(&self.project))?;
        // Of a project without versions, there is no version 0.
        Ok(project["newest_version"].as_i64().unwrap_or_default())
    }

    /// The path of the version in the API.
    fn path(&self, product: &Product) -> anyhow::Result<String> {
        let number = self.number(product)?;
        Ok(format!("{}/versions/{number}", project_path(&self.project)))
    }
}

/// Changes a project, and shows it as it is then.
fn change(context: &Context, server: &Server, id: &str, what: &Value) -> anyhow::Result<ExitCode> {
    let product = server.product(context)?;
    let project = product.patch(&project_path(id), what)?;
    context.report.result(&project, &heading(&project))?;
    Ok(ExitCode::SUCCESS)
}

/// What a project is, in two lines.
fn heading(project: &Value) -> String {
    let archived = match project["archived"].as_bool() {
        Some(true) => ", archived",
        _ => "",
    };
    let versions = match project["newest_version"].as_i64() {
        None | Some(0) => "no version yet".to_owned(),
        Some(number) => format!("version {number}"),
    };
    format!(
        "{}{archived}\nproject {}: {versions}; cost so far: models {}, tasks {}",
        text(project, "name"),
        text(project, "id"),
        usd(&project["micro_usd"]),
        usd(&project["task_micro_usd"])
    )
}
