//! `cargo xtask bases [--update]`: lists the base images and their digests, and pins them. What an image
//! gets of Debian on top of its base is resolved against that base, so the same command locks it.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::interrupt;
use xtask_core::report::table;
use xtask_docker::dockerfile::Dockerfile;
use xtask_docker::reference::Reference;
use xtask_image::base;
use xtask_image::base::pins::{PINS_PATH, Pins};
use xtask_image::base::{Base, Source};
use xtask_image::debian::renew;
use xtask_image::key::compute;

/// How much of a digest the text shows.
const SHORT_DIGEST: usize = "sha256:".len() + 12;

/// List the base images and the packages on top of them, and whether they are pinned
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pin each base image to the digest that its registry has now, and lock the packages of Debian
    /// that its archives have now
    #[arg(long)]
    update: bool,
}

/// Whether a base image is held at a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Pin {
    /// The reference names its digest, so that it needs no pin.
    Unneeded,
    /// The registry has the pinned digest.
    Pinned,
    /// The registry has another digest than the pinned one.
    Moved,
    /// The base image is pinned, and the registry does not answer.
    Unchecked,
    /// The base image is not pinned, but could be.
    Unpinned,
    /// No registry has the base image, only the engine.
    Impossible,
}

#[derive(Debug, Serialize)]
struct Row {
    reference: String,
    images: Vec<String>,
    digest: String,
    source: Source,
    pin: Pin,
    /// The digest that the registry has for the tag, or that the reference itself names.
    registry_digest: Option<String>,
    /// Why the registry named no digest.
    registry_error: Option<String>,
}

/// A pin that `--update` changed.
#[derive(Debug, Serialize)]
struct Change {
    reference: String,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Debug, Serialize)]
struct Listing {
    bases: Vec<Row>,
    /// Pins of images that no Dockerfile uses.
    unused: Vec<String>,
    changes: Vec<Change>,
    #[serde(flatten)]
    debian: renew::Listing,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Checkout;
    const ANSWER: Answer = Answer::Object(
        r#"`{"bases":[{"reference","images":[NAME],"digest",
        "source":"reference|pinned|registry|engine",
        "pin":"unneeded|pinned|moved|unchecked|unpinned|impossible","registry_digest",
        "registry_error"}],"unused":[REFERENCE],"changes":[{"reference","before","after"}],
        "locks":[{"image","path","state":"current|stale|missing","why","packages":{NAME:VERSION}}],
        "package_changes":[{"image","package","before","after"}]}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let bases = of_images(context)?;
        let mut pins = Pins::load(&context.root)?;
        let asked = ask(&bases)?;
        let changes = if self.update {
            update(&mut pins, &asked, context)?
        } else {
            Vec::new()
        };
        // The packages are those that the pinned base lacks, so they come second.
        let debian = match self.update {
            true => renew::update(context, &pins)?,
            false => renew::list(context)?,
        };
        let listing = Listing {
            bases: asked
                .iter()
                .map(|asked| row(asked, &pins, bases[asked.name].clone()))
                .collect::<anyhow::Result<_>>()?,
            unused: unused(&pins, &asked).map(ToString::to_string).collect(),
            changes,
            debian,
        };
        context.report.result(&listing, &text(&listing))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Base images as the Dockerfiles name them, each with the images that use it.
fn of_images(context: &Context) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut bases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, image) in &context.platform.images {
        let path = context.root.join(image.dockerfile.get_ref());
        let dockerfile = Dockerfile::read(&path)?;
        for reference in compute::base_references(&dockerfile.bytes, &context.platform, image)? {
            bases.entry(reference).or_default().push(name.clone());
        }
    }
    Ok(bases)
}

/// A base image and the answer of its registry, which is not asked where the reference names
/// the digest.
struct Asked<'a> {
    name: &'a String,
    reference: Reference,
    registry: anyhow::Result<String>,
}

fn ask(bases: &BTreeMap<String, Vec<String>>) -> anyhow::Result<Vec<Asked<'_>>> {
    let asked = xtask_core::side_by_side::side_by_side(bases.keys(), |name| {
        let reference = Reference::parse(name)?;
        let registry = match reference.digest() {
            Some(digest) => Ok(digest.to_owned()),
            None => base::in_registry(&reference),
        };
        Ok((reference, registry))
    });
    interrupt::check()?;
    asked
        .into_iter()
        .map(|(name, asked)| {
            let (reference, registry) = asked?;
            Ok(Asked {
                name,
                reference,
                registry,
            })
        })
        .collect()
}

/// Pins every digest that a registry answered with, and removes the pins that nothing uses.
fn update(pins: &mut Pins, asked: &[Asked<'_>], context: &Context) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for asked in asked {
        let (None, Ok(digest)) = (asked.reference.digest(), &asked.registry) else {
            continue;
        };
        let before = pins.set(asked.reference.clone(), digest.clone());
        if before.as_ref() != Some(digest) {
            changes.push(Change {
                reference: asked.reference.to_string(),
                before,
                after: Some(digest.clone()),
            });
        }
    }
    let unused: Vec<Reference> = unused(pins, asked).cloned().collect();
    for reference in unused {
        changes.push(Change {
            reference: reference.to_string(),
            before: pins.remove(&reference),
            after: None,
        });
    }
    if !changes.is_empty() {
        pins.save(&context.root)?;
    }
    Ok(changes)
}

fn unused<'a>(pins: &'a Pins, asked: &'a [Asked<'_>]) -> impl Iterator<Item = &'a Reference> {
    pins.iter()
        .map(|(reference, _)| reference)
        .filter(|reference| !asked.iter().any(|asked| asked.reference == **reference))
}

fn row(asked: &Asked<'_>, pins: &Pins, images: Vec<String>) -> anyhow::Result<Row> {
    let reference = &asked.reference;
    let (base, pin) = if let Some(digest) = reference.digest() {
        (Base::new(digest, Source::Reference), Pin::Unneeded)
    } else {
        match (&asked.registry, pins.digest(reference)) {
            (Ok(now), None) => (Base::new(now, Source::Registry), Pin::Unpinned),
            (Err(error), None) => (
                base::instead_of_registry(reference, error)?,
                Pin::Impossible,
            ),
            (registry, Some(pinned)) => {
                let pin = match registry {
                    Ok(now) if now == pinned => Pin::Pinned,
                    Ok(_) => Pin::Moved,
                    Err(_) => Pin::Unchecked,
                };
                (Base::new(pinned, Source::Pinned), pin)
            }
        }
    };
    Ok(Row {
        reference: asked.name.clone(),
        images,
        digest: base.digest,
        source: base.source,
        pin,
        registry_digest: asked.registry.as_ref().ok().cloned(),
        registry_error: asked
            .registry
            .as_ref()
            .err()
            .map(|error| format!("{error:#}")),
    })
}

fn text(listing: &Listing) -> String {
    let rows: Vec<Vec<String>> = listing
        .bases
        .iter()
        .map(|row| {
            vec![
                row.reference.clone(),
                row.images.join(", "),
                short(&row.digest).to_owned(),
                row.source.name().to_owned(),
                state(row),
            ]
        })
        .collect();
    let mut text = table(&["base image", "used by", "digest", "from", "pin"], &rows);
    for change in &listing.changes {
        let reference = &change.reference;
        text.push_str(&match (&change.before, &change.after) {
            (None, Some(after)) => format!("{reference}: pinned to {}\n", short(after)),
            (Some(before), Some(after)) => format!(
                "{reference}: pin moved from {} to {}\n",
                short(before),
                short(after)
            ),
            (_, None) => format!("{reference}: pin removed, because no Dockerfile uses it\n"),
        });
    }
    if !listing.unused.is_empty() {
        text.push_str(&format!(
            "{PINS_PATH} also pins images that no Dockerfile uses: {}\n",
            listing.unused.join(", ")
        ));
    }
    text.push_str(&packages_text(&listing.debian));
    let is_moved = listing.bases.iter().any(|row| row.pin == Pin::Moved);
    if !listing.unused.is_empty() || is_moved || listing.debian.is_stale() {
        text.push_str("hint: cargo xtask bases --update\n");
    }
    text
}

/// For a person; empty where no image gets packages of Debian.
fn packages_text(listing: &renew::Listing) -> String {
    if listing.locks.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = listing
        .locks
        .iter()
        .map(|row| {
            let state = match (row.state, &row.why) {
                (renew::State::Missing, _) => "missing".to_owned(),
                (_, Some(why)) => why.clone(),
                (_, None) => format!("{} packages", row.packages.len()),
            };
            vec![row.path.clone(), row.image.clone(), state]
        })
        .collect();
    let mut text = table(&["packages of Debian", "used by", "state"], &rows);
    for change in &listing.package_changes {
        let renew::Change { image, package, .. } = change;
        text.push_str(&match (&change.before, &change.after) {
            (Some(before), Some(after)) => {
                format!("{image}: {package} moved from {before} to {after}\n")
            }
            (None, Some(after)) => format!("{image}: {package} {after} added\n"),
            (_, None) => format!("{image}: {package} removed\n"),
        });
    }
    text
}

fn state(row: &Row) -> String {
    match (row.pin, &row.registry_digest) {
        (Pin::Unneeded, _) => "named by the Dockerfile".to_owned(),
        (Pin::Pinned, _) => "pinned".to_owned(),
        (Pin::Moved, now) => format!(
            "moved: the registry has {} now",
            short(now.as_deref().unwrap_or_default())
        ),
        (Pin::Unchecked, _) => "pinned; the registry does not answer".to_owned(),
        (Pin::Unpinned, _) => "not pinned".to_owned(),
        (Pin::Impossible, _) => "not pinned: only the Docker Engine has it".to_owned(),
    }
}

fn short(digest: &str) -> &str {
    digest.get(..SHORT_DIGEST).unwrap_or(digest)
}
