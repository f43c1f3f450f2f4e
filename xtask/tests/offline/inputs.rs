//! `inputs`, of images of a checkout and of contexts that no checkout knows.

use crate::common::{Ran, ran};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// A folder with a context `app` in it, and no checkout around.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("app/Dockerfile", "FROM scratch\nCOPY . /\n");
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: impl AsRef<Path>, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(["inputs", "--platform", "linux/amd64"])
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&self.command(arguments).output().unwrap())
    }

    fn inputs(&self, arguments: &[&str]) -> Value {
        let arguments = [&["--json", "--context", "app"], arguments].concat();
        self.run(&arguments).expect_success().json()
    }

    fn refusal(&self, arguments: &[&str]) -> (i32, String) {
        let ran = self.run(arguments);
        assert_eq!(ran.stdout, "", "{ran:?}");
        (ran.code, ran.stderr)
    }
}

fn paths(inputs: &Value) -> Vec<&str> {
    let entries = inputs["entries"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect()
}

#[test]
fn a_tree_of_all_kinds_is_one_documented_object() {
    let folder = Folder::new();
    folder.write("app/run", "#!/bin/sh\n");
    folder.write("app/deep/er/file", "x");
    folder.write("app/left/out", "x");
    folder.write("app/.dockerignore", "left/*\n");
    folder.write("app/back\\slash and space", "");
    folder.write(
        Path::new("app").join(OsStr::from_bytes(b"not-utf8-\xff")),
        "",
    );
    fs::create_dir(folder.path().join("app/empty")).unwrap();
    symlink("../nowhere", folder.path().join("app/dangling")).unwrap();
    for (name, mode) in [("app/run", 0o700), ("app/deep/er/file", 0o666)] {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(folder.path().join(name), mode).unwrap();
    }
    let inputs = folder.inputs(&["--build-arg", "A=1=2", "--build-arg", "B="]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&inputs).unwrap());
}

#[test]
fn the_text_shows_the_same() {
    let folder = Folder::new();
    folder.write("app/two\nlines", "");
    symlink("Dockerfile", folder.path().join("app/link")).unwrap();
    let ran = folder.run(&["--context", "app", "--build-arg", "MODE=fast"]);
    let text = ran.expect_success().stdout;
    let (text, key) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(key.starts_with("key: "), "{key}");
    insta::assert_snapshot!(text, @r"
    context app
      file       644  083716298205  Dockerfile
      symlink                       link → Dockerfile
      file       644  e3b0c44298fc  two\nlines
    argument MODE: fast
    platform: linux/amd64
    Dockerfile app/Dockerfile: 083716298205
    ");
}

#[test]
fn a_reader_that_saw_enough_is_no_error() {
    let folder = Folder::new();
    for number in 0..2_000 {
        folder.write(format!("app/file-{number}"), "");
    }
    let mut child = folder
        .command(&["--context", "app"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = ran(&child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn a_dockerfile_may_lie_anywhere() {
    let folder = Folder::new();
    let inside = folder.inputs(&[]);
    assert_eq!(inside["dockerfile"]["path"], "app/Dockerfile");
    folder.write("elsewhere/Containerfile", "FROM scratch\nCOPY . /\n");
    // Relative to the current folder, as for Docker, and not to the context.
    let outside = folder.inputs(&["--file", "elsewhere/Containerfile"]);
    assert_eq!(outside["dockerfile"]["path"], "elsewhere/Containerfile");
    assert_eq!(outside["key"], inside["key"]);
}

#[test]
fn the_name_that_was_opened_decides_everything_else() {
    let folder = Folder::new();
    let inside = folder.inputs(&[]);
    folder.write("app/a", "");
    folder.write("app/dockerfile.dockerignore", "a\n");
    folder.write("app/Dockerfile.dockerignore", "*\n");
    // What Docker takes where nobody named a Dockerfile, and nothing has the usual name.
    let path = |name: &str| folder.path().join("app").join(name);
    fs::rename(path("Dockerfile"), path("dockerfile")).unwrap();
    let small = folder.inputs(&[]);
    assert_eq!(small["dockerfile"]["path"], "app/dockerfile");
    assert_eq!(
        small["dockerfile"]["digest"],
        inside["dockerfile"]["digest"]
    );
    assert_eq!(small["ignore_file"]["path"], "app/dockerfile.dockerignore");
    assert!(!paths(&small).contains(&"a"));
    // Where both names exist, the usual one counts.
    folder.write("app/Dockerfile", "FROM scratch\n");
    let usual = folder.inputs(&[]);
    assert_eq!(usual["dockerfile"]["path"], "app/Dockerfile");
    assert_eq!(usual["ignore_file"]["path"], "app/Dockerfile.dockerignore");
    assert_eq!(paths(&usual).len(), 0);
}

#[test]
fn links_of_a_dockerfile_end_within_its_folder() {
    let folder = Folder::new();
    folder.write("app/sub/D", "FROM scratch\nCOPY . /\n");
    folder.write("D", "FROM scratch\n");
    let host = folder.path().join("D");
    let links = folder.path().join("app/links");
    fs::create_dir(&links).unwrap();
    let digest = folder.inputs(&[])["dockerfile"]["digest"].clone();
    let link = folder.path().join("app/Dockerfile");
    for target in ["sub/D", "/sub/D", "../sub/D", "nothing/../sub/D"] {
        fs::remove_file(&link).unwrap();
        symlink(target, &link).unwrap();
        let linked = folder.inputs(&[]);
        assert_eq!(linked["dockerfile"]["digest"], digest, "{target}");
        assert_eq!(linked["dockerfile"]["path"], "app/Dockerfile");
    }
    for target in ["../D", host.to_str().unwrap(), "Dockerfile", "nothing"] {
        fs::remove_file(&link).unwrap();
        symlink(target, &link).unwrap();
        let (code, stderr) = folder.refusal(&["--context", "app"]);
        assert_eq!(code, 2, "{target}: {stderr}");
        assert!(
            stderr.contains("failed to read Dockerfile app/Dockerfile")
                && stderr.contains(&format!("Docker follows the link to {target} within")),
            "{target}: {stderr}"
        );
    }
}

#[test]
fn every_bit_of_a_mode_is_an_input_of_a_context_that_docker_reads() {
    let folder = Folder::new();
    folder.write("app/file", "");
    fs::create_dir(folder.path().join("app/directory")).unwrap();
    let mut keys = BTreeSet::new();
    for (name, modes) in [
        ("file", [0o644, 0o600, 0o4644, 0o666]),
        ("directory", [0o700, 0o1777, 0o2755, 0o711]),
    ] {
        for mode in modes {
            let path = folder.path().join("app").join(name);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let inputs = folder.inputs(&[]);
            keys.insert(inputs["key"].to_string());
            let entries = inputs["entries"].as_array().unwrap();
            let entry = entries.iter().find(|entry| entry["path"] == name).unwrap();
            assert_eq!(entry["mode"], format!("{mode:o}"));
        }
    }
    assert_eq!(keys.len(), 8);
    let text = folder.run(&["--context", "app"]).expect_success().stdout;
    assert!(
        text.contains("  directory  711                directory\n"),
        "{text}"
    );
    assert!(text.contains("  file       666  "), "{text}");
}

#[test]
fn the_dockerfile_s_own_ignore_file_comes_first_even_empty() {
    let folder = Folder::new();
    folder.write("app/a", "");
    folder.write("app/.dockerignore", "a\n");
    let inputs = folder.inputs(&[]);
    assert_eq!(paths(&inputs), [".dockerignore", "Dockerfile"]);
    assert_eq!(inputs["ignore_file"]["path"], "app/.dockerignore");

    folder.write("elsewhere/Dockerfile", "FROM scratch\n");
    folder.write("elsewhere/Dockerfile.dockerignore", "");
    let inputs = folder.inputs(&["--file", "elsewhere/Dockerfile"]);
    assert_eq!(paths(&inputs), [".dockerignore", "Dockerfile", "a"]);
    let own = "elsewhere/Dockerfile.dockerignore";
    assert_eq!(inputs["ignore_file"]["path"], own);
}

#[test]
fn everything_docker_is_told_is_an_input() {
    let folder = Folder::new();
    folder.write(
        "app/Dockerfile",
        "FROM scratch AS one\nFROM scratch AS two\n",
    );
    let mut keys = vec![folder.inputs(&[])["key"].clone()];
    for arguments in [
        ["--target", "one"],
        ["--build-arg", "A=1"],
        ["--build-arg", "A=2"],
    ] {
        keys.push(folder.inputs(&arguments)["key"].clone());
    }
    folder.write(
        "app/Dockerfile",
        "FROM scratch AS one\nFROM scratch AS two\n\n",
    );
    keys.push(folder.inputs(&[])["key"].clone());
    let distinct: BTreeSet<String> = keys.iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), keys.len(), "{keys:?}");
}

#[test]
fn what_docker_refuses_is_refused() {
    let folder = Folder::new();
    folder.write("app/.dockerignore", "fine\n\n[a\n");
    insta::assert_snapshot!(folder.refusal(&["--context", "app"]).1, @r"
    error: app/.dockerignore:3: pattern `[a` is malformed: a character class is not closed
    hint: edit app/.dockerignore
    ");
    folder.write("app/.dockerignore", "!\n");
    let (code, stderr) = folder.refusal(&["--context", "app"]);
    assert_eq!(code, 5);
    assert!(
        stderr.contains("app/.dockerignore:1: pattern `!`"),
        "{stderr}"
    );
    folder.write("app/.dockerignore", "");

    for (arguments, code, message) in [
        (&["--context", "none"][..], 2, "context none cannot be read"),
        (
            &["--context", "app/Dockerfile"],
            2,
            "app/Dockerfile is not a folder",
        ),
        (
            &["--context", "app", "--file", "none"],
            2,
            "failed to read Dockerfile none",
        ),
        (
            &["--context", "app", "--file", "app"],
            2,
            "failed to read Dockerfile app",
        ),
        (
            &["--context", "app", "--build-arg", "NAME"],
            2,
            "a build argument has the form NAME=VALUE",
        ),
        (&["--context", "app", "--target", "none"], 5, "none"),
        (&["app", "--context", "app"], 2, "cannot be used with"),
        (&["app"], 4, "no app-gen-infra/platform.toml"),
    ] {
        let (actual, stderr) = folder.refusal(arguments);
        assert_eq!(actual, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
    folder.write("app/Dockerfile", "FROM ${BASE}\n");
    let (code, stderr) = folder.refusal(&["--context", "app"]);
    assert_eq!(code, 5);
    assert!(stderr.contains("app/Dockerfile:1"), "{stderr}");
}

#[test]
fn a_dockerfile_that_never_ends_is_refused() {
    let folder = Folder::new();
    let refusal = |file: &str| {
        let (code, stderr) = folder.refusal(&["--context", "app", "--file", file]);
        assert_eq!(code, 2, "{stderr}");
        stderr
    };
    // Nobody will ever open its other end.
    let pipe = folder.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR).unwrap();
    for file in ["pipe", "/dev/zero"] {
        let stderr = refusal(file);
        assert!(stderr.contains("it is not a file"), "{file}: {stderr}");
    }
    folder.write("sparse", "");
    let sparse = fs::File::options()
        .write(true)
        .open(folder.path().join("sparse"))
        .unwrap();
    sparse.set_len(10 * 1024 * 1024 * 1024).unwrap();
    let stderr = refusal("sparse");
    assert!(stderr.contains("it is larger than 16 MiB"), "{stderr}");
}
