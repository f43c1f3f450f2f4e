//! `cargo xtask prune`: removes old things that nothing needs: releases, revisions of task
//! definitions, images of releases that cannot be restored and, on this machine, build results.

use crate::commands::command::{Answer, Changes, Command};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::report::table;
use xtask_image::key::{TAG_PREFIX, short};
use xtask_operate::prune;
use xtask_operate::prune::image::Image;
use xtask_operate::prune::{Keeper, KeptImage, Pruned};

/// Remove old releases, task definitions, images and build results that nothing needs
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only list what would be removed; on AWS this is the default unless --yes is typed
    #[arg(long)]
    dry_run: bool,
    /// Keep at least this many of the newest of each kind
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"dry_run","releases":[ID],"definitions":[ARN],
        "images":[{"keeper":"ecr|registry|engine","repository","digest","tags"}],
        "cache":[{"path","bytes"}]}`; on AWS, only a list unless `--yes` is typed"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let dry_run = self.dry_run || !(context.is_local() || context.yes_given);
        let pruned = prune::prune(context, self.keep, dry_run)?;
        context.report.result(&pruned, &text(&pruned, context))?;
        Ok(ExitCode::SUCCESS)
    }
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
        return "there is nothing to prune".to_owned();
    }
    let all = summary(pruned);
    let then = match (pruned.dry_run, context.is_local()) {
        (false, _) => format!("removed {all}"),
        (true, true) => format!("found {all}; cargo xtask prune removes them"),
        (true, false) => format!(
            "found {all}; cargo xtask prune --env {} --yes removes them",
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

/// The name of an image, with its key where it has one.
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
    fn the_text_lists_what_is_removed_and_sums_it_up() {
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
            format!("{shown}\n\nfound {all}; cargo xtask prune removes them")
        );
        assert_eq!(
            text(&pruned, &context("dev")),
            format!("{shown}\n\nfound {all}; cargo xtask prune --env dev --yes removes them")
        );
        let nothing = Pruned {
            releases: Vec::new(),
            definitions: Vec::new(),
            images: Vec::new(),
            cache: Vec::new(),
            ..pruned
        };
        assert_eq!(
            text(&nothing, &context("local")),
            "there is nothing to prune"
        );
    }
}
