//! How the Rust code of every image is compiled, which is the same on every machine, and the whole
//! environment in which that happens.
//!
//! A compile has two parts. Cargo first fetches packages, and for that it needs the user's
//! environment: proxies, certificates, credentials. What it fetched is verified. The second part is
//! offline and gets [`variables`] and nothing else: each of them is fixed, or names a folder whose
//! content is fixed or is in the key.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The target of every image.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The profile of every image.
pub const PROFILE: &str = "release";

/// The variables of the user's environment that reach tools which fetch packages, or which are
/// asked for their versions. They do not reach a compiler.
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

/// The checkout, and what of the user's environment cargo and the compilers may be asked with.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The checkout.
    pub root: PathBuf,
    /// Those of [`PASSED_ENVIRONMENT`] that are set.
    pub variables: BTreeMap<&'static str, OsString>,
}

impl Surroundings {
    /// The checkout, with the environment of this process.
    #[must_use]
    pub fn of_process(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            variables: PASSED_ENVIRONMENT
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?)))
                .collect(),
        }
    }

    /// The value of a variable that is set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.get(name)
    }

    /// The folder where cargo keeps packages and the user's configuration.
    #[must_use]
    pub fn cargo_home(&self) -> PathBuf {
        let named = |name| self.variable(name).map(PathBuf::from);
        let home = named("CARGO_HOME").or_else(|| Some(named("HOME")?.join(".cargo")));
        // Cargo takes a relative one from the folder that it starts in.
        self.root.join(home.unwrap_or_else(|| "/.cargo".into()))
    }
}

/// The folders that a compile has for itself, in the target folder.
#[derive(Debug, Clone)]
pub struct Places {
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Links to the programs that are found by their names.
    pub programs: PathBuf,
    /// An empty folder in place of the user's.
    pub home: PathBuf,
    /// For temporary files.
    pub temporary: PathBuf,
}

impl Places {
    /// Those in this target folder.
    #[must_use]
    pub fn of(target: &Path) -> Self {
        Self {
            target: target.to_owned(),
            programs: target.join("programs"),
            home: target.join("home"),
            temporary: target.join("temporary"),
        }
    }
}

/// The whole environment of a compile.
///
/// `CARGO_HOME` is the user's: cargo's configuration there is in the key, and its packages are
/// verified. No variable of rustup is here, because the programs are those of the toolchain itself.
#[must_use]
pub fn variables(
    surroundings: &Surroundings,
    places: &Places,
    rust_flags: &OsString,
) -> Vec<(&'static str, OsString)> {
    vec![
        ("CARGO_HOME", surroundings.cargo_home().into()),
        // A configuration of cargo must not move the build out of our folder.
        ("CARGO_BUILD_BUILD_DIR", places.target.clone().into()),
        // No source is in this folder, so cargo writes paths as the compiler has them, which the audit
        // needs.
        (
            "CARGO_BUILD_DEP_INFO_BASEDIR",
            places.target.join("no-basedir").into(),
        ),
        ("CARGO_ENCODED_RUSTFLAGS", rust_flags.clone()),
        ("CARGO_TERM_COLOR", "never".into()),
        ("HOME", places.home.clone().into()),
        ("LC_ALL", "C.UTF-8".into()),
        ("PATH", places.programs.clone().into()),
        // The date that C compilers write for `__DATE__`.
        ("SOURCE_DATE_EPOCH", "0".into()),
        ("TMPDIR", places.temporary.clone().into()),
    ]
}

/// The flags of the compiler. They replace the paths of this machine, so that the same sources give
/// the same bytes in every checkout. `packages` are folders that hold packages, whose names depend on
/// the mirror or on the vendored folder that they come from.
#[must_use]
pub fn rust_flags<'a>(
    surroundings: &Surroundings,
    packages: impl IntoIterator<Item = &'a Path>,
) -> OsString {
    let home = surroundings.cargo_home();
    let mut places = vec![
        (surroundings.root.as_path(), "/source"),
        (home.as_path(), "/cargo"),
    ];
    // The last one that fits is used.
    places.extend(packages.into_iter().map(|folder| (folder, "/packages")));
    let mut flags = OsString::new();
    for (place, name) in places {
        if !flags.is_empty() {
            // CARGO_ENCODED_RUSTFLAGS has this separator, because paths can contain spaces.
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(place);
        flags.push("=");
        flags.push(name);
    }
    flags
}
