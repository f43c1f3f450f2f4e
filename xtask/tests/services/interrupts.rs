//! Builds that are cut short, by Ctrl-C in each phase or by `kill -9`: nothing of
//! them stays, and the next build is right.

use crate::common::processes::{Started, command_lines_with, processes_of, wait_for};
use crate::common::registry::{self, Proxy};
use crate::common::{Checkout, instance};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::time::Duration;

const BUILD: [&str; 3] = ["build", "orchestrator", "--json"];
/// A child that was asked to end is killed after ten seconds.
const END_BOUND: Duration = Duration::from_secs(15);
const BUILD_BOUND: Duration = Duration::from_secs(60);

/// That a build which was told to stop does, with the documented code, and is gone whole.
fn assert_stopped(checkout: &Checkout, build: &mut Started) {
    let ran = build.ends_within(END_BOUND);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(ran.json()["error"]["exit_code"], 130);
    assert_eq!(processes_of(checkout.root()), Vec::<String>::new());
    assert!(registry::tags(instance::registry(), &checkout.repository("orchestrator")).is_empty());
}

/// Builds, and returns what the image prints.
fn build_and_run(checkout: &Checkout) -> String {
    let mut build = Started::new(checkout, &BUILD, &[]);
    let ran = build.ends_within(BUILD_BOUND).expect_success();
    let built: Value = ran.json()["images"][0].clone();
    assert_eq!(built["state"], "built");
    checkout.run_image(built["reference"].as_str().unwrap())
}

#[test]
fn ctrl_c_during_the_compile() {
    let checkout = Checkout::new();
    checkout.hold_compile();
    for to_group in [false, true] {
        let mut build = Started::new(&checkout, &BUILD, &[]);
        checkout.compiling();
        assert!(processes_of(checkout.root()).len() > 2);
        if to_group {
            build.signal_group(Signal::INT);
        } else {
            build.signal(Signal::INT);
        }
        assert_stopped(&checkout, &mut build);
        fs::remove_file(checkout.path("compiling")).unwrap();
    }
    checkout.release_compile();
    assert_eq!(build_and_run(&checkout), "server one");
}

#[test]
fn ctrl_c_while_the_builder_works() {
    let checkout = Checkout::new();
    // Told from everybody else's by its length; containers' processes are seen from here.
    let sleep = format!("sleep 60.{}", std::process::id());
    checkout.replace(
        "server/Dockerfile",
        "COPY notes.txt",
        &format!("RUN {sleep}\nCOPY notes.txt"),
    );
    for to_group in [false, true] {
        let mut build = Started::new(&checkout, &BUILD, &[]);
        build.says(&sleep);
        wait_for("the step's process", || {
            (!command_lines_with(&sleep).is_empty()).then_some(())
        });
        if to_group {
            build.signal_group(Signal::INT);
        } else {
            build.signal(Signal::INT);
        }
        assert_stopped(&checkout, &mut build);
        // The engine ends it on its own time.
        wait_for("the step's end", || {
            command_lines_with(&sleep).is_empty().then_some(())
        });
    }
    checkout.replace("server/Dockerfile", &sleep, "true");
    assert_eq!(build_and_run(&checkout), "server one");
}

#[test]
fn ctrl_c_while_a_large_file_is_hashed() {
    let checkout = Checkout::new();
    let notes = checkout.path("server/notes.txt");
    // Minutes of zeros.
    let file = fs::File::options().write(true).open(&notes).unwrap();
    file.set_len(1 << 40).unwrap();
    let mut build = Started::new(&checkout, &BUILD, &[]);
    wait_for("the large file to be opened", || {
        build.has_open(&notes).then_some(())
    });
    build.signal(Signal::INT);
    assert_stopped(&checkout, &mut build);
    file.set_len(1).unwrap();
    assert_eq!(build_and_run(&checkout), "server one");
}

#[test]
fn ctrl_c_during_the_push() {
    let proxy = Proxy::to_registry();
    let checkout = Checkout::with_registry_port(proxy.port());
    checkout.write_large_layer();
    proxy.hold_after(4 * 1024 * 1024);
    let mut build = Started::new(&checkout, &BUILD, &[]);
    wait_for("the push", || proxy.is_broken().then_some(()));
    build.signal(Signal::INT);
    assert_stopped(&checkout, &mut build);
    proxy.heal();
    assert_eq!(build_and_run(&checkout), "server one");
}

#[test]
fn a_killed_build_leaves_nothing_that_spoils_the_next_one() {
    let checkout = Checkout::new();
    let source = checkout.path("server/src/main.rs");
    let time = fs::metadata(&source).unwrap().modified().unwrap();
    let edit = |text: &str| {
        checkout.write(
            "server/src/main.rs",
            &format!("fn main() {{ println!(\"{text}\"); }}\n"),
        );
        let file = fs::File::options().write(true).open(&source).unwrap();
        // Cargo goes by time: all edits look like the first text to it.
        file.set_modified(time).unwrap();
    };
    assert_eq!(build_and_run(&checkout), "server one");

    checkout.hold_compile();
    edit("server two");
    let mut build = Started::new(&checkout, &BUILD, &[]);
    checkout.compiling();
    build.signal(Signal::KILL);
    build.ends_within(END_BOUND);
    // Its cargo works on, and will write what it has read.
    assert!(!processes_of(checkout.root()).is_empty());

    edit("server three");
    checkout.write("server/build.rs", "fn main() {}\n");
    assert_eq!(build_and_run(&checkout), "server three");
    assert_eq!(processes_of(checkout.root()), Vec::<String>::new());
}

#[test]
fn cleanup_ends_what_a_killed_build_left_and_no_build_that_lives() {
    let checkout = Checkout::new();
    // Neither a validate of another test nor its cloud is to be cleaned up.
    checkout.set_cloud_port(7);
    let state = tempfile::tempdir().unwrap();
    let cleanup = || {
        let env = [("XDG_STATE_HOME", state.path().to_str().unwrap())];
        checkout
            .run_with(&["cleanup", "--json"], &env)
            .expect_success()
            .json()
    };
    checkout.hold_compile();
    let mut build = Started::new(&checkout, &BUILD, &[]);
    checkout.compiling();
    cleanup();
    assert!(processes_of(checkout.root()).len() > 2);
    build.signal(Signal::KILL);
    build.ends_within(END_BOUND);
    let removed = cleanup()["removed"].to_string();
    assert!(removed.contains("processes"), "{removed}");
    assert_eq!(processes_of(checkout.root()), Vec::<String>::new());
}
