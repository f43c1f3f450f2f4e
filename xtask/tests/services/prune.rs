//! `prune` on a machine of its own: what was released, built and kept beyond what is wanted goes
//! for real, and what is left of it works.

use crate::common::machine::Machine;
use crate::common::{Ran, aws, instance, registry, remove_images};
use crate::common::{sh, try_sh};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use xtask_aws_api::calls::state::{GetRecord, PutRecord};
use xtask_core::lock::Lock;
use xtask_docker::registry::Repository;

/// One program of four versions, each built and released.
struct Platform {
    machine: Machine,
    cloud: &'static str,
    /// Of image `orchestrator`, in the order of builds.
    built: Vec<Value>,
}

impl Platform {
    fn new() -> Self {
        let mut platform = Self {
            machine: Machine::new(),
            cloud: instance::xtask_aws(),
            built: Vec::new(),
        };
        platform.xtask(&["setup", "--yes"]);
        for version in ["one", "two", "three", "four"] {
            platform.write(version);
            let built = platform.build();
            assert_eq!(built["state"], "built");
            platform.built.push(built);
            let number = platform.built.len() - 1;
            let reference = platform.repository().tagged(&platform.tag(number));
            sh!("docker pull --quiet {reference}");
        }
        for (number, outcome) in ["succeeded", "succeeded", "rolled_back", "succeeded"]
            .into_iter()
            .enumerate()
        {
            platform.release(number, outcome);
        }
        platform
    }

    fn write(&self, version: &str) {
        let main = format!("fn main() {{ println!(\"{}\"); }}\n", self.says(version));
        self.machine.checkout.write("server/src/main.rs", &main);
    }

    /// What a version prints: an engine's image of another test never is the same.
    fn says(&self, version: &str) -> String {
        format!("{version} of {}", self.repository().name)
    }

    fn build(&self) -> Value {
        self.xtask(&["build", "orchestrator"])["images"][0].clone()
    }

    fn xtask(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        ran.expect_success().json()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let cloud = [("APP_GEN_XTASK_AWS", self.cloud)];
        self.machine.run_with(arguments, &cloud)
    }

    /// Records that the image of this number was released.
    fn release(&self, number: usize, outcome: &str) {
        let image = &self.built[number];
        let record = json!({
            "id": id(number), "at": "", "by": "a test", "git": null,
            "content": format!("content {number}"),
            "images": { "orchestrator": { "reference": image["reference"], "key": image["key"] } },
            "service": { "cluster": "c", "name": "s", "load_balancer": "l" },
            "task_definition": null, "outcome": outcome, "reason": null, "restores": null,
            "url": null, "seconds": 1.0,
        });
        for (kind, value) in [("assemblies", json!({})), ("releases", record)] {
            let request = PutRecord {
                key: format!("{kind}/{}.json", id(number)),
                value,
                replace: false,
            };
            let checkout = self.machine.checkout.root();
            let cloud = (self.machine.cloud_port, &*self.machine.key());
            aws::call(checkout, cloud, request);
        }
    }

    fn releases(&self) -> Vec<String> {
        let listed = self.xtask(&["releases"]);
        let releases = listed["releases"].as_array().unwrap().iter();
        releases
            .map(|release| release["id"].as_str().unwrap().to_owned())
            .collect()
    }

    fn tag(&self, number: usize) -> String {
        format!("key-{}", self.built[number]["key"].as_str().unwrap())
    }

    fn digest(&self, number: usize) -> &str {
        self.built[number]["digest"].as_str().unwrap()
    }

    fn repository(&self) -> Repository {
        let checkout = &self.machine.checkout;
        Repository::new(&checkout.registry(), &checkout.repository("orchestrator"))
    }

    /// The tags that the registry lists.
    fn tags(&self) -> BTreeSet<String> {
        let Repository { registry, name, .. } = self.repository();
        registry::tags(&registry, &name).into_iter().collect()
    }

    /// Where the registry keeps the bytes of a manifest.
    fn blob(&self, number: usize) -> PathBuf {
        let hex = self.digest(number).strip_prefix("sha256:").unwrap();
        let blob = format!(
            "registry/data/docker/registry/v2/blobs/sha256/{}",
            &hex[..2]
        );
        self.machine.state(&blob).join(hex)
    }

    /// The compiled programs that are kept.
    fn programs(&self) -> usize {
        let folder = self.machine.checkout.path("target/xtask/prebuilt/rust");
        let listing = fs::read_dir(folder).unwrap();
        listing
            .filter(|item| item.as_ref().unwrap().path().is_dir())
            .count()
    }
}

/// A container that was never started, gone when this is dropped.
struct Container(String);

impl Container {
    fn of(image: &str) -> Self {
        Self(sh!("docker create {image}").trim().to_owned())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let container = &self.0;
        let _ = try_sh!("docker rm {container}");
    }
}

fn id(number: usize) -> String {
    format!("20260101T00000{number}Z-000000")
}

/// Tags of what goes from one keeper of images, less what has none.
fn tagged(pruned: &Value, keeper: &str) -> BTreeSet<String> {
    let images = pruned["images"].as_array().unwrap().iter();
    images
        .filter(|image| image["keeper"] == keeper)
        .flat_map(|image| image["tags"].as_array().unwrap())
        .map(|tag| tag.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_nobody_goes_back_to_goes_from_everywhere() {
    let platform = Platform::new();
    let checkout = &platform.machine.checkout;
    let old_packages = checkout.path("target/xtask/npm/0123456789abcdef");
    fs::create_dir_all(old_packages.join("node_modules")).unwrap();
    let before = platform.tags();
    let prune = ["prune", "--keep", "1"];

    let listed = platform.xtask(&[&prune[..], &["--dry-run"]].concat());
    assert_eq!(platform.tags(), before);
    assert_eq!(platform.releases(), [3, 2, 1, 0].map(id));
    assert_eq!(platform.programs(), 4);

    // A registry that somebody may be sending to is not stopped.
    let building = platform.machine.state("locks/key-0123");
    let building = Lock::try_take(&building, "a build").unwrap();
    let pruned = platform
        .run(&[&prune[..], &["--json"]].concat())
        .expect_success();
    let why = format!(
        "the disk space of the registry is not freed, because process {} builds an image; the next prune frees it",
        std::process::id()
    );
    assert!(pruned.stderr.contains(&why), "{}", pruned.stderr);
    let pruned = pruned.json();
    let mut expected = listed;
    assert_eq!(expected["dry_run"], true);
    expected["dry_run"] = json!(false);
    assert_eq!(pruned, expected);

    // The third did not serve, the second is what a rollback goes back to.
    assert_eq!(pruned["releases"], json!([2, 0].map(id)));
    assert_eq!(platform.releases(), [3, 1].map(id));
    let old = BTreeSet::from([platform.tag(0), platform.tag(2)]);
    assert_eq!(tagged(&pruned, "registry"), old);
    assert_eq!(tagged(&pruned, "engine"), old);
    assert_eq!(platform.tags(), &before - &old);
    assert_eq!(pruned["definitions"], json!([]));
    let cache = pruned["cache"].as_array().unwrap();
    assert_eq!(cache.len(), 4, "{pruned:#}");
    assert_eq!(platform.programs(), 1);
    assert!(!old_packages.exists());

    assert!(platform.blob(0).exists());
    drop(building);
    let again = platform.xtask(&prune);
    for what in ["releases", "definitions", "images", "cache"] {
        assert_eq!(again[what], json!([]), "{what}");
    }
    for (number, is_kept) in [false, true, false, true].into_iter().enumerate() {
        let key = format!("assemblies/{}.json", id(number));
        let request = GetRecord { key };
        let cloud = (platform.machine.cloud_port, &*platform.machine.key());
        let found = aws::call(checkout.root(), cloud, request);
        assert_eq!(found.value.is_some(), is_kept, "{number}");
        assert_eq!(platform.blob(number).exists(), is_kept, "{number}");
    }

    // What is left is whole, and what is gone comes again.
    let Repository { registry, name, .. } = platform.repository();
    remove_images(&format!("{registry}/{name}"));
    let kept = platform.built[1]["reference"].as_str().unwrap();
    assert_eq!(checkout.run_image(kept), platform.says("two"));
    platform.write("one");
    let built = platform.build();
    assert_eq!(
        (&built["state"], &built["digest"]),
        (&json!("built"), &platform.built[0]["digest"])
    );
    let reference = built["reference"].as_str().unwrap();
    assert_eq!(checkout.run_image(reference), platform.says("one"));
}

#[test]
fn what_has_a_container_or_a_tag_of_somebodys_own_stays() {
    let platform = Platform::new();
    let container = Container::of(platform.built[0]["reference"].as_str().unwrap());
    let repository = platform.repository();
    let manifest = repository.manifest(platform.digest(2)).unwrap();
    repository.put("mine", &manifest).unwrap();
    let prune = ["prune", "--keep", "1"];
    let pruned = platform.xtask(&prune);
    drop(container);
    assert_eq!(pruned["releases"], json!([2, 0].map(id)));
    assert_eq!(tagged(&pruned, "registry"), BTreeSet::new());
    assert!((0..4).all(|number| platform.blob(number).exists()));

    let pruned = platform.xtask(&prune);
    let only = BTreeSet::from([platform.tag(0)]);
    assert_eq!(tagged(&pruned, "registry"), only);
    assert_eq!(tagged(&pruned, "engine"), only);
    assert!(!platform.blob(0).exists());
    assert!(platform.tags().contains("mine"));
}
