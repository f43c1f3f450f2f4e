//! `cargo xtask prune`: remove what piles up and nothing needs: old revisions of task
//! definitions, images of releases that nobody goes back to.

use crate::engine::cloud;
use crate::engine::context::Context;
use crate::engine::deploy::environment_lock::EnvironmentLock;
use crate::engine::deploy::release;
use crate::engine::report::table;
use crate::local::unused_images::{self, Image};
use crate::local::{self, Part};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// One call a revision, and a backlog may be long.
const PRUNE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Arguments of `prune`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// List only; so on AWS, too, unless --yes is typed
    #[arg(long)]
    dry_run: bool,
    /// How many of the newest releases, revisions and images of each kind stay in any case
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
}

/// The result of `prune --json`.
#[derive(Debug, Serialize, Deserialize)]
struct Pruned {
    dry_run: bool,
    definitions: Vec<String>,
    images: Vec<Image>,
}

/// Runs the command.
///
/// # Errors
/// Another command works on the environment, or cloud or engine refuse. What was removed until
/// then stays removed.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let dry_run = args.dry_run || !(context.is_local() || context.yes_given);
    if context.is_local() {
        local::require(context, &[Part::Engine, Part::Cloud])?;
    }
    // A deploy makes things that nothing uses yet.
    let _lock = match dry_run {
        true => None,
        false => Some(EnvironmentLock::take(context, "prune")?),
    };
    let keep = usize::try_from(args.keep)?;
    let protected: BTreeSet<String> = release::list(context)?
        .iter()
        .take(keep)
        .flat_map(|release| release.images.values())
        .filter_map(|image| Some(image.reference.split_once('@')?.1.to_owned()))
        .collect();
    let count = args.keep.to_string();
    let mut arguments = vec!["prune", "--keep", &count];
    if dry_run {
        arguments.push("--dry-run");
    }
    for digest in &protected {
        arguments.extend(["--protect", digest]);
    }
    let mut pruned: Pruned = cloud::call(context, arguments)
        .timeout(PRUNE_TIMEOUT)
        .start("prune")?
        .read()?;
    if context.is_local() {
        let unused = unused_images::list(context, &protected)?;
        if !dry_run {
            unused_images::remove(&unused)?;
        }
        pruned.images.extend(unused);
    }
    context.report.result(&pruned, &text(&pruned, context))
}

fn text(pruned: &Pruned, context: &Context) -> String {
    let definitions = pruned
        .definitions
        .iter()
        .map(|arn| vec!["task definition".to_owned(), arn.clone()]);
    let images = pruned.images.iter().map(|image| {
        let name = format!("{}@{}", image.repository, image.digest);
        vec!["image".to_owned(), name]
    });
    let rows: Vec<Vec<String>> = definitions.chain(images).collect();
    if rows.is_empty() {
        return "nothing to prune".to_owned();
    }
    let then = match (pruned.dry_run, context.is_local()) {
        (false, _) => "removed".to_owned(),
        (true, true) => "nothing was removed: cargo xtask prune does it".to_owned(),
        (true, false) => format!(
            "nothing was removed: cargo xtask prune --env {} --yes does it",
            context.environment
        ),
    };
    format!("{}\n{then}", table(&["kind", "what"], &rows))
}
