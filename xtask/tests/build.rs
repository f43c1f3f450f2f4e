//! From sources to what the image prints, through the real engine and registry.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::Checkout;
use std::fs;
use std::time::{Duration, SystemTime};

const PRESENT: [&str; 2] = ["present", "present"];

#[test]
fn what_was_built_once_is_found_again() {
    let checkout = Checkout::new();
    let first = checkout.build();
    assert_eq!(first["app"]["state"], "built");
    let reference = first["generator"]["reference"].as_str().unwrap();
    assert_eq!(checkout.run_image(reference), "tool one");

    assert_eq!(checkout.build_states(), PRESENT);

    // Nothing but the registry remembers.
    fs::remove_dir_all(checkout.path("target")).unwrap();
    let again = checkout.run(&["build"]).expect_success();
    assert!(!again.stderr.contains("compile"), "{}", again.stderr);
    assert!(!checkout.path("target/xtask/cargo").exists());
    let found = checkout.build();
    assert_eq!(found["generator"]["digest"], first["generator"]["digest"]);
}

#[test]
fn only_what_depends_on_an_edit_is_built() {
    let checkout = Checkout::new();
    checkout.build();

    checkout.replace("shared/src/lib.rs", "tool one", "tool two");
    let built = checkout.build();
    assert_eq!(built["app"]["state"], "present");
    assert_eq!(built["generator"]["state"], "built");
    assert_eq!(
        built["generator"]["why"][0],
        "rust: sources: shared/src/lib.rs changed"
    );
    let reference = built["generator"]["reference"].as_str().unwrap();
    assert_eq!(checkout.run_image(reference), "tool two");

    checkout.write("README.md", "still not an input\n");
    checkout.write("xtask/src/main.rs", "fn main() {}\n");
    assert_eq!(checkout.build_states(), PRESENT);

    // Times are no input.
    for file in ["server/src/main.rs", "shared/src/lib.rs", "tool/Dockerfile"] {
        touch(
            &checkout,
            file,
            SystemTime::now() + Duration::from_secs(3600),
        );
    }
    assert_eq!(checkout.build_states(), PRESENT);

    // A file of the context that the ignore file leaves in, and its execute bit.
    checkout.write("server/notes.txt", "another text\n");
    assert_eq!(checkout.build_states(), ["built", "present"]);
    checkout.write("server/ignored.txt", "left out\n");
    let states = checkout.build_states();
    // It lies in the package's folder, so it may be compiled in; an `exclude` says otherwise.
    assert_eq!(states[1], "present");
}

#[test]
fn an_edit_that_keeps_its_time_is_in_the_image() {
    let checkout = Checkout::new();
    checkout.build();
    let source = checkout.path("server/src/main.rs");
    let before = fs::metadata(&source).unwrap().modified().unwrap();
    for (word, time) in [
        ("kept", before),
        ("past", before - Duration::from_secs(86_400)),
        ("soon", before + Duration::from_secs(86_400)),
    ] {
        checkout.write(
            "server/src/main.rs",
            &format!("fn main() {{ println!(\"server {word}\"); }}\n"),
        );
        touch(&checkout, "server/src/main.rs", time);
        let built = checkout.build();
        assert_eq!(built["app"]["state"], "built");
        let reference = built["app"]["reference"].as_str().unwrap();
        assert_eq!(checkout.run_image(reference), format!("server {word}"));
    }
}

#[test]
fn an_edit_during_the_compile_starts_over() {
    let checkout = Checkout::new();
    // The build script plays the editor: it changes a source once, while cargo runs.
    checkout.write(
        "server/build.rs",
        "fn main() { let path = \"src/main.rs\"; let text = std::fs::read_to_string(path).unwrap(); \
         if text.contains(\"one\") { std::fs::write(path, text.replace(\"one\", \"two\")).unwrap(); } }\n",
    );
    let ran = checkout.run(&["build", "app", "--json"]).expect_success();
    assert!(
        ran.stderr
            .contains("app: starts over, because rust: sources: server/src/main.rs changed"),
        "{}",
        ran.stderr
    );
    let reference = ran.json()["images"][0]["reference"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(checkout.run_image(&reference), "server two");
}

#[test]
fn the_same_key_gives_the_same_digest_elsewhere() {
    let first = Checkout::new();
    let here = first.build();
    let second = Checkout::new();
    // Another path, another time, another umask's modes.
    for file in ["server/notes.txt", "server/src/main.rs", "tool/notes.txt"] {
        touch(
            &second,
            file,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        );
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(second.path(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let there = second.build();
    assert_eq!(there["app"]["state"], "built");
    for image in ["app", "generator"] {
        assert_eq!(here[image]["key"], there[image]["key"], "{image}");
        assert_eq!(here[image]["digest"], there[image]["digest"], "{image}");
    }
}

fn touch(checkout: &Checkout, file: &str, time: SystemTime) {
    fs::File::options()
        .write(true)
        .open(checkout.path(file))
        .unwrap()
        .set_modified(time)
        .unwrap();
}
