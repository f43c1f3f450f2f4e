//! From sources to what the image prints, through the real engine and registry.

use crate::common::{self, Checkout};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

const PRESENT: [&str; 2] = ["present", "present"];

#[test]
fn what_was_built_once_is_found_again() {
    let checkout = Checkout::new();
    let first = checkout.build();
    assert_eq!(first["orchestrator"]["state"], "built");
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
    assert_eq!(built["orchestrator"]["state"], "present");
    assert_eq!(built["generator"]["state"], "built");
    let difference = &built["generator"]["why"][0];
    assert_eq!(difference["kind"], "file");
    assert_eq!(difference["name"], "shared/src/lib.rs");
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
fn what_takes_the_whole_context_gets_what_the_key_holds_and_nothing_else() {
    let checkout = Checkout::new();
    // The ignore file is in the context, which holds more than that file leaves.
    checkout.write(
        "tool/.dockerignore",
        "*\n!notes.txt\n!.dockerignore\n!link\n!empty\n",
    );
    checkout.write("tool/empty/.keep", "");
    fs::remove_file(checkout.path("tool/empty/.keep")).unwrap();
    std::os::unix::fs::symlink("notes.txt", checkout.path("tool/link")).unwrap();
    checkout.write(
        "tool/Dockerfile",
        "FROM debian:trixie-slim\nCOPY . /app/\n\
         ENTRYPOINT [\"/usr/bin/find\", \"/app\", \"-printf\", \"%P %m %T@\\n\"]\n",
    );
    let build = || checkout.build()["generator"].clone();
    let first = build();
    let listing = checkout.run_image(first["reference"].as_str().unwrap());
    let mut files: Vec<&str> = listing.lines().map(str::trim).collect();
    // The folder itself has no name.
    files.retain(|file| !file.starts_with("755 "));
    files.sort_unstable();
    assert_eq!(
        files,
        [
            ".dockerignore 644 0.0000000000",
            "bin 755 0.0000000000",
            "bin/tool 755 0.0000000000",
            "empty 755 0.0000000000",
            "link 777 0.0000000000",
            "notes.txt 644 0.0000000000",
        ]
    );

    // An edit that keeps size and time, which BuildKit does not notice in a folder that it knows.
    let notes = checkout.path("tool/notes.txt");
    let time = fs::metadata(&notes).unwrap().modified().unwrap();
    let show = |text: &str| {
        checkout.write("tool/notes.txt", text);
        touch(&checkout, "tool/notes.txt", time);
        let built = build();
        assert_eq!(built["state"], "built");
        let reference = built["reference"].as_str().unwrap();
        common::sh!("docker run --rm --entrypoint=/bin/cat {reference} /app/notes.txt")
    };
    assert_eq!(show("the first text"), "the first text");
    assert_eq!(show("the other text"), "the other text");
    let left = fs::read_dir(checkout.path("target/xtask/contexts")).unwrap();
    assert_eq!(left.count(), 0);
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
        assert_eq!(built["orchestrator"]["state"], "built");
        let reference = built["orchestrator"]["reference"].as_str().unwrap();
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
    let ran = checkout
        .run(&["build", "orchestrator", "--json"])
        .expect_success();
    assert!(
        ran.stderr
            .contains("orchestrator: start again, because file server/src/main.rs changed"),
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
        fs::set_permissions(second.path(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    // Another user's umask, names, places and language. Not another user's number: the
    // toolchain of this one may be unreadable to it.
    let home = tempfile::tempdir().unwrap();
    let real = |name: &str, below_home: &str| {
        std::env::var_os(name).unwrap_or_else(|| {
            let home = PathBuf::from(std::env::var_os("HOME").unwrap());
            home.join(below_home).into_os_string()
        })
    };
    let output = second
        .command_under(
            &["sh", "-c", "umask 077; exec \"$@\"", "sh"],
            &["build", "--json"],
        )
        .env("RUSTUP_HOME", real("RUSTUP_HOME", ".rustup"))
        .env("XDG_STATE_HOME", real("XDG_STATE_HOME", ".local/state"))
        .env("HOME", home.path())
        .env("CARGO_HOME", home.path().join("another cargo"))
        .env("TMPDIR", home.path())
        .env("USER", "somebody")
        .env("LANG", "de_DE.UTF-8")
        .env("TZ", "Asia/Tokyo")
        .env("RUSTFLAGS", "-Copt-level=0")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "true")
        .output()
        .unwrap();
    let there = common::ran(&output).expect_success().json();
    for (number, image) in ["generator", "orchestrator"].into_iter().enumerate() {
        let there = &there["images"][number];
        assert_eq!(there["state"], "built", "{image}");
        assert_eq!(here[image]["key"], there["key"], "{image}");
        assert_eq!(here[image]["digest"], there["digest"], "{image}");
    }
    // The umask took effect.
    let records = fs::metadata(second.path("target/xtask")).unwrap();
    assert_eq!(records.permissions().mode() & 0o777, 0o700);
}

#[test]
fn settings_of_the_compile_reach_the_image() {
    let checkout = Checkout::new();
    checkout.write(
        "server/src/main.rs",
        "fn main() { println!(\"{} {} {:?}\", cfg!(debug_assertions), cfg!(feature = \"loud\"), option_env!(\"SET\")); }\n",
    );
    let manifest = fs::read_to_string(checkout.path("server/Cargo.toml")).unwrap();
    checkout.write(
        "server/Cargo.toml",
        &format!("{manifest}[features]\nloud = []\n"),
    );
    let expect = |printed: &str, why: &str| {
        let ran = checkout
            .run(&["build", "orchestrator", "--json"])
            .expect_success();
        let built = ran.json()["images"][0].clone();
        assert_eq!(built["state"], "built", "{why}");
        let reference = built["reference"].as_str().unwrap();
        assert_eq!(checkout.run_image(reference), printed, "{why}");
        let names = built["why"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["name"]);
        assert!(
            why.is_empty() || names.into_iter().any(|name| name == why),
            "{built}"
        );
    };
    expect("false false None", "");
    checkout.replace("Cargo.toml", "strip", "debug-assertions = true\nstrip");
    expect("true false None", "profile");
    checkout.replace(
        "server/Cargo.toml",
        "loud = []",
        "loud = []\ndefault = [\"loud\"]",
    );
    expect("true true None", "server 1.0.0");
    // Through a file that cargo's configuration includes.
    checkout.write(".cargo/config.toml", "include = [\"more.toml\"]\n");
    checkout.write(".cargo/more.toml", "[env]\nSET = \"one\"\n");
    expect("true true Some(\"one\")", ".cargo/config.toml, include 0");
    checkout.write(
        ".cargo/more.toml",
        "[env]\nSET = \"two\"\n[build]\njobs = 1\n",
    );
    expect("true true Some(\"two\")", ".cargo/config.toml, include 0");
    checkout.replace(".cargo/more.toml", "jobs = 1", "jobs = 2");
    assert_eq!(checkout.build_states()[0], "present");
    // Nobody else may write to where we compile.
    assert!(!checkout.path("elsewhere").exists());
}

#[test]
fn another_compiler_on_the_path_is_another_key() {
    let checkout = Checkout::new();
    let build = |env: &[(&str, &str)]| {
        let ran = checkout
            .run_with(&["build", "orchestrator", "--json"], env)
            .expect_success();
        ran.json()["images"][0].clone()
    };
    let first = build(&[]);
    let real = std::env::var("PATH").unwrap();
    let first_on_path = checkout.path("programs");
    checkout.write(
        "programs/cc",
        "#!/bin/sh\nif [ \"$1\" = --version ]; then cat ../version 2>/dev/null || cat version; exit; fi\n\
         exec /usr/bin/cc \"$@\"\n",
    );
    checkout.write("version", "cc one\n");
    fs::set_permissions(first_on_path.join("cc"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{real}", first_on_path.display());
    let with_script = || build(&[("PATH", &path)]);
    let second = with_script();
    assert_ne!(first["key"], second["key"]);
    assert_eq!(second["why"][0]["kind"], "toolchain");
    assert_eq!(second["why"][0]["name"], "cc");
    // The script is the same file as before, and says something else.
    checkout.write("version", "cc two\n");
    assert_ne!(with_script()["key"], second["key"]);
    assert_eq!(build(&[])["key"], first["key"]);
}

fn touch(checkout: &Checkout, file: &str, time: SystemTime) {
    fs::File::options()
        .write(true)
        .open(checkout.path(file))
        .unwrap()
        .set_modified(time)
        .unwrap();
}
