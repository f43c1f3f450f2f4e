//! Cargo's configuration files: where they are, and what in them can change a binary.

use crate::rust::environment::Surroundings;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::{Table, Value};
use xtask_core::error::{Code, Failure};

/// The names of cargo's configuration files begin with this.
pub const CONFIGURATION: &str = ".cargo/config.toml";

/// Tables of cargo's configuration that cannot change what is compiled. Every other one is in the
/// key, also one that only a later cargo knows.
const IRRELEVANT_TABLES: [&str; 14] = [
    // Names for commands; we use none.
    "alias",
    // When cargo removes what it has fetched.
    "cache",
    // What `cargo new` and `cargo install` and `cargo doc` do.
    "cargo-new",
    "doc",
    "install",
    // How cargo reaches a registry, and as whom. What it fetches is held against the lock.
    "credential-alias",
    "http",
    "net",
    "registries",
    "registry",
    // Where packages come from. They are held against the lock too, and those of a plain folder,
    // which the lock does not protect, are hashed.
    "source",
    // What cargo shows.
    "future-incompat-report",
    "term",
    // The included files are in the key by themselves.
    "include",
];

/// Settings of `[build]` that cannot change it, and differ from machine to machine.
const IRRELEVANT_BUILD_SETTINGS: [&str; 6] = [
    "build-dir",
    "dep-info-basedir",
    "jobs",
    "rustdoc",
    "rustdocflags",
    "target-dir",
];

/// Tables whose paths lead to packages. Those are inputs by themselves, or refused.
const TABLES_OF_PACKAGES: [&str; 2] = ["patch", "paths"];

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
pub fn read(surroundings: &Surroundings) -> anyhow::Result<Vec<ConfigFile>> {
    let mut folders: Vec<(String, PathBuf)> = surroundings
        .root
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
    folders.push((
        format!("{CONFIGURATION} of the user"),
        surroundings.cargo_home(),
    ));
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
    config.retain(|key, _| !IRRELEVANT_TABLES.contains(&key));
    if let Some(build) = config.get_mut("build").and_then(Value::as_table_mut) {
        build.retain(|key, _| !IRRELEVANT_BUILD_SETTINGS.contains(&key));
        if build.is_empty() {
            config.remove("build");
        }
    }
    config
}

impl ConfigFile {
    /// A relative path in it starts at this folder, the one that holds `.cargo`.
    #[must_use]
    pub fn base(&self) -> &Path {
        let folder = self.path.parent().and_then(Path::parent);
        folder.unwrap_or(Path::new("/"))
    }

    /// The folders that it puts in the place of a registry: those with unpacked packages, and those
    /// with archives.
    #[must_use]
    pub fn source_folders(&self) -> [Vec<PathBuf>; 2] {
        let sources = self.table.get("source").and_then(Value::as_table);
        ["directory", "local-registry"].map(|kind| {
            sources
                .into_iter()
                .flat_map(Table::values)
                .filter_map(|source| source.get(kind)?.as_str())
                .map(|folder| self.base().join(folder))
                .collect()
        })
    }

    /// The files that its relevant part names: linkers, wrappers, values of `[env]`, libraries.
    ///
    /// # Errors
    /// It names a folder outside of the checkout, which no key can hold.
    pub fn named_files(&self, root: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
        let mut config = relevant(self.table.clone());
        config.retain(|key, _| !TABLES_OF_PACKAGES.contains(&key));
        let mut texts = Vec::new();
        for (key, value) in &config {
            strings(key, value, &mut texts);
        }
        let mut files = BTreeSet::new();
        for (setting, text) in texts {
            for path in paths_in(&text).map(|path| self.base().join(path)) {
                if path.is_file() {
                    files.insert(path);
                } else if path.is_dir() && !path.starts_with(root) {
                    return Err(Failure::new(
                        Code::Build,
                        format!(
                            "{setting} in {} names the folder {}, which no key holds",
                            self.path.display(),
                            path.display()
                        ),
                    )
                    .hint(
                        "remove the setting, or copy what it needs into a package of the checkout",
                    ));
                }
            }
        }
        Ok(files)
    }

    /// Whether a value of `[env]` is a path that depends on where the file is.
    #[must_use]
    pub fn depends_on_its_place(&self) -> bool {
        let entries = self.table.get("env").and_then(Value::as_table);
        entries
            .into_iter()
            .flat_map(Table::values)
            .any(|entry| entry.get("relative").and_then(Value::as_bool) == Some(true))
    }
}

/// Every text in a value, with the name of its setting.
fn strings(name: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((name.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| strings(name, item, found)),
        Value::Table(table) => {
            for (key, value) in table {
                strings(&format!("{name}.{key}"), value, found);
            }
        }
        _ => {}
    }
}

/// What may be a path in a text such as `-I/opt/include`, `KEY=/a:/b` or `tools/linker`.
fn paths_in(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split([' ', '\t', '\n', ':', '=', ',', ';', '\u{1f}']);
    let parts = words.flat_map(|word| {
        // Behind a flag, the path begins with the first slash.
        let behind_flag = word.find('/').filter(|_| word.starts_with('-'));
        [Some(word), behind_flag.map(|position| &word[position..])]
    });
    // A path can hold any of the characters at which words end.
    std::iter::once(text)
        .chain(parts.flatten())
        .filter(|part| part.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    fn file(folder: &Path, text: &str) -> ConfigFile {
        ConfigFile {
            name: CONFIGURATION.to_owned(),
            path: folder.join(CONFIGURATION),
            text: None,
            table: text.parse().unwrap(),
        }
    }

    #[test]
    fn a_table_that_nobody_knows_is_relevant() {
        let text = "paths = [\"x\"]\n[alias]\na = \"b\"\n[build]\njobs = 1\nrustflags = []\n\
                    [brand-new]\nsetting = true\n[net]\noffline = true\n[registries.own]\nindex = \"x\"\n\
                    [source.a]\ndirectory = \"b\"\n[env]\nONE = \"1\"\n";
        let kept = relevant(text.parse().unwrap());
        let names: Vec<&str> = kept.keys().map(String::as_str).collect();
        assert_eq!(names, ["brand-new", "build", "env", "paths"]);
        assert_eq!(kept["build"].as_table().unwrap().len(), 1);
        assert!(relevant("[build]\njobs = 1\n".parse().unwrap()).is_empty());
    }

    #[test]
    fn the_files_that_a_configuration_names_are_found_and_folders_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("checkout");
        fs::create_dir_all(root.join("tools")).unwrap();
        for name in ["checkout/tools/linker", "library.a", "with space"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let place = folder.path().display();
        let config = file(
            &root,
            &format!(
                "[target.x]\nlinker = \"tools/linker\"\n[env]\nFLAGS = \"-L native={place}/library.a\"\n\
                 TOOL = {{ value = \"{place}/with space\", force = true }}\nNOTHING = \"/does/not/exist\"\n\
                 INSIDE = \"tools\"\n[patch.crates-io]\na = {{ path = \"{place}\" }}\n"
            ),
        );
        let expected = ["checkout/tools/linker", "library.a", "with space"];
        assert_eq!(
            config.named_files(&root).unwrap(),
            expected.map(|name| folder.path().join(name)).into()
        );
        for value in [
            format!("{place}"),
            format!("-I{place}"),
            format!("/none:{place}"),
        ] {
            let config = file(&root, &format!("[env]\nCFLAGS = \"{value}\"\n"));
            let refused = config.named_files(&root).unwrap_err().to_string();
            assert!(refused.starts_with("env.CFLAGS in "), "{refused}");
        }
    }

    #[test]
    fn every_place_is_read_where_cargo_reads() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "a/b/.cargo/config.toml",
            "include = [\"more.toml\", { path = \"none.toml\", optional = true }]\n",
        );
        write("a/b/.cargo/more.toml", "[env]\nONE = \"1\"\n");
        write("a/.cargo/config", "[env]\nTWO = \"2\"\n");
        write("home/config.toml", "[env]\nTHREE = \"3\"\n");
        let surroundings = Surroundings {
            root: folder.path().join("a/b"),
            variables: BTreeMap::from([("CARGO_HOME", folder.path().join("home").into())]),
        };
        let files = read(&surroundings).unwrap();
        let found: Vec<&str> = files
            .iter()
            .filter(|file| file.text.is_some())
            .map(|file| file.name.as_str())
            .collect();
        assert_eq!(
            found,
            [
                ".cargo/config.toml",
                ".cargo/config.toml, include 0",
                ".cargo/config.toml, 1 folders up, legacy",
                ".cargo/config.toml of the user",
            ]
        );
    }
}
