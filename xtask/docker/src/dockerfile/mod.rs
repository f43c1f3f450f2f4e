//! Finds out which images a Dockerfile builds upon. It reads stages, arguments and quotes as
//! BuildKit's frontend does, since they decide which images a build asks for.
//!
//! `file` finds and reads the file. `directives` reads what the first lines say about the rest, `lines` splits the file, `word` knows
//! quotes and variables, `flags` and `mount` know what an instruction takes, and `stages` follows
//! stages to images with the help of `sources` and `arguments`. `taken` and `times` look at what its
//! copies take, and at the times that they leave. Only what has an influence on images
//! is checked; a build finds other mistakes.

mod arguments;
mod directives;
mod file;
mod flags;
mod lines;
mod mount;
mod pattern;
mod platform;
mod refusal;
mod sources;
mod stages;
mod taken;
mod times;
mod wanted;
mod word;

pub use crate::dockerfile::file::{Dockerfile, NAME};
pub use crate::dockerfile::platform::normalised as normalised_platform;
pub use crate::dockerfile::wanted::Wanted;

use crate::dockerfile::directives::Frontend;
use crate::dockerfile::refusal::Refusal;
use crate::reference::Reference;
use std::collections::{BTreeMap, BTreeSet};
use xtask_core::error::{Code, Failure};

/// The images outside the Dockerfile that the wanted stage reaches: as written, but with the
/// values of arguments. Errors call the Dockerfile `file`.
///
/// The frontend is one of them, where the file names one. An image that an `ONBUILD` trigger of a
/// base image names is not, because the file does not hold its name.
///
/// # Errors
/// BuildKit would refuse the file, or a frontend reads it that has another language than Docker's.
/// The error names file, line and instruction.
pub fn external_images(
    file: &str,
    bytes: &[u8],
    wanted: &Wanted<'_>,
) -> anyhow::Result<BTreeSet<String>> {
    let frontend = frontend_of(bytes, wanted.arguments);
    let images = images(bytes, wanted, frontend.as_ref()).map_err(|refusal| {
        let line = refusal.line.map(|line| format!(":{line}"));
        let line = line.unwrap_or_default();
        // A malformed name names no frontend.
        let is_read_by_another = |frontend: &&Frontend| {
            !frontend.is_dockers() && Reference::parse(&frontend.image).is_ok()
        };
        match frontend.as_ref().filter(is_read_by_another) {
            None => Failure::new(Code::Build, format!("{file}{line}: {refusal}"))
                .hint(format!("edit {file}")),
            Some(Frontend { image, .. }) => Failure::new(
                Code::Build,
                format!(
                    "{file}{line}: {refusal}. The frontend `{image}` reads this file, and which \
                     images it builds upon is known only in the language of docker/dockerfile"
                ),
            )
            .hint(format!(
                "edit {file}, or name a frontend that reads Dockerfiles, such as docker/dockerfile:1"
            )),
        }
    })?;
    Ok(images)
}

/// The image of the program that reads the file in place of the engine's own frontend: as a build
/// argument or the file itself names it.
#[must_use]
pub fn frontend(bytes: &[u8], arguments: &BTreeMap<String, String>) -> Option<String> {
    frontend_of(bytes, arguments).map(|frontend| frontend.image)
}

fn frontend_of(bytes: &[u8], arguments: &BTreeMap<String, String>) -> Option<Frontend> {
    match arguments.get("BUILDKIT_SYNTAX") {
        Some(line) => Some(Frontend {
            image: line.trim().split(' ').next().unwrap_or_default().to_owned(),
            line: None,
        }),
        None => directives::frontend(bytes),
    }
}

/// Whether the build may take files from the folder `folder` at the top of its context: by an
/// instruction of the file, as far as that can be known without a build. Triggers of base images are
/// not looked at.
#[must_use]
pub fn may_take(bytes: &[u8], folder: &str) -> bool {
    taken::may_take(bytes, folder).unwrap_or(true)
}

/// Whether a build leaves no time of its own in a layer, so that it makes the same bytes whenever it runs:
/// all that it does to files is to copy folders onto `/`, or onto folders that such a copy has brought.
/// `folders` are those of the context, without a slash at either end. What cannot be known without a build
/// counts as no. Triggers of base images are not looked at.
#[must_use]
pub fn leaves_no_times(bytes: &[u8], folders: &BTreeSet<&str>) -> bool {
    times::are_of_context(bytes, folders).unwrap_or(false)
}

/// The names of the stages, in small letters. There are none where the file cannot be read.
#[must_use]
pub fn stage_names(bytes: &[u8]) -> BTreeSet<String> {
    let Ok(file) = lines::read(bytes) else {
        return BTreeSet::new();
    };
    file.instructions
        .iter()
        .filter_map(|instruction| stages::stage_name(instruction).ok()?)
        .collect()
}

fn images(
    bytes: &[u8],
    wanted: &Wanted<'_>,
    frontend: Option<&Frontend>,
) -> Result<BTreeSet<String>, Refusal> {
    if let Some(Frontend { image, line }) = frontend {
        Reference::parse(image).map_err(|error| Refusal {
            line: *line,
            instruction: Some("syntax".to_owned()),
            message: error.to_string(),
        })?;
    }
    directives::check_options(bytes, wanted.arguments.get("BUILDKIT_DOCKERFILE_CHECK"))?;
    let mut images = stages::reached(&lines::read(bytes)?, wanted)?;
    images.extend(frontend.map(|frontend| frontend.image.clone()));
    Ok(images)
}

#[cfg(test)]
mod tests;
