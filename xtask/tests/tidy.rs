//! Rules of the repository, as tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn manifest(path: &Path) -> toml::Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn members() -> Vec<String> {
    manifest(&root().join("Cargo.toml"))["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_member_follows_the_workspace() {
    for member in members() {
        let table = manifest(&root().join(&member).join("Cargo.toml"));
        assert_eq!(
            table["lints"]["workspace"],
            toml::Value::Boolean(true),
            "{member}"
        );
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, value) in dependencies {
                assert_eq!(
                    value.get("workspace"),
                    Some(&toml::Value::Boolean(true)),
                    "{member}: {section}: {name} names a version of its own"
                );
            }
        }
    }
}

#[test]
fn the_changelog_knows_the_version() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains("## Unreleased"));
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    let command = "cargo xtask test --setup";
    assert!(readme.contains(command));
    assert!(script.lines().any(|line| line == format!("exec {command}")));
}

#[test]
fn source_files_stay_readable() {
    // Generated types and the lock files of others are not ours to split.
    let limit_lines = 500;
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_symlink() || ["target", "node_modules", ".git", "dist"].contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if ["rs", "ts", "tsx", "py", "sh"]
                .iter()
                .any(|ending| path.extension().is_some_and(|found| found == *ending))
                && name != "schema.d.ts"
            {
                let lines = fs::read_to_string(&path).unwrap().lines().count();
                assert!(
                    lines <= limit_lines,
                    "{} has {lines} lines: look for the seam",
                    path.display()
                );
            }
        }
    }
}
