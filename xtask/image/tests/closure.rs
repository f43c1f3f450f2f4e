//! What a package is compiled from, as the real cargo resolves it, and the memory of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use xtask_core::cmd::Cmd;
use xtask_core::error::Rendered;
use xtask_image::rust::cargo_config;
use xtask_image::rust::closure;
use xtask_image::rust::closure::Closure;
use xtask_image::rust::environment::Surroundings;
use xtask_image::rust::workspace;
use xtask_tree::stat_cache::StatCache;

/// A workspace in a folder of its own.
struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    /// `packages`: folder, and what its manifest holds after name and version.
    fn new(manifest: &str, packages: &[(&str, &str)]) -> Self {
        let workspace = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let manifest = format!("[workspace]\nresolver = \"3\"\n{manifest}");
        workspace.write("checkout/Cargo.toml", &manifest);
        for (folder, manifest) in packages {
            let name = Path::new(folder).file_name().unwrap().to_str().unwrap();
            workspace.write(
                &format!("checkout/{folder}/Cargo.toml"),
                &format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{manifest}"),
            );
            workspace.write(&format!("checkout/{folder}/src/lib.rs"), "");
        }
        workspace
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("checkout")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn lock(&self) {
        Cmd::new("cargo")
            .args(["generate-lockfile", "--offline"])
            .folder(self.root())
            .read()
            .unwrap();
    }

    fn cache_folder(&self) -> PathBuf {
        self.folder.path().join("records")
    }

    fn resolve(&self, package: &str) -> anyhow::Result<Closure> {
        let surroundings = Surroundings::of_process(&self.root());
        let config = cargo_config::read(&surroundings)?;
        closure::resolve(
            &surroundings,
            &self.cache_folder(),
            "cargo 1",
            &config,
            package,
        )
    }

    fn refusal(&self, package: &str) -> Rendered {
        Rendered::new(&self.resolve(package).unwrap_err())
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn every_edge_and_every_set_of_features_counts() {
    let workspace = Workspace::new(
        "members = [\"crates/*\"]\nexclude = [\"apart\"]\n\
         [workspace.dependencies]\nrenamed = { path = \"apart\", package = \"apart\" }\n",
        &[
            (
                "crates/app",
                "[dependencies]\nbase = { path = \"../base\" }\nmacros = { path = \"../macros\" }\n\
                 renamed.workspace = true\n\
                 [build-dependencies]\nbase = { path = \"../base\", features = [\"one\", \"two\"] }\n\
                 [dev-dependencies]\nunused = { path = \"../unused\" }\n\
                 [target.'cfg(windows)'.dependencies]\nunused = { path = \"../unused\" }\n\
                 [target.'cfg(unix)'.dependencies]\non-unix = { path = \"../on-unix\" }\n",
            ),
            (
                "crates/base",
                "[features]\none = []\ntwo = []\nthree = []\n",
            ),
            (
                "crates/macros",
                "[lib]\nproc-macro = true\n[dependencies]\nbase = { path = \"../base\", features = [\"one\"] }\n",
            ),
            ("crates/on-unix", ""),
            // Its features are not those of the app's.
            (
                "crates/unused",
                "[dependencies]\nbase = { path = \"../base\", features = [\"three\"] }\n",
            ),
            ("apart", ""),
        ],
    );
    workspace.lock();
    let closure = workspace.resolve("app").unwrap();
    let expected = Closure {
        members: map(&[
            ("apart", "apart"),
            ("app", "crates/app"),
            ("base", "crates/base"),
            ("macros", "crates/macros"),
            ("on-unix", "crates/on-unix"),
        ]),
        features: map(&[
            ("apart 1.0.0", ""),
            ("app 1.0.0", ""),
            ("base 1.0.0", " | one,two"),
            ("macros 1.0.0", ""),
            ("on-unix 1.0.0", ""),
        ]),
        checksums: BTreeMap::new(),
        workspace: workspace::tables(&workspace.root(), &closure.members).unwrap(),
        excludes: closure
            .members
            .values()
            .map(|folder| (folder.clone(), Vec::new()))
            .collect(),
        vendored: BTreeMap::new(),
    };
    assert_eq!(closure, expected);
}

#[test]
fn path_packages_outside_and_of_one_name_are_refused() {
    let workspace = Workspace::new(
        "members = [\"app\", \"other\"]\nexclude = [\"second\"]\n",
        &[
            ("app", "[dependencies]\nout = { path = \"../../out\" }\n"),
            (
                "other",
                "[dependencies]\ntwin = { path = \"../other/twin\" }\ntwin2 = { path = \"../second/twin\", package = \"twin\" }\n",
            ),
            ("other/twin", ""),
            ("second/twin", ""),
        ],
    );
    workspace.write(
        "out/Cargo.toml",
        "[package]\nname = \"out\"\nversion = \"1.0.0\"\nedition = \"2024\"\n",
    );
    workspace.write("out/src/lib.rs", "");
    workspace.write(
        "checkout/second/twin/Cargo.toml",
        "[package]\nname = \"twin\"\nversion = \"2.0.0\"\nedition = \"2024\"\n",
    );
    workspace.lock();
    let refusal = workspace.refusal("app");
    assert_eq!(refusal.exit_code, 5);
    assert_eq!(
        refusal.message,
        "path package out is outside of the checkout"
    );
    assert!(refusal.hint.unwrap().contains("move it into the checkout"));
    let refusal = workspace.refusal("other");
    assert_eq!(refusal.exit_code, 5);
    assert!(refusal.message.contains("both named twin"), "{refusal:?}");

    // Cargo's own words where it refuses the workspace.
    workspace.write("checkout/app/Cargo.toml", "[package]\n");
    let refusal = workspace.refusal("app");
    assert_eq!(refusal.exit_code, 5);
    assert!(refusal.causes[0].contains("app/Cargo.toml"), "{refusal:?}");
}

#[test]
fn a_path_package_behind_a_link_is_refused_before_the_compile() {
    for (dependency, link, leads_to, expected) in [
        ("../way", "checkout/way", "base", "way"),
        ("../way/base", "checkout/way", "deep", "way"),
        ("../deep/way", "checkout/deep/way", "../base", "deep/way"),
    ] {
        let app = format!("[dependencies]\nbase = {{ path = \"{dependency}\" }}\n");
        let workspace = Workspace::new(
            "members = [\"app\"]\nexclude = [\"base\", \"deep\", \"way\"]\n",
            &[("app", &app), ("base", ""), ("deep/base", "")],
        );
        symlink(leads_to, workspace.folder.path().join(link)).unwrap();
        workspace.lock();
        let refusal = workspace.refusal("app");
        assert_eq!(refusal.exit_code, 5);
        assert_eq!(
            refusal.message,
            format!("path package base is behind the link {expected}")
        );
        assert!(refusal.hint.unwrap().ends_with("base"));
    }
}

#[test]
fn an_answer_is_kept_by_the_bytes_it_comes_from() {
    let app = "[dependencies]\nbase = { path = \"../base\" }\n";
    let workspace = Workspace::new(
        "members = [\"*\"]\n",
        &[("app", app), ("base", "[features]\none = []\n")],
    );
    workspace.lock();
    let head = fs::read_to_string(workspace.root().join("app/Cargo.toml")).unwrap();
    let cache = workspace.cache_folder().join("closures/app.json");
    let features = |workspace: &Workspace| {
        // Older than the next question.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let closure = workspace.resolve("app").unwrap();
        assert!(cache.is_file());
        closure.features["base 1.0.0"].clone()
    };
    assert_eq!(features(&workspace), "");
    let whole = fs::read(&cache).unwrap();

    // From memory: cargo would not find the package that the memory knows of.
    fs::rename(
        workspace.root().join("base/src"),
        workspace.root().join("base/gone"),
    )
    .unwrap();
    assert_eq!(features(&workspace), "");
    fs::rename(
        workspace.root().join("base/gone"),
        workspace.root().join("base/src"),
    )
    .unwrap();

    let with_feature = head.replace("base\" }", "base\", features = [\"one\"] }");
    workspace.write("checkout/app/Cargo.toml", &with_feature);
    assert_eq!(features(&workspace), "one");
    // The memory of another state is not believed, nor a damaged one.
    fs::write(&cache, &whole).unwrap();
    assert_eq!(features(&workspace), "one");
    let text = fs::read_to_string(&cache).unwrap();
    fs::write(&cache, text.replace("\"one\"", "\"two\"")).unwrap();
    assert_eq!(features(&workspace), "one");
    // A package of the path that is reached through the workspace's manifest.
    workspace.write("checkout/app/Cargo.toml", &head);
    assert_eq!(features(&workspace), "");
}

#[test]
fn inherited_dependencies_count_by_name_and_excludes_are_followed() {
    let manifest = "members = [\"app\", \"one\", \"two\"]\n\
         [workspace.package]\nexclude = [\"notes\"]\n[workspace.dependencies]\n\
         chosen = { path = \"one\", package = \"one\" }\nunused = { path = \"two\", package = \"two\" }\n";
    let workspace = Workspace::new(
        manifest,
        &[
            (
                "app",
                "exclude.workspace = true\n[dependencies]\nchosen.workspace = true\n\
                 two = { path = \"../two\" }\n",
            ),
            ("one", "exclude = [\"Cargo.toml\", \"src/skipped.rs\"]\n"),
            ("two", ""),
        ],
    );
    for file in ["app/notes", "app/target/made", "one/src/skipped.rs"] {
        workspace.write(&format!("checkout/{file}"), "");
    }
    workspace.lock();
    let closure = workspace.resolve("app").unwrap();
    let sources = closure::sources(&workspace.root(), &closure, &StatCache::none()).unwrap();
    let names: Vec<&str> = sources.keys().map(String::as_str).collect();
    let expected = [
        "app/Cargo.toml",
        "app/src/lib.rs",
        "one/Cargo.toml",
        "one/src/lib.rs",
        "two/Cargo.toml",
        "two/src/lib.rs",
    ];
    assert_eq!(names, expected);

    // The same packages with the same features, but another one is called `chosen`.
    let tables = || workspace::tables(&workspace.root(), &closure.members).unwrap();
    let before = tables();
    let edit = |from: &str, to: &str| {
        let text = format!("[workspace]\nresolver = \"3\"\n{manifest}").replace(from, to);
        workspace.write("checkout/Cargo.toml", &text);
    };
    edit(
        "path = \"one\", package = \"one\"",
        "path = \"two\", package = \"two\"",
    );
    let after = tables();
    assert_ne!(before["dependency chosen"], after["dependency chosen"]);
    edit("unused", "unheard-of");
    assert_eq!(before, tables());
}
