//! Copies of this checkout, with what is not committed: no test edits, builds in or cleans up
//! the developer's own.

use crate::common::instance::source;
use crate::common::sh;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use walkdir::WalkDir;
use xtask_core::lock::Lock;
use xtask_core::paths::cache_folder;

/// Results by digest that a copy takes from the checkout. It may remove its link to one, or
/// make others of its own.
const SHARED_RESULTS: [&str; 6] = [
    "prebuilt/rust",
    "prebuilt/npm",
    "prebuilt/apt",
    "prebuilt/npm-tools",
    "npm",
    "venv",
];

/// The copy that the tests work in. It stays from one run to the next, so that cargo finds
/// there what has not changed; one process at a time has it.
#[expect(clippy::print_stdout, reason = "it says why a test has not begun")]
pub(crate) fn root() -> PathBuf {
    static COPY: LazyLock<(PathBuf, Lock)> = LazyLock::new(|| {
        let root = cache_folder(&source()).join("test/checkout");
        let lock = Lock::wait(&root.with_extension("lock"), |holder| {
            println!("wait for the tests of {holder}");
        });
        let lock = lock.unwrap();
        update(&root);
        (root, lock)
    });
    COPY.0.clone()
}

/// Another copy, whose manifest differs in one place.
pub(crate) fn with_manifest(from: &str, to: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    update(copy.path());
    let path = copy.path().join(app_gen_infra::MANIFEST_PATH);
    let manifest = fs::read_to_string(&path).unwrap();
    assert!(manifest.contains(from), "{from}");
    fs::write(path, manifest.replacen(from, to, 1)).unwrap();
    copy
}

/// Makes the folder a copy. What is the same already keeps its time, by which cargo goes.
fn update(copy: &Path) {
    let source = source();
    let names = sh!("git -C {source} ls-files -z --cached --others --exclude-standard");
    let files: BTreeSet<&Path> = names
        .split_terminator('\0')
        .map(Path::new)
        // One that was removed is listed until that is committed.
        .filter(|name| source.join(name).is_file())
        .collect();
    let present = WalkDir::new(copy).min_depth(1).into_iter();
    for entry in present.filter_entry(|entry| entry.path() != copy.join("target")) {
        let Ok(entry) = entry else { continue };
        let name = entry.path().strip_prefix(copy).unwrap();
        if entry.file_type().is_file() && !files.contains(name) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    for name in &files {
        let (from, to) = (source.join(name), copy.join(name));
        if !is_same(&from, &to) {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&from, &to).unwrap();
        }
    }
    leave_agents_out(copy);
    share_results(&cache_folder(&source), &cache_folder(copy));
    for lock in files
        .iter()
        .filter(|name| name.ends_with("package-lock.json"))
    {
        link_packages(&source, copy, lock.parent().unwrap());
    }
}

/// Gives a project of npm the packages that it has in the checkout.
fn link_packages(source: &Path, copy: &Path, project: &Path) {
    let modules = project.join("node_modules");
    let link = copy.join(&modules);
    if let Ok(packages) = fs::read_link(source.join(&modules))
        && let Ok(packages) = packages.strip_prefix(cache_folder(source))
        && !link.is_symlink()
    {
        symlink(cache_folder(copy).join(packages), link).unwrap();
    }
}

/// Makes the generator's image one without agents: they are hundreds of megabytes, and no test here starts
/// one. Node and npm stay, which previews run with.
fn leave_agents_out(copy: &Path) {
    let path = copy.join(app_gen_infra::MANIFEST_PATH);
    let manifest = fs::read_to_string(&path).unwrap();
    let is_agents = |line: &&str| {
        ["\"tools/codex/", "\"tools/claude/"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let (agents, rest): (Vec<&str>, Vec<&str>) =
        manifest.split_inclusive('\n').partition(is_agents);
    assert_eq!(agents.len(), 2, "{agents:?}");
    fs::write(path, rest.concat()).unwrap();
}

fn is_same(one: &Path, other: &Path) -> bool {
    let mode = |path| fs::metadata(path).map(|found| found.mode()).ok();
    mode(one) == mode(other) && fs::read(one).ok() == fs::read(other).ok()
}

fn share_results(source: &Path, copy: &Path) {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    for kind in SHARED_RESULTS {
        fs::create_dir_all(copy.join(kind)).unwrap();
        for link in entries(&copy.join(kind)) {
            // What it points to was removed.
            if !link.path().exists() {
                fs::remove_file(link.path()).unwrap();
            }
        }
        for entry in entries(&source.join(kind)) {
            let place = copy.join(kind).join(entry.file_name());
            if !place.exists() {
                symlink(entry.path(), place).unwrap();
            }
        }
    }
}
