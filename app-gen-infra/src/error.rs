//! The error for a fault in the manifest, with its line and key.

use crate::MANIFEST_PATH;
use std::ops::Range;

/// A fault in `platform.toml`, naming file, line and key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}{}: {message}", line_suffix(*.line), key_suffix(.key))]
pub struct ManifestError {
    /// The manifest, relative to the checkout, or the variable that is at fault.
    pub file: &'static str,
    /// Line of the fault, counted from 1, if it has one.
    pub line: Option<usize>,
    /// Dotted key of the fault, if it has one.
    pub key: Option<String>,
    /// What is wrong with it.
    pub message: String,
}

fn line_suffix(line: Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

fn key_suffix(key: &Option<String>) -> String {
    key.as_ref()
        .map(|key| format!(": `{key}`"))
        .unwrap_or_default()
}

impl ManifestError {
    pub(crate) fn whole_file(file: &'static str, message: String) -> Self {
        Self {
            file,
            line: None,
            key: None,
            message,
        }
    }

    /// A fault of a variable of our environment, which decides what of the manifest counts.
    pub(crate) fn of_variable(name: &'static str, message: String) -> Self {
        Self::whole_file(name, message)
    }

    pub(crate) fn at(text: &str, span: &Range<usize>, message: String) -> Self {
        Self {
            file: MANIFEST_PATH,
            line: Some(line_of(text, span.start)),
            key: key_at(text, span.start),
            message,
        }
    }

    pub(crate) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let message = error.message().trim().to_owned();
        match error.span() {
            Some(span) => Self::at(text, &span, message),
            None => Self::whole_file(MANIFEST_PATH, message),
        }
    }

    /// A fault of a key that no span points to. The line is that of the key or, if the key is
    /// missing, that of the innermost table around it.
    pub(crate) fn of_key(text: &str, key: &str, message: &str) -> Self {
        Self {
            file: MANIFEST_PATH,
            line: line_of_key(text, key),
            key: Some(key.to_owned()),
            message: message.to_owned(),
        }
    }
}

/// The line that defines the longest part of a dotted key.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let covers = |name: &str| key == name || key.starts_with(&format!("{name}."));
    let mut table = String::new();
    let mut best: Option<(usize, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let name = if let Some(header) = table_name(line.trim()) {
            table.clone_from(&header);
            header
        } else if let Some(name) = key_name(line) {
            match table.as_str() {
                "" => name,
                table => [table, name.as_str()].join("."),
            }
        } else {
            continue;
        };
        if covers(&name) && best.is_none_or(|(length, _)| name.len() > length) {
            best = Some((name.len(), index + 1));
        }
    }
    best.map(|(_, line)| line)
}

/// The name in `[name]`.
fn table_name(line: &str) -> Option<String> {
    line.strip_prefix('[')
        .and_then(|rest| rest.split(']').next())
        .map(|name| name.trim().to_owned())
}

/// The name before `=`.
fn key_name(line: &str) -> Option<String> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim();
    (!name.is_empty() && !name.starts_with('#')).then(|| name.to_owned())
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}

/// The dotted key that the line at `offset` defines: the table above it and the name before `=`.
fn key_at(text: &str, offset: usize) -> Option<String> {
    let line_start = text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..)?.lines().next()?.trim();
    if let Some(table) = table_name(line) {
        return Some(table);
    }
    let name = key_name(line)?;
    let table = text
        .get(..line_start)?
        .lines()
        .rev()
        .find_map(|line| table_name(line.trim()));
    Some(match table {
        Some(table) => format!("{table}.{name}"),
        None => name,
    })
}
