//! `doctor` on faults of this machine, made by what a command is told to use.

use crate::common::doctor::{findings, rules};
use crate::common::{self, Checkout};
use std::fs;
use std::net::TcpListener;

const DOCTOR: [&str; 2] = ["doctor", "--json"];

/// A port on which nothing listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_stopped_engine_is_the_one_cause() {
    let checkout = Checkout::new();
    checkout.set_cloud_port(free_port());
    let ran = checkout.run_with(&DOCTOR, &[("DOCKER_HOST", "unix:///nobody/listens.sock")]);
    let found = findings(ran.code, &ran.json());
    assert_eq!(rules(&found), ["engine-stopped"]);
    assert_eq!(found[0]["severity"], "broken");
    let evidence = found[0]["evidence"].to_string();
    assert!(evidence.contains("/nobody/listens.sock"), "{evidence}");
    assert!(evidence.contains("consequence: local cloud"), "{evidence}");
}

#[test]
fn registry_and_local_cloud_that_do_not_run_are_named_with_their_commands() {
    let checkout = Checkout::with_registry_port(free_port());
    checkout.set_cloud_port(free_port());
    let ran = checkout.run(&DOCTOR);
    let found = findings(ran.code, &ran.json());
    assert_eq!(rules(&found), ["registry-stopped", "cloud-stopped"]);
    assert_eq!(found[0]["next"], "cargo xtask setup");
    assert_eq!(found[1]["next"], "cargo xtask cloud up");

    // As a person reads it.
    let ran = checkout.run(&["doctor"]);
    assert_eq!(ran.code, 12);
    assert!(
        ran.stdout.contains("broken: local cloud:"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("\n  next: cargo xtask cloud up\n"));
    assert!(
        ran.stderr.contains("doctor found 2 problems"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_disk_that_is_nearly_full_is_named() {
    let checkout = Checkout::with_registry_port(free_port());
    checkout.set_cloud_port(free_port());
    fs::create_dir(checkout.path("state")).unwrap();
    // A file system of its own, seen by this command alone and gone with it.
    let mount = "mount -t tmpfs -o size=64m tmpfs state && \
                 XDG_STATE_HOME=$PWD/state exec \"$@\"";
    let starter = ["unshare", "--mount", "sh", "-c", mount, "sh"];
    let output = checkout.command_under(&starter, &DOCTOR).output().unwrap();
    let ran = common::ran(&output);
    let found = findings(ran.code, &ran.json());
    let disk = &found[0];
    assert_eq!(disk["rule"], "disk-full", "{found:#?}");
    assert_eq!(disk["severity"], "broken", "{disk}");
    let subject = disk["subject"].as_str().unwrap();
    assert!(subject.ends_with("state/app-gen"), "{disk}");
    assert!(disk["evidence"][0].as_str().unwrap().contains(" of 64 MiB"));
}
