//! `cleanup --all`: only names of ours go, and no build loses what it works with.

use crate::common::instance;
use crate::common::machine::Machine;
use crate::common::processes::Started;
use crate::common::{sh, try_sh};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use xtask_core::lock::Lock;
use xtask_machine::aws::BINARY_VARIABLE;

const ALL: [&str; 3] = ["cleanup", "--all", "--json"];

/// A container or an image's name that is gone when this is dropped.
struct Removed(&'static [&'static str], String);

impl Drop for Removed {
    fn drop(&mut self) {
        let (arguments, name) = (self.0, &self.1);
        let _ = try_sh!("docker {arguments...} {name}");
    }
}

fn engine_has(image: &str) -> bool {
    let output = Command::new("docker")
        .args(["image", "inspect", image])
        .output();
    output.unwrap().status.success()
}

/// The names that the engine has in a repository.
fn names(repository: &str) -> Vec<String> {
    let format = "{{.Repository}}:{{.Tag}}@{{.Digest}}";
    let listing = sh!("docker image ls --all --digests --format {format} {repository}");
    listing.lines().map(str::to_owned).collect()
}

struct Built {
    machine: Machine,
    env: [(&'static str, &'static str); 1],
    images: Value,
}

impl Built {
    fn new() -> Self {
        let machine = Machine::new();
        let env = [(BINARY_VARIABLE, instance::xtask_aws())];
        let built = machine
            .run_with(&["build", "--json"], &env)
            .expect_success();
        let images = built.json()["images"].clone();
        Self {
            machine,
            env,
            images,
        }
    }

    /// Reference and name by key of an image: `generator` is the first.
    fn image(&self, number: usize) -> (String, String) {
        let image = &self.images[number];
        let reference = image["reference"].as_str().unwrap();
        let (repository, _) = reference.split_once('@').unwrap();
        let key = image["key"].as_str().unwrap();
        (reference.to_owned(), format!("{repository}:key-{key}"))
    }

    fn clean(&self) -> Value {
        self.machine
            .run_with(&ALL, &self.env)
            .expect_success()
            .json()
    }
}

#[test]
fn what_somebody_else_named_or_runs_stays() {
    let built = Built::new();
    let checkout = &built.machine.checkout;
    let ((generator, _), (orchestrator, by_key)) = (built.image(0), built.image(1));
    let repository = |image| format!("{}/{}", checkout.registry(), checkout.repository(image));
    for name in [&orchestrator, &generator, &by_key] {
        sh!("docker pull --quiet {name}");
    }
    // Names of somebody's own, in a repository of theirs and in ours.
    let theirs = format!("{}-theirs:kept", checkout.repository("orchestrator"));
    let in_ours = format!("{}:mine", repository("orchestrator"));
    let _names = [&theirs, &in_ours].map(|name| {
        sh!("docker tag {by_key} {name}");
        Removed(&["image", "rm", "--force"], name.clone())
    });
    let container = sh!("docker create {generator}").trim().to_owned();
    let container = Removed(&["rm", "--force"], container);

    let cleaned = built.clean();
    assert!(engine_has(&theirs), "{cleaned}");
    assert!(engine_has(&in_ours), "{cleaned}");
    assert!(!engine_has(&by_key), "{cleaned}");
    let name = &container.1;
    sh!("docker start {name}");
    assert!(
        cleaned["skipped"]
            .to_string()
            .contains(&repository("generator")),
        "{cleaned}"
    );

    drop(container);
    built.clean();
    assert_eq!(names(&repository("generator")), Vec::<String>::new());
    assert!(engine_has(&theirs));
}

#[test]
fn it_waits_for_builds() {
    let built = Built::new();
    let checkout = &built.machine.checkout;
    let state = built.machine.shared_state();
    let env = [
        built.env[0],
        ("XDG_STATE_HOME", state.parent().unwrap().to_str().unwrap()),
    ];
    let (_, by_key) = built.image(1);
    let key = by_key.rsplit(':').next().unwrap();
    for lock in [
        checkout.path("target/xtask/cargo.lock"),
        built.machine.state(&format!("locks/{key}")),
    ] {
        sh!("docker pull --quiet {by_key}");
        let building = Lock::try_take(&lock, "a build").unwrap();
        let mut cleanup = Started::new(checkout, &ALL, &env);
        cleanup.says("wait for another build");
        assert!(checkout.path("target/xtask/prebuilt").exists());
        assert!(engine_has(&by_key));
        drop(building);
        cleanup
            .ends_within(Duration::from_secs(60))
            .expect_success();
        assert!(!checkout.path("target/xtask/prebuilt").exists());
        assert!(!engine_has(&by_key));
        built
            .machine
            .run_with(&["build", "--force", "--json"], &built.env)
            .expect_success();
    }
}
