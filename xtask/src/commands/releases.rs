//! `cargo xtask releases`: lists the releases of an environment.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_image::key::short;
use xtask_operate::deploy::release;
use xtask_operate::deploy::release::Release;

/// How much of a git revision a table shows.
const REVISION_CHARACTERS: usize = 12;

/// The result of `releases --json`.
#[derive(Debug, Serialize)]
struct Listing {
    /// The id of the release that serves.
    current: Option<String>,
    /// The newest first.
    releases: Vec<Release>,
}

/// List the releases: when each was deployed, by whom, and how it ended
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"current","releases":[RELEASE]}`, the newest first; `current` is the id of the release
        that serves"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if context.is_local() {
            xtask_machine::ministack::require(context)?;
        }
        let releases = release::list(context)?;
        let current = release::current(&releases).map(|release| release.id.clone());
        let rows: Vec<Vec<String>> = releases
            .iter()
            .map(|release| row(release, current.as_deref()))
            .collect();
        let text = if rows.is_empty() {
            format!(
                "nothing has been deployed to environment {} yet",
                context.environment
            )
        } else {
            table(
                &["release", "result", "images", "git", "by", "seconds"],
                &rows,
            )
        };
        context
            .report
            .result(&Listing { current, releases }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(release: &Release, current: Option<&str>) -> Vec<String> {
    let mut result = release.outcome.name().to_owned();
    if current == Some(&release.id) {
        result.push_str(", serves");
    }
    if let Some(restored) = &release.restores {
        result.push_str(&format!(", back to {restored}"));
    }
    let images: Vec<String> = release
        .images
        .iter()
        .map(|(name, image)| format!("{name} {}", short(&image.key)))
        .collect();
    let git = release.git.as_deref().unwrap_or("—");
    let (revision, dirty) = git
        .strip_suffix("-dirty")
        .map_or((git, ""), |revision| (revision, "+"));
    let revision: String = revision.chars().take(REVISION_CHARACTERS).collect();
    vec![
        release.id.clone(),
        result,
        images.join(", "),
        format!("{revision}{dirty}"),
        release.by.clone(),
        format!("{:.0}", release.seconds),
    ]
}
