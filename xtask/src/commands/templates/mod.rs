//! `cargo xtask templates`: what new applications can begin with, on the command line.

mod create;
mod list;
mod remove;
mod show;
mod update;

use crate::commands::product::{project_path, text};
use serde_json::Value;
use xtask_operate::product::{Product, encoded};

crate::commands::command::verbs! {
    /// List, show, create, update and remove templates
    Verb {
        "Commands" {
            List(list::Args),
            Show(show::Args),
            Create(create::Args),
            Update(update::Args),
            Remove(remove::Args),
        }
    }
}

/// The path of a template in the API.
fn template_path(id: &str) -> String {
    format!("/api/templates/{}", encoded(id))
}

/// The number of the newest version of a project. Of a project without versions, there is no version 0.
fn newest_version(product: &Product, project: &str) -> anyhow::Result<i64> {
    let project = product.get(&project_path(project))?;
    Ok(project["newest_version"].as_i64().unwrap_or_default())
}

/// A template for people: what it is, where it comes from, and what can be done with it.
fn template_text(template: &Value) -> String {
    let id = text(template, "id");
    let mut lines = vec![format!("{} ({id})", text(template, "name"))];
    lines.extend(
        Some(text(template, "description"))
            .filter(|description| !description.is_empty())
            .map(str::to_owned),
    );
    lines.push(match template["project"].as_str() {
        Some(project) => format!("made of project {project}, version {}", template["version"]),
        None => "it comes with App-Gen".to_owned(),
    });
    lines.push(format!(
        "cargo xtask jobs create DESCRIPTION --template {id}"
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_says_where_it_comes_from() {
        let own = json!({
            "id": "7", "name": "Diary", "description": "With dates.", "built_in": false,
            "project": "p", "version": 3,
        });
        assert_eq!(
            template_text(&own),
            "Diary (7)\nWith dates.\nmade of project p, version 3\n\
             cargo xtask jobs create DESCRIPTION --template 7"
        );
        let built_in = json!({
            "id": "list", "name": "List", "description": "", "built_in": true, "project": null,
            "version": null,
        });
        assert_eq!(
            template_text(&built_in),
            "List (list)\nit comes with App-Gen\n\
             cargo xtask jobs create DESCRIPTION --template list"
        );
    }
}
