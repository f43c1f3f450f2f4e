//! The orchestrator of the release before, compiled from its commit, which `tests/release-before` names.
//!
//! Its sources are unpacked below the target folder of these tests. It is compiled with the dependencies of
//! these tests, in cargo's folder for intermediate files that both have in common, so that only packages of
//! ours and changed dependencies are compiled, and that once.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::OnceCell;

const PACKAGE: &str = "app-gen-saas";

/// Compiles it, unless that was done before.
pub async fn program() -> &'static Path {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_init(compile).await
}

async fn compile() -> PathBuf {
    // Cargo gives this name to a folder in that of its intermediate files.
    let build_folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let all = build_folder.join("release-before");
    let commit = commit();
    let folder = all.join(commit);
    fs::create_dir_all(&folder).unwrap();
    let sources = sources(commit, &folder).await;
    remove_others(&all, commit);

    let program = Path::new(crate::support::binary::PRESENT);
    let profile = program.parent().and_then(Path::file_name).unwrap();
    let profile = profile.to_str().unwrap();
    // Other tests run meanwhile, some with little time.
    let mut cargo = Command::new("nice");
    cargo
        .arg(env!("CARGO"))
        .args(["build", "--package", PACKAGE, "--bin", PACKAGE])
        // There are none, but they make cargo choose the features that tests have.
        .arg("--examples")
        .args(["--profile", if profile == "debug" { "dev" } else { profile }])
        .current_dir(&sources)
        .env("CARGO_BUILD_BUILD_DIR", build_folder)
        .env("CARGO_TARGET_DIR", &folder);
    // What cargo says of the package under test: build scripts would run again to hear of another one.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_MANIFEST_", "CARGO_PKG_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            cargo.env_remove(&*name);
        }
    }
    run(&mut cargo, "compile the release before").await;
    folder.join(profile).join(PACKAGE)
}

/// The commit of the release before.
fn commit() -> &'static str {
    let lines = include_str!("../../release-before").lines();
    let mut commits = lines.filter(|line| !line.starts_with('#'));
    let commit = commits.next().unwrap();
    assert_eq!(
        commits.next(),
        None,
        "tests/release-before names one commit"
    );
    let is_whole = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_whole, "tests/release-before: {commit:?} is no commit id");
    commit
}

/// The files of the commit, in a folder that is there as a whole or not at all.
async fn sources(commit: &str, folder: &Path) -> PathBuf {
    let sources = folder.join("sources");
    if sources.exists() {
        return sources;
    }
    let draft = tempfile::tempdir_in(folder).unwrap();
    let archive = draft.path().join("archive.tar");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(repository)
        .args(["archive", "--format=tar", "--output"])
        .args([archive.as_path(), Path::new(commit)]);
    run(
        &mut git,
        "read the commit of the release before, which a clone without history does not have \
         (`git fetch --unshallow`)",
    )
    .await;
    let unpacked = draft.path().join("sources");
    fs::create_dir(&unpacked).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(&archive);
    tar.arg("--directory").arg(&unpacked);
    run(&mut tar, "unpack the release before").await;
    set_version(&unpacked.join("Cargo.toml"), commit);
    if let Err(error) = fs::rename(&unpacked, &sources) {
        // Another run of these tests may have been faster.
        assert!(sources.exists(), "{}: {error}", sources.display());
    }
    sources
}

/// Cargo tells packages of a workspace apart by their names, versions and dependencies, not by where the
/// workspace is: without a version of its own, this one would be taken for the present one, and the other
/// way around.
fn set_version(manifest: &Path, commit: &str) {
    let text = fs::read_to_string(manifest).unwrap();
    let (before, rest) = text.split_once("\nversion = \"").unwrap();
    let (version, after) = rest.split_once('"').unwrap();
    let text = format!("{before}\nversion = \"{version}+{commit}\"{after}");
    fs::write(manifest, text).unwrap();
}

/// Removes what was compiled of earlier releases.
fn remove_others(all: &Path, commit: &str) {
    for entry in fs::read_dir(all).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != commit {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

async fn run(command: &mut Command, what: &str) {
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(
        output.status.success(),
        "failed to {what}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
