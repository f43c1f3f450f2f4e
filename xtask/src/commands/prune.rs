//! `cargo xtask prune`: remove what piles up and nothing needs: old releases and revisions of
//! task definitions, images of releases that nobody goes back to and, on this machine, what
//! builds keep.

use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_image::key::{TAG_PREFIX, short};
use xtask_operate::prune;
use xtask_operate::prune::image::Image;
use xtask_operate::prune::{Keeper, KeptImage, Pruned};

/// Arguments of `prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List only; so on AWS, too, unless --yes is typed
    #[arg(long)]
    dry_run: bool,
    /// How many of the newest of each kind stay in any case
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
}

/// Runs the command.
///
/// # Errors
/// Another command changes the environment, or the cloud, the registry or the engine refuses. What was
/// removed before stays removed.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let dry_run = args.dry_run || !(context.is_local() || context.yes_given);
    let pruned = prune::prune(context, args.keep, dry_run)?;
    context.report.result(&pruned, &text(&pruned, context))
}

fn text(pruned: &Pruned, context: &Context) -> String {
    let row = |kind: &str, what: String| vec![kind.to_owned(), what];
    let releases = pruned.releases.iter().map(|id| row("release", id.clone()));
    let definitions = pruned.definitions.iter().map(|arn| {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        row("task definition", name.to_owned())
    });
    let images = pruned.images.iter().map(|KeptImage { keeper, image }| {
        let kind = match keeper {
            Keeper::Ecr => "image in ECR",
            Keeper::Registry => "image in the registry",
            Keeper::Engine => "image in the engine",
        };
        row(kind, named(image))
    });
    let cache = pruned.cache.iter().map(|old| {
        let path = old.path.strip_prefix(&context.root).unwrap_or(&old.path);
        row(
            "cache",
            format!("{}, {}", path.display(), mebibytes(old.bytes)),
        )
    });
    let rows: Vec<Vec<String>> = releases
        .chain(definitions)
        .chain(images)
        .chain(cache)
        .collect();
    if rows.is_empty() {
        return "nothing to prune".to_owned();
    }
    let all = summary(pruned);
    let then = match (pruned.dry_run, context.is_local()) {
        (false, _) => format!("removed {all}"),
        (true, true) => format!("{all}: cargo xtask prune removes them"),
        (true, false) => format!(
            "{all}: cargo xtask prune --env {} --yes removes them",
            context.environment
        ),
    };
    format!("{}\n{then}", table(&["kind", "what"], &rows))
}

fn summary(pruned: &Pruned) -> String {
    let mut parts: Vec<String> = [
        (pruned.releases.len(), "release"),
        (pruned.definitions.len(), "task definition"),
        (pruned.images.len(), "image"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
    .collect();
    if !pruned.cache.is_empty() {
        let bytes = pruned.cache.iter().map(|old| old.bytes).sum();
        parts.push(format!("{} of cache", mebibytes(bytes)));
    }
    parts.join(", ")
}

/// By its key, as builds name it, where it has one.
fn named(image: &Image) -> String {
    let key = image
        .tags
        .iter()
        .find_map(|tag| tag.strip_prefix(TAG_PREFIX));
    match key {
        Some(key) => format!("{} key {}", image.repository, short(key)),
        None => format!("{}@{}", image.repository, image.digest),
    }
}

fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "to be read by people")]
    let mebibytes = bytes as f64 / f64::from(1024 * 1024);
    format!("{mebibytes:.1} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use xtask_core::report::{Report, Verbosity};
    use xtask_operate::prune::cache::OldFolder;

    #[test]
    fn what_goes_reads_at_a_glance() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let context = |environment: &str| {
            let report = Report::new(false, Verbosity::Quiet);
            Context::at(root.to_owned(), environment, false, report).unwrap()
        };
        let image = |tags: &[&str]| Image {
            repository: "localhost:5000/app".to_owned(),
            digest: "sha256:0123".to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        };
        let key = format!("key-{}", "0123456789abcdef".repeat(4));
        let mut pruned = Pruned {
            dry_run: false,
            releases: vec!["20261121T165912Z-0a1b2c".to_owned()],
            definitions: ["app:1", "app:2"]
                .map(|name| format!("arn:aws:ecs:us-east-1:000000000000:task-definition/{name}"))
                .to_vec(),
            images: Keeper::Registry
                .of(vec![image(&[&key]), image(&[])])
                .collect(),
            cache: vec![OldFolder {
                path: context("local").cache_folder().join("npm/0123"),
                bytes: 3 << 19,
            }],
        };
        let shown = [
            "kind                   what",
            &"─".repeat(58),
            "release                20261121T165912Z-0a1b2c",
            "task definition        app:1",
            "task definition        app:2",
            "image in the registry  localhost:5000/app key 0123456789ab",
            "image in the registry  localhost:5000/app@sha256:0123",
            "cache                  target/xtask/npm/0123, 1.5 MiB",
        ]
        .join("\n");
        let all = "1 release, 2 task definitions, 2 images, 1.5 MiB of cache";
        assert_eq!(
            text(&pruned, &context("local")),
            format!("{shown}\n\nremoved {all}")
        );
        pruned.dry_run = true;
        assert_eq!(
            text(&pruned, &context("local")),
            format!("{shown}\n\n{all}: cargo xtask prune removes them")
        );
        assert_eq!(
            text(&pruned, &context("dev")),
            format!("{shown}\n\n{all}: cargo xtask prune --env dev --yes removes them")
        );
        let nothing = Pruned {
            releases: Vec::new(),
            definitions: Vec::new(),
            images: Vec::new(),
            cache: Vec::new(),
            ..pruned
        };
        assert_eq!(text(&nothing, &context("local")), "nothing to prune");
    }
}
