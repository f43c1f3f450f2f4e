//! Cargo's configuration files: where they are, and what in them can change a binary.

use crate::rust::environment::cargo_home;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The names of cargo's configuration files begin with this.
pub const CONFIGURATION: &str = ".cargo/config.toml";

/// Tables of cargo's configuration that can change what is compiled.
const RELEVANT_TABLES: [&str; 6] = ["build", "env", "patch", "profile", "target", "unstable"];

/// Settings of `[build]` that cannot change it, and differ from machine to machine.
const IRRELEVANT_BUILD_SETTINGS: [&str; 4] =
    ["build-dir", "dep-info-basedir", "jobs", "target-dir"];

/// A place where cargo looks for its configuration, with what is there.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Its name, which is the same on every machine.
    pub name: String,
    /// Where it is on this one.
    pub path: PathBuf,
    /// Its text, where the file exists.
    pub text: Option<String>,
    /// What the text says.
    pub table: Table,
}

/// Reads every place where cargo looks for its configuration, and what those files include.
///
/// # Errors
/// A file cannot be read, or is malformed.
pub fn read(root: &Path) -> anyhow::Result<Vec<ConfigFile>> {
    let mut folders: Vec<(String, PathBuf)> = root
        .ancestors()
        .enumerate()
        .map(|(depth, folder)| {
            let name = match depth {
                0 => CONFIGURATION.to_owned(),
                _ => format!("{CONFIGURATION}, {depth} folders up"),
            };
            (name, folder.join(".cargo"))
        })
        .collect();
    folders.extend(cargo_home().map(|home| (format!("{CONFIGURATION} of the user"), home)));
    let mut files = Vec::new();
    for (name, folder) in folders {
        // Cargo still prefers the name without an ending, which it once had.
        let legacy = (format!("{name}, legacy"), folder.join("config"));
        for (name, path) in [(name, folder.join("config.toml")), legacy] {
            add_with_includes(name, path, &mut files)?;
        }
    }
    Ok(files)
}

fn add_with_includes(
    name: String,
    path: PathBuf,
    files: &mut Vec<ConfigFile>,
) -> anyhow::Result<()> {
    if files.iter().any(|known| known.path == path) {
        return Ok(());
    }
    let text = read_if_present(&path)?;
    let table: Table = text
        .as_deref()
        .unwrap_or_default()
        .parse()
        .with_context(|| format!("failed to parse {}", path.display()))?;
    let includes = match table.get("include") {
        Some(Value::Array(includes)) => includes.clone(),
        Some(include) => vec![include.clone()],
        None => Vec::new(),
    };
    files.push(ConfigFile {
        name: name.clone(),
        path: path.clone(),
        text,
        table,
    });
    for (number, include) in includes.iter().enumerate() {
        let included = include.get("path").unwrap_or(include).as_str();
        let included = included.with_context(|| format!("`include` of {}", path.display()))?;
        // Relative to the file that includes it.
        add_with_includes(
            format!("{name}, include {number}"),
            path.with_file_name(included),
            files,
        )?;
    }
    Ok(())
}

/// The text of a file, or nothing where there is no such file.
pub(super) fn read_if_present(path: &Path) -> anyhow::Result<Option<String>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if [NotFound, NotADirectory].contains(&error.kind()) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

/// The part of a configuration that can change what is compiled.
#[must_use]
pub fn relevant(mut config: Table) -> Table {
    config.retain(|key, _| RELEVANT_TABLES.contains(&key));
    if let Some(build) = config.get_mut("build").and_then(Value::as_table_mut) {
        build.retain(|key, _| !IRRELEVANT_BUILD_SETTINGS.contains(&key));
        if build.is_empty() {
            config.remove("build");
        }
    }
    config
}
