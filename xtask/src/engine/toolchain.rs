//! The environment that images' Rust is compiled in: fixed, and part of the key.

use super::cmd::Cmd;
use super::entry::digest_bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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

/// Versions of all that turns sources into a binary. Asked once per process: no
/// command outlives a change of the compiler.
///
/// # Errors
/// A compiler is missing.
pub fn fingerprint(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    static KNOWN: Mutex<Option<BTreeMap<String, String>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(fingerprint) = &*known {
        return Ok(fingerprint.clone());
    }
    let fingerprint = probe(root)?;
    *known = Some(fingerprint.clone());
    Ok(fingerprint)
}

fn probe(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let probes: [(&str, &[&str]); 4] = [
        ("rustc", &["rustc", "-vV"]),
        ("cc", &["cc", "--version"]),
        ("ld", &["ld", "--version"]),
        ("libc", &["getconf", "GNU_LIBC_VERSION"]),
    ];
    // Side by side: each costs some 20 ms of process start.
    let answers: Vec<anyhow::Result<String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = probes
            .iter()
            .map(|(_, line)| {
                scope.spawn(|| {
                    Cmd::new(line[0])
                        .args(&line[1..])
                        .folder(root)
                        .only_env(PASSED_ENVIRONMENT)
                        .timeout(Duration::from_secs(20))
                        .read()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a probe panicked")))
            })
            .collect()
    });
    let mut fingerprint = BTreeMap::new();
    for ((name, _), answer) in probes.iter().zip(answers) {
        let answer = answer?;
        let text = if *name == "rustc" {
            answer.replace('\n', "; ")
        } else {
            answer.lines().next().unwrap_or_default().to_owned()
        };
        // A key must never be computed from an answer that got lost.
        anyhow::ensure!(!text.is_empty(), "{name} does not tell its version");
        fingerprint.insert((*name).to_owned(), text);
    }
    for (name, digest) in cargo_config(root)? {
        fingerprint.insert(name, digest);
    }
    Ok(fingerprint)
}

/// Digests of the relevant part of each cargo configuration that applies.
fn cargo_config(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files: Vec<(String, PathBuf)> = root
        .ancestors()
        .enumerate()
        .map(|(depth, folder)| {
            (
                format!("cargo config {depth} up"),
                folder.join(".cargo/config.toml"),
            )
        })
        .collect();
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    if let Some(home) = home {
        files.push((
            "cargo config of the user".to_owned(),
            home.join("config.toml"),
        ));
    }
    let mut digests = Vec::new();
    for (name, path) in files {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => anyhow::bail!("failed to read {}: {error}", path.display()),
        };
        let table: toml::Table = text
            .parse()
            .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        let relevant: toml::Table = table
            .into_iter()
            .filter(|(key, _)| RELEVANT_CONFIG.contains(&key.as_str()))
            .collect();
        if !relevant.is_empty() {
            digests.push((name, digest_bytes(relevant.to_string().as_bytes())));
        }
    }
    Ok(digests)
}

/// The compiler flags of images: paths of the machine are mapped away, so that
/// the same sources give the same bytes in every checkout.
#[must_use]
pub fn rust_flags(root: &Path) -> String {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .unwrap_or_default();
    // Separated as CARGO_ENCODED_RUSTFLAGS wants it: paths may hold spaces.
    format!(
        "--remap-path-prefix={}=/source\x1f--remap-path-prefix={}=/cargo",
        root.display(),
        cargo_home.display()
    )
}
