//! `cargo xtask validate`: builds what changed, starts the platform in containers, and uses it as
//! a user would. Images that were validated before are not validated again.

use crate::commands::command::{Answer, Changes, Command, Reach};
use crate::commands::provider;
use crate::commands::shown::images;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::validation;
use xtask_operate::validation::{Model, Options, Validated};

/// Build the images, start the platform in containers, and use it as a user would
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Model that answers each agent of the image: `scripted`, `scripted:SCRIPT`, one of the provider, or `none` to start no agent
    #[arg(long, value_name = "MODEL", default_value = "scripted", value_parser = model)]
    model: Model,
    /// Validate even if the same images were validated before
    #[arg(long)]
    force: bool,
    /// Keep the containers running
    #[arg(long)]
    keep: bool,
    /// Record which calls the orchestrator and the generator make to the cloud, for the test of their rights
    #[arg(long, requires = "force", conflicts_with = "keep")]
    record_calls: bool,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(
        r#"`{"state":"validated|unchanged","at","url","images":[IMAGE],
        "smoke":SEEN,"agents":[SEEN],"seconds"}`, where SEEN is
        `{"provider","job_id","task","events","artifact_bytes"}` and IMAGE is an entry
        of `images` of `build`"#,
    );
    const REACH: Reach = Reach::Machine(
        "cargo xtask validate proves the images on this machine; cargo xtask deploy --env ENV does that first, and uses what it deployed as a user would",
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let options = Options {
            model: self.model,
            force: self.force,
            keep: self.keep,
            record_calls: self.record_calls,
        };
        let validated = validation::validate(context, options)?;
        context.report.result(&validated, &text(&validated))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn model(text: &str) -> Result<Model, String> {
    Ok(match text {
        "none" => Model::None,
        text => match provider::model(text)? {
            provider::Model::Named(model) => Model::Named(model),
            provider::Model::Scripted(script) => Model::Scripted(script),
        },
    })
}

fn text(validated: &Validated) -> String {
    let images = images::of_build(&validated.images);
    let Some(seen) = &validated.smoke else {
        return format!(
            "{images}\nnothing changed since the validation at {}, so nothing was built or started ({:.2} s)",
            validated.at, validated.seconds
        );
    };
    let mut text = format!(
        "{images}\nvalidated in {:.1} s: the job of a user ran as {}, and its application answered",
        validated.seconds, seen.task
    );
    for seen in &validated.agents {
        text.push_str(&format!(
            "\n{} made an application as {}, which answered",
            seen.provider, seen.task
        ));
    }
    if let Some(url) = &validated.url {
        text.push_str(&format!(
            "\nthe platform runs at {url} until `cargo xtask cleanup` ends it"
        ));
    }
    text
}
