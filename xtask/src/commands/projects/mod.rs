//! `cargo xtask projects`: what a user does with applications and their versions in a browser, on the command
//! line.

mod archive;
mod delete;
mod deliver;
mod deliveries;
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
    /// List, show, compare, deliver, restore, rename and delete applications
    Verb {
        "Commands" {
            List(list::Args),
            Show(show::Args),
            Files(files::Args),
            Diff(diff::Args),
            Download(download::Args),
            Preview(preview::Args),
            Deliver(deliver::Args),
            Deliveries(deliveries::Args),
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

/// Where a delivery goes, in a word or two.
fn target_text(delivery: &Value) -> String {
    let target = &delivery["target"];
    let name = match text(target, "kind") {
        "github" => match target["owner"].as_str() {
            Some(owner) => format!("{owner}/{}", text(target, "repository")),
            None => text(target, "repository").to_owned(),
        },
        _ => target["app"]
            .as_str()
            .unwrap_or_else(|| text(target, "organization"))
            .to_owned(),
    };
    format!("{} {name}", text(target, "kind"))
}

/// A delivery for people: what it is at, and what can be done next.
fn delivery_text(delivery: &Value) -> String {
    let job = text(delivery, "job");
    let mut lines = vec![format!(
        "version {} to {}: {}",
        delivery["version"],
        target_text(delivery),
        text(delivery, "state")
    )];
    if let Some(url) = delivery["url"].as_str() {
        lines.push(url.to_owned());
    }
    if let Some(error) = delivery["error"].as_str() {
        lines.push(format!("because: {error}"));
    }
    if text(delivery, "state") == "outdated" {
        let shown = delivery["shown_commit"].as_str().unwrap_or("no commit");
        lines.push(format!("it shows {shown}"));
    }
    lines.push(match text(delivery, "job_state") {
        "waiting_approval" => format!("cargo xtask jobs approve {job} (or reject)"),
        _ => format!("cargo xtask jobs show {job}"),
    });
    lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_delivery_says_what_can_be_done_next() {
        let mut delivery = json!({
            "version": 3, "state": "pending", "job": "j", "job_state": "waiting_approval",
            "target": { "kind": "github", "owner": "octo", "repository": "plants" },
            "url": null, "error": null, "shown_commit": null,
        });
        assert_eq!(
            delivery_text(&delivery).lines().collect::<Vec<_>>(),
            [
                "version 3 to github octo/plants: pending",
                "cargo xtask jobs approve j (or reject)",
            ]
        );
        delivery["target"] = json!({ "kind": "fly", "organization": "personal" });
        delivery["state"] = json!("failed");
        delivery["job_state"] = json!("failed");
        delivery["url"] = json!("https://plants.fly.dev");
        delivery["error"] = json!("there is no token");
        assert_eq!(
            delivery_text(&delivery).lines().collect::<Vec<_>>(),
            [
                "version 3 to fly personal: failed",
                "https://plants.fly.dev",
                "because: there is no token",
                "cargo xtask jobs show j",
            ]
        );
    }
}
