//! Whether a build leaves the time at which it runs in its layers.
//!
//! A step that makes something in a folder of the image changes the folder's time, and BuildKit gives a
//! folder that it makes the time of the step. A copy of a folder onto a folder is different: BuildKit sets
//! the times of all folders that the copied one has, so they are those of the context. `/` itself is in no
//! layer. So a copy leaves no time where its destination is `/`, or a folder that an earlier copy onto `/`
//! has brought.

use crate::dockerfile::lines;
use crate::dockerfile::lines::Instruction;
use crate::dockerfile::refusal::Refusal;
use std::collections::BTreeSet;

/// Whether all times in the layers are those of the base image and of the context. `folders` are those of
/// the context, without a slash at either end. What cannot be known without a build counts as no.
pub(super) fn are_of_context(bytes: &[u8], folders: &BTreeSet<&str>) -> Result<bool, Refusal> {
    let file = lines::read(bytes)?;
    let mut stages = 0;
    // Folders of the image whose times the context has set.
    let mut known: BTreeSet<String> = BTreeSet::new();
    for instruction in &file.instructions {
        match instruction.name.as_str() {
            "FROM" => stages += 1,
            "COPY" => match copied(instruction, folders, &known) {
                Some(brought) => known.extend(brought),
                None => return Ok(false),
            },
            "ADD" | "ONBUILD" | "RUN" | "WORKDIR" => return Ok(false),
            // The others change the configuration alone.
            _ => {}
        }
    }
    Ok(stages == 1)
}

/// The folders of the image that a copy sets the times of; nothing where it may leave its own.
fn copied(
    copy: &Instruction,
    folders: &BTreeSet<&str>,
    known: &BTreeSet<String>,
) -> Option<BTreeSet<String>> {
    if !copy.flags.is_empty() || !copy.documents.is_empty() {
        return None;
    }
    let mut words = copy.arguments();
    let destination = path(&words.pop()?)?;
    let mut brought = BTreeSet::new();
    for word in &words {
        let source = path(word)?;
        let is_folder = folders.contains(source.as_str());
        let is_known = is_folder && known.contains(&destination);
        if !is_known && !destination.is_empty() {
            return None;
        }
        let below = format!("{source}/");
        let within = folders.iter().filter_map(|it| it.strip_prefix(&below));
        brought.extend(within.map(|name| match destination.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        }));
    }
    Some(brought)
}

/// A path without slashes at its ends; nothing where a build may take it for another one.
fn path(word: &str) -> Option<String> {
    if word.contains(['$', '\\', '`', '"', '\'']) {
        return None;
    }
    let parts: Vec<&str> = word
        .split('/')
        .filter(|part| !["", "."].contains(part))
        .collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}
