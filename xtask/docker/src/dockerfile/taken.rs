//! Whether a build may take a file of the context: by `COPY`, `ADD` or a mount.

use crate::dockerfile::lines;
use crate::dockerfile::lines::Instruction;
use crate::dockerfile::mount;
use crate::dockerfile::refusal::Refusal;

/// Whether an instruction of the file may take what is in the folder `folder` at the top of the
/// context. What cannot be known without a build (variables, triggers) counts as yes.
pub(super) fn may_take(bytes: &[u8], folder: &str) -> Result<bool, Refusal> {
    let file = lines::read(bytes)?;
    for instruction in &file.instructions {
        let inner;
        let taking = if instruction.name == "ONBUILD" {
            inner = lines::split(&instruction.arguments, instruction.line, file.escape)?;
            &inner
        } else {
            instruction
        };
        if takes(taking, folder) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn takes(instruction: &Instruction, folder: &str) -> bool {
    match instruction.name.as_str() {
        "ADD" | "COPY" => {
            let is_elsewhere = instruction
                .values_of("from")
                .any(|source| !source.is_empty());
            let mut sources = instruction.arguments();
            sources.pop();
            !is_elsewhere && sources.iter().any(|source| covers(source, folder))
        }
        "RUN" => instruction
            .values_of("mount")
            .any(|mount| mount::of_context(mount).is_some_and(|source| covers(&source, folder))),
        _ => false,
    }
}

/// Whether a source may be the folder, something in it, or the context as a whole.
fn covers(source: &str, folder: &str) -> bool {
    if source.contains(['$', '\\', '`', '"', '\'']) {
        return true;
    }
    if let Some(end) = source.find(['*', '?', '[']) {
        return source.contains("..") || may_match(&source[..end], folder);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.first().is_none_or(|first| *first == folder)
}

/// Whether a pattern that begins with these characters may match the folder, or something in it. The
/// first part of its path is whole if a `/` ends it.
fn may_match(beginning: &str, folder: &str) -> bool {
    let mut rest = beginning;
    while let Some(below) = rest.strip_prefix('/').or_else(|| rest.strip_prefix("./")) {
        rest = below;
    }
    match rest.split_once('/') {
        Some((first, _)) => first == folder,
        None => folder.starts_with(rest),
    }
}
