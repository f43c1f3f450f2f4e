//! What of the packages of Debian and of npm is in the key of an image: each kind of input, changed
//! alone, changes the key and is called by its name, and nothing else changes it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Checkout, context};
use serde_json::{Value, json};
use std::fs;
use xtask_core::error::Rendered;
use xtask_image::build::key_of;
use xtask_image::debian::lock;
use xtask_image::key::Key;
use xtask_image::key::explain;

const IMAGE: &str = "generator";
const MANIFEST: &str = app_gen_infra::MANIFEST_PATH;
const NPM_LOCK: &str = "app-gen/tools/package-lock.json";
const APT: &str = "apt = { packages = [\"git\", \"less\"], to = \"debian\" }\n";
const NPM_TOOLS: &str = "npm_tools = { folder = \"app-gen/tools\", files = { \
    \"tools/node\" = \"node/bin/node\", \"tools/agent\" = \"@scope/agent-linux/agent\" } }\n";

fn npm_lock() -> Value {
    let package = |version: &str, integrity: &str| {
        json!({
            "version": version, "resolved": format!("https://registry.example/{version}.tgz"),
            "integrity": format!("sha512-{integrity}"),
        })
    };
    json!({ "name": "tools", "lockfileVersion": 3, "packages": {
        "": { "name": "tools" },
        "node_modules/node": package("24.0.0", "AA=="),
        "node_modules/@scope/agent-linux": package("1.0.0", "BB=="),
        "node_modules/@scope/agent-darwin": package("1.0.0", "CC=="),
    } })
}

fn debian_lock() -> String {
    let package = |name: &str, version: &str, digest: char| {
        debian_package(name, version, digest, "debian/pool/main")
    };
    format!(
        "suite = \"trixie\"\nwanted = [\"git\", \"less\"]\n{}{}{}",
        package("git", "1:2.0-1", 'a'),
        package("less", "600-1", 'b'),
        package("perl", "5.40-1", 'c')
    )
}

fn debian_package(name: &str, version: &str, digest: char, folder: &str) -> String {
    format!(
        "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\narchitecture = \"amd64\"\n\
         sha256 = \"{}\"\nsize_bytes = 7\npath = \"{folder}/{name}.deb\"\n",
        digest.to_string().repeat(64)
    )
}

/// A checkout whose image has nothing but packages.
fn checkout() -> Checkout {
    let checkout = Checkout::new();
    checkout.write("app-gen/Dockerfile", "FROM scratch\nCOPY debian/ /\n");
    checkout.write("app-gen/.dockerignore", "*\n");
    checkout.write("app-gen/tools/package.json", "{}\n");
    checkout.write(NPM_LOCK, &npm_lock().to_string());
    checkout.write(&lock::path(IMAGE), &debian_lock());
    let text = fs::read_to_string(checkout.path(MANIFEST)).unwrap();
    // Whatever the committed image is made of.
    let (before, image) = text.split_once("[images.generator]\n").unwrap();
    let (_, after) = image.split_once("\n# --- What runs").unwrap();
    let image = format!(
        "[images.generator]\nrepository = \"r\"\ncontext = \"app-gen\"\n\
         dockerfile = \"app-gen/Dockerfile\"\n{APT}{NPM_TOOLS}"
    );
    checkout.write(
        MANIFEST,
        &format!("{before}{image}\n# --- What runs{after}"),
    );
    checkout
}

fn key(checkout: &Checkout) -> anyhow::Result<Key> {
    key_of(&context(checkout.root()), IMAGE)
}

fn replace(checkout: &Checkout, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(checkout.path(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    checkout.write(file, &text.replacen(from, to, 1));
}

fn edit_npm_lock(checkout: &Checkout, edit: impl FnOnce(&mut Value)) {
    let mut lock = npm_lock();
    edit(&mut lock["packages"]);
    checkout.write(NPM_LOCK, &lock.to_string());
}

/// What is said of an edit; empty where the key stays as it is.
fn said_of(edit: impl FnOnce(&Checkout)) -> Vec<String> {
    let checkout = checkout();
    let before = key(&checkout).unwrap();
    edit(&checkout);
    let after = key(&checkout).unwrap();
    let platform = context(checkout.root()).platform;
    let found = explain::differences(&platform.images[IMAGE], &before.inputs, &after.inputs);
    assert_eq!(found.is_empty(), before.hex == after.hex, "{found:?}");
    found.iter().map(ToString::to_string).collect()
}

type Case<'a> = (&'a str, &'a dyn Fn(&Checkout), &'a [&'a str]);

#[test]
fn each_input_of_packages_changes_the_key_and_is_named() {
    let debian = lock::path(IMAGE);
    let edited = |from: &'static str, to: &'static str| {
        let debian = debian.clone();
        move |at: &Checkout| replace(at, &debian, from, to)
    };
    let manifest =
        |from: &'static str, to: &'static str| move |at: &Checkout| replace(at, MANIFEST, from, to);
    let other_digest = "d".repeat(64);
    let cases: &[Case<'_>] = &[
        ("nothing", &|_| (), &[]),
        (
            "another version of a package",
            &edited("600-1", "600-2"),
            &["Debian package less changed: 600-1 → 600-2"],
        ),
        (
            "other bytes of the same version",
            &|at| replace(at, &debian, &"b".repeat(64), &other_digest),
            &["Debian package less 600-1 changed"],
        ),
        (
            "another architecture",
            &edited("architecture = \"amd64\"", "architecture = \"all\""),
            &["Debian package git 1:2.0-1 changed: amd64 → all"],
        ),
        (
            "a package under another name",
            &edited("name = \"perl\"", "name = \"perl-base\""),
            &[
                "Debian package perl removed: 5.40-1",
                "Debian package perl-base added: 5.40-1",
            ],
        ),
        (
            "where a package is downloaded",
            &edited("pool/main/git.deb", "pool/git.deb"),
            &[],
        ),
        (
            "the order of names",
            &manifest("[\"git\", \"less\"]", "[\"less\", \"git\"]"),
            &[],
        ),
        ("a comment", &edited("suite", "# a comment\nsuite"), &[]),
        (
            "where packages are in the context",
            &manifest("to = \"debian\"", "to = \"packages\""),
            &["prebuild apt.to changed: debian → packages"],
        ),
        (
            "no packages of Debian",
            &manifest(APT, ""),
            &["prebuild apt removed: debian"],
        ),
        (
            "another version of a wanted package of npm",
            &|at| {
                edit_npm_lock(at, |it| {
                    it["node_modules/node"]["version"] = json!("24.0.1")
                })
            },
            &["npm package node changed: 24.0.0 → 24.0.1"],
        ),
        (
            "other bytes of the same version of npm",
            &|at| {
                edit_npm_lock(at, |it| {
                    it["node_modules/node"]["integrity"] = json!("sha512-DD==")
                })
            },
            &["npm package node 24.0.0 changed"],
        ),
        (
            "a package of npm that nobody wants",
            &|at| {
                edit_npm_lock(at, |it| {
                    it["node_modules/@scope/agent-darwin"]["version"] = json!("2.0.0");
                });
            },
            &[],
        ),
        (
            "where a package of npm is downloaded",
            &|at| {
                edit_npm_lock(at, |it| {
                    it["node_modules/node"]["resolved"] = json!("https://r/x")
                })
            },
            &[],
        ),
        (
            "another file of a package",
            &manifest("node/bin/node\"", "node/bin/npm\""),
            &["prebuild npm_tools.files.tools/node changed: node/bin/node → node/bin/npm"],
        ),
        (
            "another place of a file",
            &manifest("\"tools/node\"", "\"tools/other\""),
            &[
                "prebuild npm_tools.files.tools/node removed: node/bin/node",
                "prebuild npm_tools.files.tools/other added: node/bin/node",
            ],
        ),
        (
            "a tool that is left out",
            &manifest(", \"tools/agent\" = \"@scope/agent-linux/agent\"", ""),
            &[
                "prebuild npm_tools.files.tools/agent removed: @scope/agent-linux/agent",
                "npm package @scope/agent-linux removed: 1.0.0",
            ],
        ),
        (
            "no tools of npm",
            &manifest(NPM_TOOLS, ""),
            &["prebuild npm_tools removed: tools/agent, tools/node"],
        ),
    ];
    for (what, edit, said) in cases {
        assert_eq!(said_of(edit), *said, "{what}");
    }
}

#[test]
fn the_place_of_the_checkout_is_no_input() {
    let first = checkout();
    assert_eq!(key(&first).unwrap().hex, key(&checkout()).unwrap().hex);
}

#[test]
fn what_is_not_settled_has_no_key() {
    for (edit, said, hint) in [
        (
            &(|at: &Checkout| fs::remove_file(at.path(&lock::path(IMAGE))).unwrap())
                as &dyn Fn(&Checkout),
            "app-gen-infra/debian/generator.toml is missing, so no version of its packages is settled",
            "cargo xtask bases --update",
        ),
        (
            &|at| replace(at, MANIFEST, "\"less\"", "\"nano\""),
            "app-gen-infra/debian/generator.toml was made without nano",
            "cargo xtask bases --update",
        ),
        (
            &|at| replace(at, MANIFEST, "debian:trixie-slim", "debian:forky-slim"),
            "app-gen-infra/debian/generator.toml is for Debian trixie, and the base image is Debian forky",
            "cargo xtask bases --update",
        ),
        (
            &|at| edit_npm_lock(at, |it| it["node_modules/node"] = json!(null)),
            "has no checksum of node_modules/node",
            "package-lock.json",
        ),
        (
            &|at| {
                edit_npm_lock(at, |it| {
                    it.as_object_mut().unwrap().remove("node_modules/node");
                });
            },
            "has no package node, which node/bin/node would be of",
            "npm install --save-exact node",
        ),
    ] {
        let checkout = checkout();
        edit(&checkout);
        let refusal = Rendered::new(&key(&checkout).unwrap_err());
        assert!(refusal.message.contains(said), "{refusal:?}");
        assert!(
            refusal.hint.as_deref().unwrap().contains(hint),
            "{refusal:?}"
        );
    }
}

/// What an edit can change, each of it to one of two values.
const INPUTS: [&str; 8] = [
    "version of a package",
    "digest of a package",
    "needed package",
    "folder in the context",
    "version of node",
    "checksum of node",
    "agent",
    "version of the agent",
];
const OTHERS: [&str; 4] = [
    "mirror",
    "registry",
    "version of an unwanted package",
    "order of wanted packages",
];

/// The values of all of it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    inputs: [bool; INPUTS.len()],
    others: [bool; OTHERS.len()],
}

impl State {
    fn write(self, checkout: &Checkout) {
        let [
            version,
            digest,
            needed,
            folder,
            node,
            checksum,
            agent,
            agent_version,
        ] = self.inputs;
        let [mirror, registry, unwanted, order] = self.others;
        let pick = |which: bool, one: &'static str, other: &'static str| match which {
            false => one,
            true => other,
        };
        let pool = pick(mirror, "debian/pool/main", "debian-security/pool/main");
        let digit = if digest { 'd' } else { 'a' };
        let mut lock = "suite = \"trixie\"\nwanted = [\"git\", \"less\"]\n".to_owned();
        lock += &debian_package("git", pick(version, "1:2.0-1", "1:2.0-2"), digit, pool);
        lock += &debian_package("less", "600-1", 'b', pool);
        if needed {
            lock += &debian_package("perl", "5.40-1", 'c', pool);
        }
        checkout.write(&lock::path(IMAGE), &lock);
        edit_npm_lock(checkout, |it| {
            it["node_modules/node"]["version"] = pick(node, "24.0.0", "24.0.1").into();
            it["node_modules/node"]["integrity"] =
                pick(checksum, "sha512-AA==", "sha512-DD==").into();
            it["node_modules/node"]["resolved"] =
                pick(registry, "https://a/x", "https://b/x").into();
            let linux = pick(agent_version, "1.0.0", "1.0.1");
            it["node_modules/@scope/agent-linux"]["version"] = linux.into();
            let darwin = pick(unwanted, "1.0.0", "2.0.0");
            it["node_modules/@scope/agent-darwin"]["version"] = darwin.into();
        });
        let names = pick(order, "\"git\", \"less\"", "\"less\", \"git\"");
        let to = pick(folder, "debian", "packages");
        let agent = pick(
            agent,
            ", \"tools/agent\" = \"@scope/agent-linux/agent\"",
            "",
        );
        let text = fs::read_to_string(checkout.path(MANIFEST)).unwrap();
        let (before, rest) = text.split_once("apt = ").unwrap();
        let (_, after) = rest.split_once("\n# --- What runs").unwrap();
        let image = format!(
            "apt = {{ packages = [{names}], to = \"{to}\" }}\n\
             npm_tools = {{ folder = \"app-gen/tools\", \
             files = {{ \"tools/node\" = \"node/bin/node\"{agent} }} }}\n"
        );
        checkout.write(
            MANIFEST,
            &format!("{before}{image}\n# --- What runs{after}"),
        );
    }

    /// What the image is made of. The version of an agent that is left out is nothing of it.
    fn wanted(mut self) -> [bool; INPUTS.len()] {
        let [.., is_left_out, version] = &mut self.inputs;
        if *is_left_out {
            *version = false;
        }
        self.inputs
    }
}

#[test]
fn two_states_have_one_key_exactly_where_they_are_made_of_the_same() {
    let checkout = checkout();
    let mut state = State {
        inputs: [false; INPUTS.len()],
        others: [false; OTHERS.len()],
    };
    let mut seen: Vec<(State, String)> = Vec::new();
    // A walk that is the same in every run, one change a step.
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..150 {
        state.write(&checkout);
        seen.push((state, key(&checkout).unwrap().hex));
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let count = u64::try_from(INPUTS.len() + OTHERS.len()).unwrap();
        let which = usize::try_from(random % count).unwrap();
        match which.checked_sub(INPUTS.len()) {
            None => state.inputs[which] ^= true,
            Some(other) => state.others[other] ^= true,
        }
    }
    let mut equal = 0;
    for (index, (one, key)) in seen.iter().enumerate() {
        for (other, other_key) in &seen[..index] {
            let same = one.wanted() == other.wanted();
            assert_eq!(
                key == other_key,
                same,
                "{:?} {:?}",
                one.inputs,
                other.inputs
            );
            equal += usize::from(same && one != other);
        }
    }
    assert!(equal > 20, "{equal}");
}
