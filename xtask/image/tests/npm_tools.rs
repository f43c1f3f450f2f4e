//! Files of npm's packages as an image gets them, installed by the real npm from archives of the test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Checkout, context};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use xtask_core::cmd::Cmd;
use xtask_core::error::Rendered;
use xtask_image::build::kept::Kept;
use xtask_image::build::npm_tools;
use xtask_image::key::inputs::NpmToolsInputs;
use xtask_image::key::npm_tools::of_files;
use xtask_image::packages;
use xtask_image::packages::environment::Home;

/// A program, a package that belongs to it, and one that nobody wants.
const PACKAGES: [&str; 3] = ["program", "needed", "unwanted"];

/// A checkout with a folder `tools`, whose packages are archives in it: nothing is downloaded.
fn checkout() -> Checkout {
    let checkout = Checkout::new();
    let tattle = checkout.path("executed");
    for name in PACKAGES {
        let manifest = serde_json::json!({
            "name": name, "version": "1.0.0", "bin": "bin/run",
            "scripts": { "install": format!("touch {}", tattle.display()) },
        });
        checkout.write(
            &format!("{name}/package/package.json"),
            &manifest.to_string(),
        );
        let text = format!("#!/bin/sh\necho {name}\n");
        checkout.write(&format!("{name}/package/bin/run"), &text);
        let run = checkout.path(&format!("{name}/package/bin/run"));
        fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
        checkout.write(&format!("{name}/package/data/deep/text"), name);
        fs::create_dir_all(checkout.path("tools/vendor")).unwrap();
        pack(&checkout, name);
    }
    checkout.write(
        "tools/package.json",
        r#"{ "name": "tools", "dependencies": {
            "program": "file:vendor/program.tgz", "needed": "file:vendor/needed.tgz",
            "unwanted": "file:vendor/unwanted.tgz" } }"#,
    );
    lock(&checkout);
    checkout
}

fn pack(checkout: &Checkout, name: &str) {
    Cmd::new("tar")
        .args(["--mtime=@0", "-czf"])
        .arg(checkout.path(&format!("tools/vendor/{name}.tgz")))
        .args(["-C", name, "package"])
        .folder(checkout.root())
        .read()
        .unwrap();
}

fn lock(checkout: &Checkout) {
    let _ = fs::remove_file(checkout.path("tools/package-lock.json"));
    let home = Home::make(&checkout.path("home")).unwrap();
    packages::host_npm(&home)
        .unwrap()
        .args(["install", "--package-lock-only", "--no-audit", "--offline"])
        .folder(checkout.path("tools"))
        .read()
        .unwrap();
}

fn inputs(checkout: &Checkout) -> NpmToolsInputs {
    let files = [
        ("tools/bin/program", "program/bin/run"),
        ("tools/data", "needed/data"),
    ];
    let files = files.map(|(to, from)| (to.to_owned(), from.to_owned()));
    of_files(&checkout.path("tools"), &files.into()).unwrap()
}

fn build(checkout: &Checkout, inputs: &NpmToolsInputs) -> anyhow::Result<Kept> {
    npm_tools::build(&context(checkout.root()), "generator", "tools", inputs)
}

#[test]
fn an_image_gets_the_named_files_and_nothing_is_executed() {
    let checkout = checkout();
    let kept = build(&checkout, &inputs(&checkout)).unwrap();
    let paths: Vec<&str> = kept.entries.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "tools",
            "tools/bin",
            "tools/bin/program",
            "tools/data",
            "tools/data/deep",
            "tools/data/deep/text",
        ]
    );
    let program = kept.folder.join("tools/bin/program");
    assert_eq!(Cmd::new(&program).read().unwrap(), "program");
    assert!(!checkout.path("executed").exists());
    // Nothing else of the packages is kept.
    let kept_in = kept.folder.parent().unwrap().parent().unwrap();
    let beside = fs::read_dir(kept_in).unwrap();
    assert_eq!(beside.count(), 2);
}

#[test]
fn a_package_that_nobody_wants_is_not_needed() {
    let checkout = checkout();
    let first = build(&checkout, &inputs(&checkout)).unwrap();
    checkout.write("unwanted/package/bin/run", "other");
    pack(&checkout, "unwanted");
    lock(&checkout);
    let inputs_now = inputs(&checkout);
    assert_eq!(inputs_now, inputs(&checkout));
    let again = build(&checkout, &inputs_now).unwrap();
    assert_eq!(again.folder, first.folder);
    // A change of a wanted one is another key, and other bytes.
    checkout.write("program/package/bin/run", "#!/bin/sh\necho other\n");
    pack(&checkout, "program");
    lock(&checkout);
    let other = inputs(&checkout);
    assert_ne!(other, inputs_now);
    let other = build(&checkout, &other).unwrap();
    let program = other.folder.join("tools/bin/program");
    assert_eq!(
        fs::read_to_string(program).unwrap(),
        "#!/bin/sh\necho other\n"
    );
}

#[test]
fn packages_are_installed_once_and_a_damaged_result_is_not_believed() {
    let checkout = checkout();
    let inputs = inputs(&checkout);
    let first = build(&checkout, &inputs).unwrap();
    let record = first.folder.parent().unwrap().with_extension("json");
    // Each build writes a new record.
    let made = || fs::metadata(&record).unwrap().ino();
    let mut last = made();
    build(&checkout, &inputs).unwrap();
    assert_eq!(made(), last, "installed once");
    let program = first.folder.join("tools/bin/program");
    let damages: [&dyn Fn(); 3] = [
        &|| fs::write(&program, "#!/bin/sh\necho Program\n").unwrap(),
        &|| fs::write(first.folder.join("tools/added"), "").unwrap(),
        &|| fs::write(&record, "{}").unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        let again = build(&checkout, &inputs).unwrap();
        assert_eq!(again.entries, first.entries);
        assert_ne!(made(), last, "damage {number}");
        last = made();
    }
}

#[test]
fn another_archive_than_the_lock_file_has_is_refused() {
    let checkout = checkout();
    let inputs = inputs(&checkout);
    checkout.write("program/package/bin/run", "other");
    pack(&checkout, "program");
    let error = build(&checkout, &inputs).unwrap_err();
    let message = Rendered::new(&error).message;
    assert!(message.starts_with("npm ci failed for "), "{error:#}");
    assert!(
        !checkout
            .path("target/xtask/prebuilt/npm-tools")
            .join(inputs.digest().unwrap())
            .exists()
    );

    lock(&checkout);
    let error = build(&checkout, &inputs).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lock file in tools changed while it was being built"
    );
}

#[test]
fn a_file_that_no_package_has_is_named() {
    let checkout = checkout();
    let files = [("tools/x".to_owned(), "program/bin/absent".to_owned())];
    let inputs = of_files(&checkout.path("tools"), &files.into()).unwrap();
    let error = build(&checkout, &inputs).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to take program/bin/absent from the packages of tools"
    );
}
