//! What the manifests of a workspace say and `cargo tree` does not show.

use crate::rust::environment;
use anyhow::Context as _;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::{Table, Value};
use xtask_core::digest::digest_bytes;

/// The part with the fields that members inherit, `workspace.package`.
pub const PACKAGE: &str = "package";

/// Digests of the parts of the workspace's manifest that reach these path packages (name to
/// folder): profile, patches, package fields, and the dependencies that the packages inherit. A
/// rename there changes what `use name` means, while the resolution stays the same.
///
/// # Errors
/// A manifest cannot be read.
pub fn tables(
    root: &Path,
    members: &BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let manifest = read(&root.join("Cargo.toml"))?;
    let workspace = manifest.get("workspace");
    let profile = manifest
        .get("profile")
        .and_then(|profiles| profiles.get(environment::PROFILE));
    let mut parts = vec![
        ("profile".to_owned(), profile),
        ("patch".to_owned(), manifest.get("patch")),
        ("replace".to_owned(), manifest.get("replace")),
        (
            PACKAGE.to_owned(),
            workspace.and_then(|table| table.get(PACKAGE)),
        ),
        (
            "resolver".to_owned(),
            workspace.and_then(|table| table.get("resolver")),
        ),
    ];
    let dependencies = workspace.and_then(|table| table.get("dependencies"));
    let mut inherited = BTreeSet::new();
    for folder in members.values() {
        let member = read(&root.join(folder).join("Cargo.toml"))?;
        inherited.extend(inherited_dependencies(&member));
    }
    parts.extend(inherited.into_iter().map(|name| {
        let dependency = dependencies.and_then(|table| table.get(&name));
        (format!("dependency {name}"), dependency)
    }));
    Ok(parts
        .into_iter()
        .filter_map(|(name, value)| Some((name, digest_bytes(value?.to_string().as_bytes()))))
        .collect())
}

/// The names of the dependencies that a member takes from the workspace, without those of its tests.
fn inherited_dependencies(manifest: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let per_target = targets
        .into_iter()
        .flat_map(|targets| targets.values())
        .filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(per_target)
        .flat_map(|table| {
            ["dependencies", "build-dependencies", "build_dependencies"]
                .into_iter()
                .filter_map(|section| table.get(section)?.as_table())
        })
        .flatten()
        .filter(|(_, dependency)| inherits(dependency))
        .map(|(name, _)| name.clone())
        .collect()
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// The patterns of a package's `package.exclude`, also where it takes them from the workspace.
///
/// # Errors
/// A manifest cannot be read, or says something else there.
pub fn exclude_patterns(root: &Path, folder: &Path) -> anyhow::Result<Vec<String>> {
    let manifest = read(&folder.join("Cargo.toml"))?;
    let mut exclude = manifest
        .get("package")
        .and_then(|package| package.get("exclude"))
        .cloned();
    if exclude.as_ref().is_some_and(inherits) {
        exclude = read(&root.join("Cargo.toml"))?
            .get("workspace")
            .and_then(|workspace| workspace.get("package")?.get("exclude"))
            .cloned();
    }
    Ok(exclude.map_or_else(|| Ok(Vec::new()), Value::try_into)?)
}

/// What does not belong to the files of a package: what these patterns of its `package.exclude`
/// name, and what cargo itself never packages.
///
/// # Errors
/// A pattern is malformed.
pub fn excludes(folder: &Path, patterns: &[String]) -> anyhow::Result<Gitignore> {
    let mut builder = GitignoreBuilder::new(folder);
    let always = ["/target", ".git"];
    for pattern in always
        .into_iter()
        .chain(patterns.iter().map(String::as_str))
    {
        builder.add_line(None, pattern).with_context(|| {
            format!("package.exclude of {}", folder.join("Cargo.toml").display())
        })?;
    }
    Ok(builder.build()?)
}

fn read(path: &Path) -> anyhow::Result<Table> {
    std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}", path.display()))?
        .parse()
        .with_context(|| format!("failed to parse {}", path.display()))
}
