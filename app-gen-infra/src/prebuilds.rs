//! The checks of what is made before an image: names of packages, and paths in the context.

use crate::{AptPrebuild, ManifestError, NpmToolsPrebuild};
use std::collections::BTreeSet;
use std::path::{Component, Path};
use toml::Spanned;

pub(crate) fn check_apt(apt: &AptPrebuild, text: &str) -> Result<(), ManifestError> {
    if apt.packages.is_empty() {
        let message = "names no package; without any, leave `apt` out";
        return Err(fault(text, &apt.to, message.to_owned()));
    }
    let mut known = BTreeSet::new();
    for package in &apt.packages {
        let name = package.get_ref();
        if !is_package(name) {
            let message = format!("`{name}` is not the name of a package of Debian");
            return Err(fault(text, package, message));
        }
        if !known.insert(name) {
            return Err(fault(text, package, format!("names `{name}` twice")));
        }
    }
    check_path(&apt.to, text, "the context")
}

pub(crate) fn check_npm_tools(tools: &NpmToolsPrebuild, text: &str) -> Result<(), ManifestError> {
    if tools.files.is_empty() {
        let message = "names no file; without any, leave `npm_tools` out";
        return Err(fault(text, &tools.folder, message.to_owned()));
    }
    for (to, from) in &tools.files {
        check_path(to, text, "the context")?;
        check_path(from, text, "node_modules")?;
        let mut others = tools.files.keys().filter(|other| *other != to);
        if let Some(other) = others.find(|other| is_below(to, other)) {
            let message = format!("`{}` is below `{}`", to.get_ref(), other.get_ref());
            return Err(fault(text, to, message));
        }
    }
    Ok(())
}

fn fault<T>(text: &str, at: &Spanned<T>, message: String) -> ManifestError {
    ManifestError::at(text, &at.span(), message)
}

/// Whether Debian's policy allows the name. Only such a name is given to apt.
fn is_package(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() > 1
        && name.starts_with(|first: char| first.is_ascii() && is_letter(first as u8))
        && name
            .bytes()
            .all(|byte| is_letter(byte) || b"+-.".contains(&byte))
}

/// A path has one spelling, so that two of them can be compared.
fn check_path(path: &Spanned<String>, text: &str, of: &str) -> Result<(), ManifestError> {
    let written = path.get_ref();
    let parts: Vec<&str> = Path::new(written)
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    if !parts.is_empty() && parts.join("/") == *written {
        return Ok(());
    }
    let message = format!("`{written}` is not a path in {of}, such as `tools/node`");
    Err(fault(text, path, message))
}

fn is_below(path: &Spanned<String>, folder: &Spanned<String>) -> bool {
    Path::new(path.get_ref()).starts_with(folder.get_ref())
}
