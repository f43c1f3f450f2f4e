//! `cargo xtask build [IMAGE…]`: builds images and pushes them to the registry.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::one_of::{REGISTRIES, one_of};
use crate::commands::shown;
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_image::build;
use xtask_image::build::Outcome;
use xtask_operate::destination;
use xtask_operate::destination::Registry;

/// Build images and push them to the registry; skip those whose inputs did not change
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images of platform.toml [default: all]
    images: Vec<String>,
    /// Build and push also what the registry has, for example because it lost a layer
    #[arg(long)]
    force: bool,
    /// Push to this registry
    #[arg(long, value_parser = one_of(REGISTRIES), default_value = "environment")]
    registry: Registry,
    /// Also point this tag at each image
    #[arg(long, value_parser = parse_tag)]
    tag: Option<String>,
}

/// Checks the rules that registries have for tags.
fn parse_tag(text: &str) -> Result<String, &'static str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_well = text.bytes().next().is_some_and(is_word);
    let continues_well = text
        .bytes()
        .all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
    if starts_well && continues_well && text.len() <= 128 {
        Ok(text.to_owned())
    } else {
        Err(
            "a tag has 1 to 128 letters, digits, `_`, `.` or `-`, and does not begin with `.` or `-`",
        )
    }
}

/// The result of `build --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Built {
    /// One per image.
    pub(crate) images: Vec<Outcome>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"images":[{"image","key","reference","digest","state":"built|present","before",
        "why":[DIFFERENCE],"seconds"}]}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let names = build::select(context, &self.images)?;
        let registry = destination::registry(context, self.registry, &names)?;
        let reach = || destination::reach(context, self.registry);
        let prepare = || xtask_machine::require(context, xtask_machine::FOR_BUILD);
        let images = match self.force {
            false => build::all(context, &names, &registry, reach, prepare),
            true => build::again(context, &names, &registry, reach, prepare),
        }?;
        if let Some(tag) = &self.tag {
            for image in &images {
                destination::move_tag(context, &image.reference, tag)?;
            }
        }
        let text = shown::images::of_build(&images);
        context.report.result(&Built { images }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
