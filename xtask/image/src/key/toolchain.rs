//! The environment that images' Rust is compiled in: fixed, and part of the key.

use crate::key::compiler_versions;
use crate::key::compiler_versions::{Probe, Surroundings};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use toml::{Table, Value};
use xtask_core::digest::digest_bytes;

/// The target of every image.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The profile of every image.
pub const PROFILE: &str = "release";

/// What of the user's environment reaches the compiler. Everything else (RUSTFLAGS,
/// CFLAGS, CARGO_PROFILE_…) is left out, so that it need not be in the key.
pub const PASSED_ENVIRONMENT: &[&str] = &[
    "CARGO_HOME",
    "HOME",
    "LANG",
    "PATH",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cache",
];

/// Tables of cargo's configuration that can change what is compiled.
const RELEVANT_CONFIG: [&str; 6] = ["build", "env", "patch", "profile", "target", "unstable"];

/// Settings of `[build]` that cannot, and differ from machine to machine.
const IRRELEVANT_BUILD_CONFIG: [&str; 4] = ["build-dir", "dep-info-basedir", "jobs", "target-dir"];

/// Versions of all that turns sources into a binary.
///
/// # Errors
/// A compiler is missing, or a configuration of cargo is malformed.
pub fn fingerprint(root: &Path, cache_folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    // The images are keyed side by side; the second finds the answers of the first.
    static ASKING: Mutex<()> = Mutex::new(());
    let _asking = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    let probe = |name: &str, program: &str, arguments| Probe {
        name: name.to_owned(),
        program: program.into(),
        arguments,
    };
    let mut probes = vec![
        probe("rustc", "rustc", &["-vV"]),
        probe("cargo", "cargo", &["-V"]),
        probe("cc", "cc", &["--version"]),
        probe("ld", "ld", &["--version"]),
        probe("libc", "getconf", &["GNU_LIBC_VERSION"]),
    ];
    let mut fingerprint = BTreeMap::new();
    for (name, path) in config_files(root)? {
        let Some(table) = read_config(&path)? else {
            continue;
        };
        probes.extend(configured_programs(&name, &path, &table));
        let relevant = relevant_config(table);
        if !relevant.is_empty() {
            fingerprint.insert(name, digest_bytes(relevant.to_string().as_bytes()));
        }
    }
    for (name, answer) in compiler_versions::ask(
        &Surroundings::of_process(root),
        &cache_folder.join("toolchain/versions.json"),
        &probes,
    )? {
        let text = if name == "rustc" {
            answer.replace('\n', "; ")
        } else {
            answer.lines().next().unwrap_or_default().to_owned()
        };
        fingerprint.insert(name, text);
    }
    Ok(fingerprint)
}

/// With this the names of cargo's configuration files begin.
pub const CONFIGURATION: &str = ".cargo/config.toml";

/// Where cargo looks for its configuration, present or not, and what those include:
/// name (the same on every machine) and path.
///
/// # Errors
/// A configuration is malformed.
pub fn config_files(root: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
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
        // Without an ending as cargo once had it, and still prefers it.
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
    files: &mut Vec<(String, PathBuf)>,
) -> anyhow::Result<()> {
    if files.iter().any(|(_, known)| *known == path) {
        return Ok(());
    }
    let table = read_config(&path)?.unwrap_or_default();
    files.push((name.clone(), path.clone()));
    let includes = match table.get("include") {
        Some(Value::Array(includes)) => includes.as_slice(),
        Some(include) => std::slice::from_ref(include),
        None => return Ok(()),
    };
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

/// A configuration, where there is one.
fn read_config(path: &Path) -> anyhow::Result<Option<Table>> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let table = text.parse();
            Ok(Some(table.with_context(|| {
                format!("failed to parse {}", path.display())
            })?))
        }
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

/// Whether reading failed because there is no such file.
#[must_use]
pub fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    [NotFound, NotADirectory].contains(&error.kind())
}

fn relevant_config(mut config: Table) -> Table {
    config.retain(|key, _| RELEVANT_CONFIG.contains(&key));
    if let Some(build) = config.get_mut("build").and_then(Value::as_table_mut) {
        build.retain(|key, _| !IRRELEVANT_BUILD_CONFIG.contains(&key));
        if build.is_empty() {
            config.remove("build");
        }
    }
    config
}

/// The compiler, wrappers and linkers that a configuration names, to be asked for
/// their versions as those of the search path are.
fn configured_programs(name: &str, path: &Path, config: &Table) -> Vec<Probe> {
    let build = ["rustc", "rustc-wrapper", "rustc-workspace-wrapper"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), config.get("build")?.get(key)?)));
    let linkers = config
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
        .filter_map(|(target, table)| Some((format!("linker of {target}"), table.get("linker")?)));
    build
        .chain(linkers)
        .filter_map(|(what, program)| {
            let program = program.as_str().filter(|program| !program.is_empty())?;
            Some(Probe {
                name: format!("{name}: {what}"),
                // A path is relative to the folder that holds `.cargo`.
                program: match path.parent().and_then(Path::parent) {
                    Some(folder) if program.contains('/') => folder.join(program),
                    _ => program.into(),
                },
                arguments: &["--version"],
            })
        })
        .collect()
}

/// Where cargo keeps registries and the user's configuration.
#[must_use]
pub fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
}

/// The compiler flags of images: paths of the machine are mapped away, so that
/// the same sources give the same bytes in every checkout.
#[must_use]
pub fn rust_flags(root: &Path) -> String {
    let cargo_home = cargo_home().unwrap_or_default();
    // Separated as CARGO_ENCODED_RUSTFLAGS wants it: paths may hold spaces.
    format!(
        "--remap-path-prefix={}=/source\x1f--remap-path-prefix={}=/cargo",
        root.display(),
        cargo_home.display()
    )
}
