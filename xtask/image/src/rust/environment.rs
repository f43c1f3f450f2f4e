//! The fixed surroundings in which the Rust code of every image is compiled, on any machine.

use std::path::{Path, PathBuf};

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
