//! How the Rust code of every image is compiled, which is the same on every machine.

use std::path::{Path, PathBuf};

/// The target of every image.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The profile of every image.
pub const PROFILE: &str = "release";

/// The variables of the user's environment that reach the compiler. All others (RUSTFLAGS, CFLAGS,
/// CARGO_PROFILE_…) are removed, so that they need not be in the key.
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

/// The folder where cargo keeps registries and the user's configuration.
#[must_use]
pub fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
}

/// The flags of the compiler. They replace the paths of this machine, so that the same sources give
/// the same bytes in every checkout.
#[must_use]
pub fn rust_flags(root: &Path) -> String {
    let cargo_home = cargo_home().unwrap_or_default();
    // CARGO_ENCODED_RUSTFLAGS has this separator, because paths can contain spaces.
    format!(
        "--remap-path-prefix={}=/source\x1f--remap-path-prefix={}=/cargo",
        root.display(),
        cargo_home.display()
    )
}
