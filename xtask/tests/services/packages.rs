//! Packages of Debian and of npm in an image: locked by the apt of the real base image, downloaded from
//! the archive that this machine uses, installed by the real npm, and run by the real engine.

use crate::common::Checkout;
use crate::common::sh;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const MANIFEST: &str = "app-gen-infra/platform.toml";
const LOCK: &str = "app-gen-infra/debian/generator.toml";

/// A checkout whose image `generator` gets a small program of Debian, and one of npm that is an archive
/// in the checkout.
fn checkout() -> Checkout {
    let checkout = Checkout::new();
    checkout.write(
        "greeter/package/package.json",
        r#"{ "name": "greeter", "version": "1.0.0" }"#,
    );
    checkout.write("greeter/package/greet", "#!/bin/sh\necho greeter one\n");
    let program = checkout.path("greeter/package/greet");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    checkout.write(
        "tools/package.json",
        r#"{ "dependencies": { "greeter": "file:greeter.tgz" } }"#,
    );
    let (packed, archive) = (checkout.path("greeter"), checkout.path("tools/greeter.tgz"));
    sh!("tar --mtime=@0 -czf {archive} -C {packed} package");
    let tools = checkout.path("tools");
    sh!("npm install --package-lock-only --offline --no-audit --prefix {tools}");
    checkout.replace(
        MANIFEST,
        "rust = { package = \"tool\"",
        "apt = { packages = [\"hello\"], to = \"debian\" }\n\
         npm_tools = { folder = \"tools\", files = { \"tools/opt/tools/greet\" = \"greeter/greet\" } }\n\
         rust = { package = \"tool\"",
    );
    checkout.replace(MANIFEST, "\"bin/tool\"", "\"program/usr/local/bin/tool\"");
    // Folders onto folders that are there: no layer gets a time of the build, and nothing takes one out.
    checkout.write(
        "tool/Dockerfile",
        "FROM debian:trixie-slim\nCOPY debian/ /\nCOPY tools/ /\nCOPY program/ /\n\
         ENTRYPOINT [\"/bin/sh\", \"-c\", \"hello && /opt/tools/greet && tool\"]\n",
    );
    checkout
}

fn bases(checkout: &Checkout, arguments: &[&str]) -> Value {
    let arguments = [&["bases", "--json"], arguments].concat();
    checkout.run(&arguments).expect_success().json()
}

fn plan(checkout: &Checkout) -> Value {
    let ran = checkout.run(&["plan", "generator", "--json"]);
    ran.expect_success().json()["images"][0].clone()
}

fn steps(plan: &Value) -> Vec<&str> {
    let steps = plan["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["do"].as_str().unwrap())
        .collect()
}

fn build(checkout: &Checkout, arguments: &[&str]) -> Value {
    let arguments = [&["build", "generator", "--json"], arguments].concat();
    let ran = checkout.run(&arguments).expect_success();
    ran.json()["images"][0].clone()
}

#[test]
fn packages_are_locked_unpacked_and_run() {
    let checkout = checkout();
    // Without a lock file nobody knows what would be built.
    let error = checkout.run(&["plan", "generator", "--json"]).json()["error"].clone();
    assert_eq!(error["hint"], "cargo xtask bases --update");
    assert_eq!(bases(&checkout, &[])["locks"][0]["state"], "missing");
    let listing = bases(&checkout, &["--update"]);
    let locked = &listing["locks"][0];
    assert_eq!(
        (&locked["state"], &locked["path"]),
        (&json!("current"), &json!(LOCK))
    );
    // It needs libc6, which the base image has.
    let names: Vec<&String> = locked["packages"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["hello"]);
    assert_eq!(listing["package_changes"][0]["package"], "hello");
    assert!(checkout.path(LOCK).is_file());

    let planned = plan(&checkout);
    assert_eq!(
        steps(&planned),
        [
            "compile",
            "unpack-packages",
            "install-tools",
            "pack",
            "push"
        ]
    );
    let built = build(&checkout, &[]);
    assert_eq!(built["key"], planned["key"]);
    assert_eq!(
        checkout.run_image(built["reference"].as_str().unwrap()),
        "Hello, world!\ngreeter one\ntool one"
    );
    let listed = checkout.run(&["inputs", "generator"]).expect_success();
    for line in [
        "packages of Debian in debian",
        "tools/opt/tools/greet from greeter/greet",
    ] {
        assert!(listed.stdout.contains(line), "{}", listed.stdout);
    }

    // The same packages are the same bytes, made anew in every step.
    fs::remove_dir_all(checkout.path("target/xtask/prebuilt")).unwrap();
    let again = build(&checkout, &["--force"]);
    assert_eq!(again["digest"], built["digest"]);

    // A package that the base image has is wanted, and nothing is added to the image.
    checkout.replace(MANIFEST, "[\"hello\"]", "[\"hello\", \"bash\"]");
    let stale = bases(&checkout, &[]);
    assert_eq!(stale["locks"][0]["why"], "was made without bash");
    let renewed = bases(&checkout, &["--update"]);
    assert_eq!(renewed["package_changes"], json!([]));
    assert_eq!(plan(&checkout)["key"], built["key"]);

    // Another version is another key, and is called by its name.
    let version = renewed["locks"][0]["packages"]["hello"].as_str().unwrap();
    checkout.replace(
        LOCK,
        &format!("version = \"{version}\""),
        "version = \"1.0-1\"",
    );
    let why = &plan(&checkout)["why"][0];
    assert_eq!(
        *why,
        json!({
            "kind": "debian-package", "name": "hello", "change": "changed",
            "before": version, "after": "1.0-1",
        })
    );
    let refused = checkout.run(&["build", "generator", "--json"]).json()["error"].clone();
    let message = refused["message"].as_str().unwrap();
    assert!(message.starts_with("the lock file says Version 1.0-1 of the package hello"));
}

#[test]
fn a_package_that_does_not_exist_is_named() {
    let checkout = checkout();
    checkout.replace(MANIFEST, "[\"hello\"]", "[\"no-such-package\"]");
    let error = checkout.run(&["bases", "--update", "--json"]).json()["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("failed to resolve no-such-package against debian@sha256:"));
    let causes = error["causes"].to_string();
    assert!(
        causes.contains("Unable to locate package no-such-package"),
        "{causes}"
    );
    assert!(!checkout.path(LOCK).exists());
}
