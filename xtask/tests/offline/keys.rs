//! Which edits of this very repository reach which image, by key alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::report::{Report, Verbosity};
use xtask_image::base::pins::PINS_PATH;
use xtask_image::build::key_of;
use xtask_image::key::Key;

/// What git knows of this checkout, as it stands, in a folder of its own.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listing = Cmd::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .folder(source)
            .read()
            .unwrap();
        for name in listing.lines() {
            let from = source.join(name);
            if from.is_file() {
                let to = folder.path().join(name);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
        let copy = Self { folder };
        // Nobody need be asked what the base is.
        copy.append(
            PINS_PATH,
            &format!("\"debian:trixie-slim\" = \"sha256:{}\"\n", "0".repeat(64)),
        );
        copy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + text).unwrap();
    }

    fn keys(&self) -> [Key; 2] {
        let context = Context::at(
            self.folder.path().to_owned(),
            "local",
            true,
            Report::new(false, Verbosity::Quiet),
        )
        .unwrap();
        ["orchestrator", "generator"].map(|image| key_of(&context, image).unwrap())
    }
}

fn changed(before: &[Key; 2], after: &[Key; 2]) -> [bool; 2] {
    [0, 1].map(|index| before[index].hex != after[index].hex)
}

#[test]
fn an_edit_reaches_the_images_that_depend_on_it_and_no_other() {
    let copy = Copy::new();
    let mut before = copy.keys();
    for (file, reaches) in [
        ("app-gen/src/process.rs", [false, true]),
        ("app-gen/contract/src/event.rs", [true, true]),
        ("app-gen-saas/src/router.rs", [true, false]),
        ("app-gen-saas/contract/src/lib.rs", [true, false]),
        (
            "app-gen-saas/migrations/sqlite/9999_later.sql",
            [true, false],
        ),
        ("app-gen-saas/web/src/main.tsx", [true, false]),
        ("app-gen-saas/Dockerfile", [true, false]),
        ("README.md", [false, false]),
        ("xtask/src/main.rs", [false, false]),
        ("xtask/aws/src/main.rs", [false, false]),
        ("app-gen-infra/src/lib.rs", [false, false]),
        ("app-gen-infra/cdk/lib/service.ts", [false, false]),
        ("app-gen-saas/web/src/later.test.ts", [false, false]),
        ("app-gen-saas/browser/later.test.ts", [false, false]),
        ("app-gen-saas/browser/package-lock.json", [false, false]),
        ("app-gen/tests/later.rs", [false, false]),
        ("app-gen/scripted-model/src/lib.rs", [false, true]),
        ("app-gen/scripted-model/scripts/lies.toml", [false, true]),
        ("app-gen-saas/tests/it/later.rs", [false, false]),
    ] {
        copy.append(file, "\n");
        let after = copy.keys();
        assert_eq!(changed(&before, &after), reaches, "{file}");
        before = after;
    }
}

#[test]
fn a_page_edit_leaves_the_binary_alone_and_the_other_way_round() {
    let copy = Copy::new();
    let parts = |key: &Key| {
        (
            key.inputs.rust.as_ref().unwrap().digest().unwrap(),
            key.inputs.npm.as_ref().unwrap().digest().unwrap(),
        )
    };
    let [before, _] = copy.keys();
    copy.append("app-gen-saas/web/src/main.tsx", "// edited\n");
    let [page, _] = copy.keys();
    assert_eq!(parts(&page).0, parts(&before).0);
    assert_ne!(parts(&page).1, parts(&before).1);
    copy.append("app-gen-saas/src/main.rs", "// edited\n");
    let [binary, _] = copy.keys();
    assert_ne!(parts(&binary).0, parts(&page).0);
    assert_eq!(parts(&binary).1, parts(&page).1);
}

#[test]
fn times_and_the_place_of_the_checkout_are_no_input() {
    let copy = Copy::new();
    let before = copy.keys();
    let mut folders = vec![copy.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let file = fs::File::options().append(true).open(&path).unwrap();
                file.set_modified(SystemTime::now() + Duration::from_secs(60))
                    .unwrap();
            }
        }
    }
    assert_eq!(changed(&before, &copy.keys()), [false, false]);
    assert_eq!(changed(&before, &Copy::new().keys()), [false, false]);
}

#[test]
fn an_edit_that_keeps_size_and_time_is_a_change() {
    let copy = Copy::new();
    let before = copy.keys();
    let path = copy.path("app-gen/src/main.rs");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() = b' ';
    fs::write(&path, bytes).unwrap();
    fs::File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_eq!(changed(&before, &copy.keys()), [false, true]);
}
