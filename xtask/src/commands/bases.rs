//! `cargo xtask bases [--update]`: the base images, what each stands for, and the pins.

use anyhow::Context as _;
use serde::Serialize;
use std::collections::BTreeMap;
use xtask_core::context::Context;
use xtask_core::interrupt;
use xtask_core::report::table;
use xtask_docker::reference::Reference;
use xtask_image::base;
use xtask_image::base::pins::{PINS_PATH, Pins};
use xtask_image::base::{Base, Source};
use xtask_image::key::compute;

/// Enough of a digest for people.
const SHORT_DIGEST: usize = "sha256:".len() + 12;

/// Arguments of `bases`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pin each base image to what its registry has now
    #[arg(long)]
    update: bool,
}

/// Whether a base image is held at a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Pin {
    /// The reference names its digest; there is nothing to hold.
    Unneeded,
    /// The registry has what it is pinned to.
    Pinned,
    /// The registry has another digest by now.
    Moved,
    /// It is pinned, and the registry does not answer.
    Unchecked,
    /// It is not pinned, though it could be.
    Unpinned,
    /// No registry answers: only the engine has it.
    Impossible,
}

#[derive(Debug, Serialize)]
struct Row {
    reference: String,
    images: Vec<String>,
    digest: String,
    source: Source,
    pin: Pin,
    /// What its registry has for the tag; the reference's own digest where it names one.
    registry_digest: Option<String>,
    /// Why its registry named no digest.
    registry_error: Option<String>,
}

/// What `--update` did to a pin.
#[derive(Debug, Serialize)]
struct Change {
    reference: String,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Debug, Serialize)]
struct Listing {
    bases: Vec<Row>,
    /// Pins of images that no Dockerfile builds upon.
    unused: Vec<String>,
    changes: Vec<Change>,
}

/// Runs the command.
///
/// # Errors
/// A Dockerfile or the file of pins is malformed, a base image is nowhere, or the pins cannot
/// be written.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let bases = of_images(context)?;
    let mut pins = Pins::load(&context.root)?;
    let asked = ask(&bases)?;
    let changes = if args.update {
        update(&mut pins, &asked, context)?
    } else {
        Vec::new()
    };
    let listing = Listing {
        bases: asked
            .iter()
            .map(|asked| row(asked, &pins, bases[asked.name].clone()))
            .collect::<anyhow::Result<_>>()?,
        unused: unused(&pins, &asked).map(ToString::to_string).collect(),
        changes,
    };
    context.report.result(&listing, &text(&listing))
}

/// Base images as the Dockerfiles name them, each with the images that build upon it.
fn of_images(context: &Context) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut bases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, image) in &context.platform.images {
        let path = context.root.join(image.dockerfile.get_ref());
        let dockerfile =
            std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        for reference in compute::base_references(&dockerfile, &context.platform, image)? {
            bases.entry(reference).or_default().push(name.clone());
        }
    }
    Ok(bases)
}

/// A base image and what its registry has; nobody is asked where the reference says it all.
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

/// Holds what a registry answered for, lets go of what is not used any more.
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
            (_, None) => format!("{reference}: pin removed, nothing builds upon it\n"),
        });
    }
    if !listing.unused.is_empty() {
        text.push_str(&format!(
            "{PINS_PATH} also pins what nothing builds upon: {}\n",
            listing.unused.join(", ")
        ));
    }
    if !listing.unused.is_empty() || listing.bases.iter().any(|row| row.pin == Pin::Moved) {
        text.push_str("hint: cargo xtask bases --update\n");
    }
    text
}

fn state(row: &Row) -> String {
    match (row.pin, &row.registry_digest) {
        (Pin::Unneeded, _) => "named by the Dockerfile".to_owned(),
        (Pin::Pinned, _) => "pinned".to_owned(),
        (Pin::Moved, now) => format!(
            "moved: registry has {} now",
            short(now.as_deref().unwrap_or_default())
        ),
        (Pin::Unchecked, _) => "pinned; its registry does not answer".to_owned(),
        (Pin::Unpinned, _) => "not pinned".to_owned(),
        (Pin::Impossible, _) => "not pinned: only this machine's engine has it".to_owned(),
    }
}

fn short(digest: &str) -> &str {
    digest.get(..SHORT_DIGEST).unwrap_or(digest)
}
