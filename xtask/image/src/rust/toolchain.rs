//! The versions of everything that turns sources into a binary, which are part of the key.

use crate::rust::cargo_config;
use crate::rust::cargo_config::ConfigFile;
use crate::rust::compiler_versions;
use crate::rust::compiler_versions::{Probe, Surroundings};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Value;
use xtask_core::digest::digest_bytes;

/// What each compiler and linker says about its version, and digests of the relevant parts of
/// cargo's configuration, by name.
///
/// # Errors
/// A compiler is missing.
pub fn fingerprint(
    root: &Path,
    cache_folder: &Path,
    config: &[ConfigFile],
) -> anyhow::Result<BTreeMap<String, String>> {
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
    for file in config {
        probes.extend(configured_programs(file));
        let relevant = cargo_config::relevant(file.table.clone());
        if !relevant.is_empty() {
            let digest = digest_bytes(relevant.to_string().as_bytes());
            fingerprint.insert(file.name.clone(), digest);
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

/// The compiler, wrappers and linkers that a configuration names. They are asked for their
/// versions like those of the search path.
fn configured_programs(file: &ConfigFile) -> Vec<Probe> {
    let config = &file.table;
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
                name: format!("{}: {what}", file.name),
                // A path is relative to the folder that holds `.cargo`.
                program: match file.path.parent().and_then(Path::parent) {
                    Some(folder) if program.contains('/') => folder.join(program),
                    _ => program.into(),
                },
                arguments: &["--version"],
            })
        })
        .collect()
}
