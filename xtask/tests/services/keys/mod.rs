//! The same key is the same image: whatever was changed, in whichever order, and whatever is kept of
//! builds before, and in another checkout of the same sources.
//!
//! Random changes follow each other. After each few of them, the checkout and a fresh copy of its
//! sources make everything that goes into their images. Each key of the run, of an image, of a binary
//! and of a page, belongs to one digest for the rest of it. Now and then both push their images, too.
//! What differs between two keys is what `key_table` tests.
//!
//! Thousands, from another seed:
//! `XTASK_KEYS_SEED=7 XTASK_KEYS_CHECKS=2000 cargo test -p xtask --test services keys::the_same -- --nocapture`

mod artefacts;
mod changes;
mod installed;
mod world;

use artefacts::Artefacts;
use changes::Change;
use installed::Installed;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use world::World;

use crate::common::{instance, ran, registry};
use serde_json::Value;
use xtask_docker::registry::Repository;

/// How often all is made and compared where nothing else is asked for.
const CHECKS: u64 = 24;
/// The checks of one world, which then ends.
const CHECKS_OF_WORLD: u64 = 12;
/// One of so many checks pushes the images.
const PUSHED: u64 = 6;
/// Worlds at a time: a compile is one process after the other.
const SIDE_BY_SIDE: usize = 2;

/// Kinds of changes, and how many of each kind there are between two checks, in hundredths.
const KINDS: [(&[Change], usize); 5] = [
    (&changes::OF_RUST, 90),
    (&changes::OF_PAGE, 60),
    (&changes::OF_DOCKER, 200),
    (&changes::AROUND, 200),
    (&changes::KEPT, 100),
];

/// A digest, and where it was seen first.
type Seen = (String, String);

/// What the run has seen.
#[derive(Default)]
struct Pairs {
    seen: Mutex<BTreeMap<String, Seen>>,
    changes: AtomicU64,
    repeated: AtomicU64,
    pushed: AtomicU64,
}

impl Pairs {
    /// Holds a pair against all others.
    fn hold(&self, kind: &str, key: &str, digest: &str, whence: String) {
        let mut seen = self.seen.lock().unwrap();
        let first = match seen.entry(format!("{kind} {key}")) {
            Entry::Vacant(place) => {
                place.insert((digest.to_owned(), whence));
                return;
            }
            Entry::Occupied(first) => first.get().clone(),
        };
        drop(seen);
        self.repeated.fetch_add(1, Ordering::Relaxed);
        assert!(
            first.0 == digest,
            "{kind} with key {key} is {} ({}) and {digest} ({whence})",
            first.0,
            first.1
        );
    }
}

/// One world, with all that was done to it.
struct Run<'a> {
    seed: u64,
    world: World,
    installed: &'a Installed,
    pairs: &'a Pairs,
    log: Vec<String>,
    /// The changes of each kind that have not had their turn.
    turns: [Vec<Change>; KINDS.len()],
}

/// If the test fails, what it takes to see that again.
impl Drop for Run<'_> {
    #[expect(clippy::print_stdout, reason = "the runner shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.join("\n  ");
            println!(
                "XTASK_KEYS_SEED={} XTASK_KEYS_CHECKS={CHECKS_OF_WORLD}\n  {log}",
                self.seed
            );
        }
    }
}

impl<'a> Run<'a> {
    fn new(seed: u64, installed: &'a Installed, pairs: &'a Pairs) -> Self {
        Self {
            seed,
            world: World::new(seed, installed),
            installed,
            pairs,
            log: Vec::new(),
            turns: [const { Vec::new() }; KINDS.len()],
        }
    }

    fn run(mut self, checks: u64) {
        let mut last = Artefacts::new();
        for check in 0..checks {
            self.log.push(format!("check {check}"));
            if check > 0 {
                self.change();
            }
            last = self.check(check, &last);
            if check % PUSHED == PUSHED - 1 {
                self.push(check, &last);
            }
        }
    }

    /// One change of some of the kinds, so that each key has few reasons to be another. Each change of
    /// a kind has its turn before any has its second.
    fn change(&mut self) {
        for (kind, (changes, percent)) in KINDS.into_iter().enumerate() {
            for _ in 0..(percent + self.world.numbers.below(100)) / 100 {
                if self.turns[kind].is_empty() {
                    self.turns[kind] = changes.to_vec();
                }
                let next = self.world.numbers.below(self.turns[kind].len());
                let what = self.turns[kind].swap_remove(next)(&mut self.world);
                self.log.push(format!("  {what}"));
                self.pairs.changes.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn check(&mut self, check: u64, last: &Artefacts) -> Artefacts {
        let root = self.world.checkout.root().to_owned();
        let here = self.made(&root, check, "the checkout");
        let copy = self.copy(&here, last);
        let there = self.made(copy.path(), check, "a copy");
        for (what, [key, _]) in &here {
            assert_eq!(
                key, &there[what][0],
                "the key of {what} in another checkout"
            );
        }
        here
    }

    fn made(&self, root: &Path, check: u64, place: &str) -> Artefacts {
        let made =
            artefacts::of(&self.world, root).unwrap_or_else(|text| panic!("{place}: {text}"));
        for (what, [key, digest]) in &made {
            let kind = what.split(' ').next().unwrap();
            let whence = format!("{what} of {place}, seed {}, check {check}", self.seed);
            self.pairs.hold(kind, key, digest, whence);
        }
        made
    }

    /// A copy of the sources, mostly with nothing made yet.
    fn copy(&mut self, here: &Artefacts, last: &Artefacts) -> tempfile::TempDir {
        let prefix = self.world.any(&["copy", "a copy (2) "]);
        let copy = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
        self.world.clone_sources(copy.path());
        self.installed.show_to(&copy.path().join(Installed::FOLDER));
        let lend = |name: &str| {
            let from = self.world.checkout.path("target/xtask").join(name);
            if from.exists() {
                let to = copy.path().join("target/xtask").join(name);
                copy_folder(&from, &to);
            }
        };
        // What is known of the compilers costs the most, and is true everywhere.
        if self.world.numbers.below(8) > 0 {
            lend("stat");
            lend("toolchain");
        }
        // A binary or page that is not new is made again sometimes.
        for (what, folder) in [("binary", "prebuilt/rust"), ("page", "prebuilt/npm")] {
            if last.get(what) == here.get(what) && self.world.numbers.below(3) > 0 {
                lend(folder);
            }
        }
        copy
    }

    /// Builds and pushes, from a registry that has anything under these keys.
    fn push(&mut self, check: u64, made: &Artefacts) {
        for image in ["orchestrator", "generator"] {
            let what = self.tamper(image, &made[&format!("image {image}")][0]);
            self.log.push(format!("  {what}"));
        }
        let root = self.world.checkout.root().to_owned();
        self.build(&root, check, made, "the checkout");
        let again = self.world.any(&["orchestrator", "generator"]);
        let what = self.tamper(again, &made[&format!("image {again}")][0]);
        self.log.push(format!("  {what}"));
        let copy = self.copy(made, made);
        self.build(copy.path(), check, made, "a copy");
        self.build(&root, check, made, "the checkout");
    }

    fn build(&self, root: &Path, check: u64, made: &Artefacts, place: &str) {
        let program = Path::new(env!("CARGO_BIN_EXE_xtask"));
        let output = self
            .world
            .command(root, program)
            .args(["build", "--json"])
            .output();
        let built = ran(&output.unwrap()).expect_success().json();
        let images = built["images"].as_array().unwrap();
        assert_eq!(images.len(), 2, "{built}");
        for outcome in images {
            let text = |name: &str| outcome[name].as_str().unwrap();
            let (image, key, digest) = (text("image"), text("key"), text("digest"));
            let state = text("state");
            let what = format!("{image} of {place}, which is {state}");
            assert_eq!(key, made[&format!("image {image}")][0], "{what}");
            let repository = self.world.checkout.repository(image);
            let tagged =
                registry::digest_of(instance::registry(), &repository, &format!("key-{key}"));
            assert_eq!(tagged.as_deref(), Some(digest), "{what}");
            assert_eq!(key_label(&repository, digest), key, "{what}");
            let whence = format!("{what}, seed {}, check {check}", self.seed);
            self.pairs.hold("pushed", key, digest, whence);
            self.pairs.pushed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Removes what the registry has under a key, or puts the image of another key there.
    fn tamper(&mut self, image: &str, key: &str) -> String {
        let repository = self.world.checkout.repository(image);
        let at = Repository::new(instance::registry(), &repository);
        let tags = registry::tags(instance::registry(), &repository);
        let tag = format!("key-{key}");
        match self.world.numbers.below(3) {
            0 => format!("{image}: the registry is left alone"),
            1 => {
                if let Some(digest) = registry::digest_of(instance::registry(), &repository, &tag) {
                    at.delete(&digest).unwrap();
                }
                format!("{image}: the registry has no {tag}")
            }
            _ => {
                let others: Vec<&String> = tags.iter().filter(|other| **other != tag).collect();
                let Some(other) = others.get(self.world.numbers.below(others.len().max(1))) else {
                    return format!("{image}: the registry has nothing else");
                };
                // A tag that is listed may name what was deleted.
                if let Ok(manifest) = at.manifest(other) {
                    at.put(&tag, &manifest).unwrap();
                }
                format!("{image}: the registry has {other} under {tag}")
            }
        }
    }
}

/// The key that the image itself says it has.
fn key_label(repository: &str, digest: &str) -> String {
    let url = format!("http://{}/v2/{repository}", instance::registry());
    let read = |path: String| -> Value {
        let request = ureq::get(format!("{url}/{path}"));
        let request = request.header("accept", "application/vnd.oci.image.manifest.v1+json");
        request.call().unwrap().body_mut().read_json().unwrap()
    };
    let manifest = read(format!("manifests/{digest}"));
    let configuration = manifest["config"]["digest"].as_str().unwrap();
    let configuration = read(format!("blobs/{configuration}"));
    let label = &configuration["config"]["Labels"]["app-gen.key"];
    label.as_str().unwrap_or_default().to_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status();
    assert!(copied.unwrap().success());
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn the_same_key_is_the_same_image() {
    let seed = number("XTASK_KEYS_SEED", 0x5eed);
    let checks = number("XTASK_KEYS_CHECKS", CHECKS);
    println!("XTASK_KEYS_SEED={seed} XTASK_KEYS_CHECKS={checks}");
    let started = Instant::now();
    let installed = Installed::new();
    let pairs = Pairs::default();
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let worker = || {
            loop {
                let world = next.fetch_add(1, Ordering::Relaxed);
                let before = world * CHECKS_OF_WORLD;
                if before >= checks {
                    break;
                }
                let run = Run::new(seed + world, &installed, &pairs);
                run.run(CHECKS_OF_WORLD.min(checks - before));
            }
        };
        let workers: Vec<_> = (0..SIDE_BY_SIDE).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                // The other one ends with its world.
                next.store(checks, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
        }
    });
    let keys = pairs.seen.lock().unwrap().len();
    let [changes, repeated, pushed] =
        [&pairs.changes, &pairs.repeated, &pairs.pushed].map(|count| count.load(Ordering::Relaxed));
    println!(
        "{changes} changes, {checks} checks, {keys} keys, {repeated} digests seen again, {pushed} images in the \
         registry, seed {seed}, {:.0} s",
        started.elapsed().as_secs_f64()
    );
    // A key that never changes, and one that always does, would prove nothing.
    assert!(u64::try_from(keys).unwrap() > checks && repeated > keys.try_into().unwrap());
}
