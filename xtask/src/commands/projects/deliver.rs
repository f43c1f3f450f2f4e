//! `cargo xtask projects deliver`: puts a version where its users get it, or looks at what is there.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, Waiting, project_path, text};
use crate::commands::projects::{Version, delivery_text};
use serde_json::{Value, json};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_operate::deploy::guards;
use xtask_operate::product::encoded;

/// Deliver a version to a repository on GitHub, or as an app on Fly.io
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    version: Version,
    /// Where to
    #[arg(value_name = "TARGET", value_parser = ["github", "fly"])]
    target: String,
    /// GitHub: the name of the repository, which is made unless it is there [default: that of the project]
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,
    /// GitHub: the user or the organisation that has it [default: whoever the token belongs to]
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// GitHub: let everybody see a repository that is made
    #[arg(long)]
    public: bool,
    /// GitHub: open a pull request to a repository that exists
    #[arg(long)]
    pull_request: bool,
    /// Fly.io: the organisation that has the app [default: personal]
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// Fly.io: the name of the app, a part of its address [default: one that follows from the project]
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Fly.io: where its machine is, ams for example [default: Fly.io chooses]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Ask for a decision before anything outside is changed
    #[arg(long, conflicts_with = "check")]
    ask: bool,
    /// Change nothing: look at what the target of an earlier delivery has
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    server: Server,
}

impl Args {
    /// The target as the API has it. `slug` is part of the names that a project has elsewhere.
    fn target(&self, slug: &str) -> anyhow::Result<Value> {
        let of_github = [
            ("--repository", self.repository.is_some()),
            ("--owner", self.owner.is_some()),
            ("--public", self.public),
            ("--pull-request", self.pull_request),
        ];
        let of_fly = [
            ("--organization", self.organization.is_some()),
            ("--app", self.app.is_some()),
            ("--region", self.region.is_some()),
        ];
        let (strange, mut target) = match self.target.as_str() {
            "github" => {
                let repository = self.repository.as_deref().unwrap_or(slug);
                let target = json!({
                    "kind": "github", "repository": repository,
                    "public": self.public, "pull_request": self.pull_request,
                });
                (&of_fly[..], target)
            }
            _ => (&of_github[..], json!({ "kind": "fly" })),
        };
        if let Some((option, _)) = strange.iter().find(|(_, is_given)| *is_given) {
            let message = format!("{option} says nothing about the target {}", self.target);
            let hint = "cargo xtask help projects deliver";
            return Err(Failure::new(Code::Usage, message).hint(hint).into());
        }
        for (name, value) in [
            ("owner", &self.owner),
            ("organization", &self.organization),
            ("app", &self.app),
            ("region", &self.region),
        ] {
            if let Some(value) = value {
                target[name] = json!(value);
            }
        }
        Ok(target)
    }
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"a DELIVERY, see below; asked for again while it is pending, the same one. With `--wait`, once its job has
        ended or asks for a decision: exit code 1 where it is `failed` or `outdated`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "projects deliver")?;
        let product = self.server.product(context)?;
        let project = product.get(&project_path(&self.version.project))?;
        let body = json!({
            "target": self.target(text(&project, "slug"))?,
            "approval": self.ask,
            "check_only": self.check,
        });
        let path = format!("{}/deliveries", self.version.path(&product)?);
        let mut delivery = product.post(&path, Some(&body))?;
        let mut is_bad = false;
        if self.waiting.is_wanted() {
            let job = json!({ "id": delivery["job"] });
            self.waiting.follow(context, &product, &job)?;
            let (project, id) = (&self.version.project, text(&delivery, "id"));
            let path = format!("{}/deliveries/{}", project_path(project), encoded(id));
            delivery = product.get(&path)?;
            is_bad = matches!(text(&delivery, "state"), "failed" | "outdated");
        }
        context
            .report
            .result(&delivery, &delivery_text(&delivery))?;
        Ok(match is_bad {
            true => Code::Failed.into(),
            false => ExitCode::SUCCESS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn target(words: &[&str]) -> anyhow::Result<Value> {
        let line = ["deliver", "p"].iter().chain(words);
        Line::parse_from(line).args.target("plant-diary")
    }

    #[test]
    fn a_target_is_what_the_api_takes() {
        assert_eq!(
            target(&["github", "--owner", "octo", "--public"]).unwrap(),
            json!({
                "kind": "github", "repository": "plant-diary", "owner": "octo",
                "public": true, "pull_request": false,
            })
        );
        assert_eq!(
            target(&["fly", "--app", "plants", "--region", "ams"]).unwrap(),
            json!({ "kind": "fly", "app": "plants", "region": "ams" })
        );
        for words in [["github", "--app=plants"], ["fly", "--owner=octo"]] {
            let refused = target(&words).unwrap_err().to_string();
            assert!(
                refused.contains("says nothing about the target"),
                "{refused}"
            );
        }
    }
}
