//! What breaks while images are built: the registry, the disk, the tools, the
//! sources. One clear error, nothing half done, and the next build succeeds.

use crate::common::processes::Started;
use crate::common::registry::{self, Proxy};
use crate::common::try_sh;
use crate::common::{Checkout, Ran, instance};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(90);

/// The error of a command that failed: its hint is there, its code is the exit code.
fn error(ran: &Ran) -> Value {
    assert_ne!(ran.code, 0, "{ran:?}");
    let error = ran.json()["error"].clone();
    assert_eq!(error["exit_code"], ran.code, "{ran:?}");
    assert!(error["hint"].is_string(), "no hint: {ran:?}");
    error
}

/// The outcome of image `orchestrator`, the only one that was built.
fn app(ran: Ran) -> Value {
    ran.expect_success().json()["images"][0].clone()
}

const BUILD: [&str; 3] = ["build", "orchestrator", "--json"];

#[test]
fn a_registry_that_goes_in_the_middle_of_a_push_leaves_no_tag() {
    let proxy = Proxy::to_registry();
    let checkout = Checkout::with_registry_port(proxy.port());
    checkout.write_large_layer();
    proxy.cut_after(4 * 1024 * 1024);
    let mut build = Started::new(&checkout, &BUILD, &[]);
    let ran = build.ends_within(BOUND);
    assert!(proxy.is_broken(), "{ran:?}");
    let error = error(&ran);
    assert_eq!(error["exit_code"], 8, "{error}");
    let text = error.to_string();
    let address = format!("localhost:{}", proxy.port());
    assert!(
        text.contains(&format!("registry {address} does not answer")),
        "{text}"
    );
    assert!(text.contains("failed to build or push"), "{text}");
    let repository = checkout.repository("orchestrator");
    assert!(registry::tags(instance::registry(), &repository).is_empty());

    proxy.heal();
    let built = app(checkout.run(&BUILD));
    assert_eq!(built["state"], "built");
    let tag = format!("key-{}", built["key"].as_str().unwrap());
    assert_eq!(
        registry::digest_of(instance::registry(), &repository, &tag).as_deref(),
        built["digest"].as_str()
    );
    assert_eq!(
        checkout.run_image(built["reference"].as_str().unwrap()),
        "server one"
    );
}

/// A file system of its own for a checkout's `target`.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    fn mount(folder: PathBuf, kibibytes: u32) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let disk = Self { folder };
        disk.call(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={kibibytes}k"), "tmpfs"],
        );
        disk
    }

    fn resize(&self, kibibytes: u32) {
        self.call("mount", &["-o", &format!("remount,size={kibibytes}k")]);
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program)
            .args(arguments)
            .arg(&self.folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "needs root: {output:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let folder = &self.folder;
        let _ = try_sh!("umount --lazy {folder}");
    }
}

#[test]
fn a_full_disk_is_named_and_the_build_goes_on_with_more_space() {
    let checkout = Checkout::new();
    let mut kibibytes = 8;
    let disk = SmallDisk::mount(checkout.path("target"), kibibytes);
    let mut failures = 0;
    // Each size lets the build get a little further before the disk is full.
    let built = loop {
        let ran = checkout.run(&BUILD);
        if ran.code == 0 {
            break app(ran);
        }
        failures += 1;
        let error = error(&ran);
        assert!([1, 5].contains(&ran.code), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("No space left"),
            "{kibibytes}k: {text}\n{}",
            ran.stderr
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("target") || message.contains("server"),
            "{message}"
        );
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.contains("disk"), "{hint}");
        assert!(kibibytes < 64 * 1024, "{error}");
        kibibytes = kibibytes * 3 / 2;
        disk.resize(kibibytes);
    };
    assert!(failures > 5, "only {failures} failed");
    assert_eq!(built["state"], "built");
    assert_eq!(
        checkout.run_image(built["reference"].as_str().unwrap()),
        "server one"
    );
}

#[test]
fn two_builds_of_one_key_compile_once() {
    let checkout = Checkout::new();
    checkout.hold_compile();
    let mut first = Started::new(&checkout, &BUILD, &[]);
    checkout.compiling();
    let mut second = Started::new(&checkout, &BUILD, &[]);
    second.says("wait for another build of the same key");
    checkout.release_compile();
    let (first, second) = (first.ends_within(BOUND), second.ends_within(BOUND));
    let compiles = [&first, &second].map(|ran| ran.stderr.matches("compile server").count());
    assert_eq!(compiles, [1, 0]);
    let (first, second) = (app(first), app(second));
    assert_eq!(first["state"], "built");
    assert_eq!(second["state"], "present");
    assert_eq!(first["digest"], second["digest"]);
}

#[test]
fn a_binary_that_needs_a_newer_libc_is_refused() {
    let checkout = Checkout::new();
    // The binary is compiled and kept while the base has what it needs …
    app(checkout.run(&BUILD));
    checkout.replace("app-gen-infra/platform.toml", "\"2.41\"", "\"2.10\"");
    let repository = checkout.repository("orchestrator");
    let refused = || {
        registry::remove_tags(instance::registry(), &repository);
        let ran = checkout.run(&BUILD);
        let error = error(&ran);
        assert_eq!(error["exit_code"], 5);
        let text = error["message"].as_str().unwrap();
        assert!(text.contains("server needs libc 2."), "{text}");
        assert!(text.contains("debian:trixie-slim has 2.10"), "{text}");
    };
    // … and refused where it is only packed again, as where it is compiled.
    refused();
    fs::remove_dir_all(checkout.path("target")).unwrap();
    refused();
    assert!(registry::tags(instance::registry(), &repository).is_empty());
}

/// A folder of links to the programs of the `PATH`, less some.
fn path_without(missing: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for place in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
        let Ok(listing) = fs::read_dir(place) else {
            continue;
        };
        for program in listing.flatten() {
            let name = program.file_name();
            if !missing.contains(&name.to_str().unwrap()) {
                // The first of a name counts.
                let _ = symlink(program.path(), folder.path().join(name));
            }
        }
    }
    folder
}

#[test]
fn a_missing_tool_is_named() {
    let checkout = Checkout::new();
    for (tool, hint) in [
        ("cargo", "rustup"),
        ("docker", "cargo xtask setup"),
        ("cc", "build-essential"),
        ("objdump", "build-essential"),
    ] {
        let path = path_without(&[tool]);
        let ran = checkout.run_with(&BUILD, &[("PATH", path.path().to_str().unwrap())]);
        let error = error(&ran);
        assert_eq!(error["exit_code"], 3, "{error}");
        assert!(error.to_string().contains(tool), "{error}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
    }
    assert!(registry::tags(instance::registry(), &checkout.repository("orchestrator")).is_empty());
}

#[test]
fn what_cannot_be_read_is_named() {
    let checkout = Checkout::new();
    for file in ["server/notes.txt", "server/src/pipe"] {
        let _ = fs::remove_file(checkout.path(file));
        rustix::fs::mkfifoat(rustix::fs::CWD, checkout.path(file), rustix::fs::Mode::RUSR).unwrap();
        let mut build = Started::new(&checkout, &BUILD, &[]);
        // Nobody writes to the pipe: whoever opens it waits for ever.
        let ran = build.ends_within(Duration::from_secs(20));
        let error = error(&ran);
        assert_eq!(error["exit_code"], 5, "{error}");
        assert!(error.to_string().contains(file), "{error}");
        fs::remove_file(checkout.path(file)).unwrap();
        checkout.write("server/notes.txt", "readable again\n");
    }
    app(checkout.run(&BUILD));
}
