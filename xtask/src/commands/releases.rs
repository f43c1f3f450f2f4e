//! `cargo xtask releases`: what ran when.

use serde::Serialize;
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
    /// What serves now, by its id.
    current: Option<String>,
    /// The newest first.
    releases: Vec<Release>,
}

/// Runs the command.
///
/// # Errors
/// The cloud does not answer.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
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
        format!("nothing was deployed to {} yet", context.environment)
    } else {
        table(
            &["release", "result", "images", "git", "by", "seconds"],
            &rows,
        )
    };
    context.report.result(&Listing { current, releases }, &text)
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
