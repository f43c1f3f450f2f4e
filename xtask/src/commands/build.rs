//! `cargo xtask build [IMAGE…]`: builds images and pushes them to the registry.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::one_of::{REGISTRIES, one_of};
use crate::commands::shown;
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_image::build;
use xtask_image::build::Outcome;
use xtask_image::build::plan;
use xtask_image::build::plan::{Plan, Step, Verb};
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
    /// Fail instead of compiling or running npm: only pack and push what was built before
    #[arg(long)]
    reuse: bool,
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

/// Refuses images that are not made of what was built before.
fn refuse_compiling(plans: &[Plan]) -> Result<(), Failure> {
    let mut steps = plans.iter().flat_map(|plan| &plan.steps);
    let is_build = |step: &&Step| matches!(step.verb, Verb::Compile | Verb::BuildPage);
    match steps.find(is_build) {
        None => Ok(()),
        Some(step) => Err(Failure::new(
            Code::Build,
            format!("--reuse does not allow this step: {step}"),
        )
        .hint("cargo xtask why IMAGE names what changed since it was built")),
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
        if self.reuse {
            refuse_compiling(&plan::all(context, &names, &registry)?)?;
        }
        let reach = || destination::reach(context, self.registry);
        let prepare = || xtask_machine::require(context, xtask_machine::FOR_BUILD);
        let images = match self.force {
            false => build::all(context, &names, &registry, reach, prepare),
            true => build::again(context, &names, &registry, reach, prepare),
        }?;
        if let Some(tag) = &self.tag {
            for image in &images {
                destination::move_tag(context, None, &image.reference, tag)?;
            }
        }
        let text = shown::images::of_build(&images);
        context.report.result(&Built { images }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask_image::build::plan::State;
    use xtask_image::key::store::Reasons;

    #[test]
    fn what_must_only_be_packed_is_not_compiled() {
        let plan = |verb| Plan {
            image: "generator".to_owned(),
            key: String::new(),
            reference: String::new(),
            state: State::Build,
            steps: vec![Step {
                verb,
                what: "app-gen".to_owned(),
            }],
            reasons: Reasons {
                before: None,
                why: Vec::new(),
            },
        };
        for verb in [Verb::ReuseBinary, Verb::ReusePage, Verb::Pack, Verb::Push] {
            assert!(refuse_compiling(&[plan(verb)]).is_ok(), "{verb:?}");
        }
        for verb in [Verb::Compile, Verb::BuildPage] {
            let refused = refuse_compiling(&[plan(Verb::Pack), plan(verb)]).unwrap_err();
            assert!(refused.to_string().contains("app-gen"), "{refused}");
        }
    }
}
