//! A checkout for tests of npm, with the real manifest and nothing else.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use xtask_core::context::Context;
use xtask_core::report::{Report, Verbosity};

/// The checkout that is tested.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
}

pub(crate) struct Checkout {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Checkout {
    pub(crate) fn new() -> Self {
        Self::below("")
    }

    /// A checkout in a folder of a folder of its own.
    pub(crate) fn below(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let checkout = Self {
            root: folder.path().join(name),
            _folder: folder,
        };
        let manifest = fs::read_to_string(root().join(app_gen_infra::MANIFEST_PATH)).unwrap();
        checkout.write(app_gen_infra::MANIFEST_PATH, &manifest);
        // What the manifest names must exist.
        for file in [
            "app-gen/Dockerfile",
            "app-gen/tools/package.json",
            "app-gen-saas/Dockerfile",
            "app-gen-saas/web/package.json",
        ] {
            checkout.write(file, "");
        }
        checkout
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

pub(crate) fn context(root: &Path) -> Context {
    let report = Report::new(false, Verbosity::Normal);
    Context::at(root.to_owned(), "local", true, report).unwrap()
}
